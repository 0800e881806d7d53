//! The store in one redb file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError};

use crate::lock::DirLock;
use crate::{Batch, KeyRow, Store, StoreError, Table};

/// The file in the data directory.
pub const DATABASE_FILE: &str = "state.redb";

/// The layout of the tables; a file with a higher number is refused.
const SCHEMA: u64 = 1;

/// Kept in memory by redb; the server keeps its working set itself.
const CACHE_BYTES: usize = 4 << 20;

/// Bookkeeping of this module: schema version and number of commits.
const HEADER: TableDefinition<'static, &str, u64> = TableDefinition::new("store_header");
const HEADER_SCHEMA: &str = "schema";
const HEADER_COMMITS: &str = "commits";

/// A [`Store`] in `state.redb`. Every commit is one redb transaction, synced to the disk.
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    inner: Mutex<Inner>,
    _lock: DirLock,
}

#[derive(Debug)]
struct Inner {
    /// `None` after an I/O error, until the file was opened again.
    database: Option<Database>,
    /// Transactions in the file, as far as this process knows.
    commits: u64,
}

impl RedbStore {
    /// Opens or creates the database of a data directory. The directory is created when it is missing.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Unreadable { path: dir.to_owned(), source })?;
        let lock = DirLock::acquire(dir)?;
        let path = dir.join(DATABASE_FILE);
        let (database, commits) = open_file(&path)?;
        Ok(Self { path, inner: Mutex::new(Inner { database: Some(database), commits }), _lock: lock })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch, clear: bool) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner.database.is_none() {
            inner.reopen(&self.path)?;
        }
        let commits = inner.commits + 1;
        let Some(database) = &inner.database else {
            return Err(StoreError::Write("the database is closed".to_owned()));
        };
        let Err(error) = transact(database, batch, clear, commits) else {
            inner.commits = commits;
            return Ok(());
        };
        // redb refuses everything after an I/O error. What the file holds is only known by opening it again: the
        // transaction may have reached the disk although its last step reported an error.
        inner.database = None;
        inner.reopen(&self.path).map_err(|again| StoreError::Unsure(format!("{error}; then {again}")))?;
        if inner.commits == commits {
            return Ok(());
        }
        Err(StoreError::Write(error.to_string()))
    }

    fn read<T>(&self, read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let mut inner = self.inner();
        if inner.database.is_none() {
            inner.reopen(&self.path)?;
        }
        let database = inner.database.as_ref().ok_or_else(|| StoreError::Read("the database is closed".to_owned()))?;
        let transaction = database.begin_read().map_err(|error| StoreError::Read(error.to_string()))?;
        drop(inner);
        read(&transaction).map_err(|error| StoreError::Read(error.to_string()))
    }
}

impl Inner {
    fn reopen(&mut self, path: &Path) -> Result<(), StoreError> {
        let (database, commits) = open_file(path).map_err(|error| StoreError::Write(error.to_string()))?;
        self.database = Some(database);
        self.commits = commits;
        Ok(())
    }
}

impl Store for RedbStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch, false)
    }

    fn scan(&self, table: Table) -> Result<Vec<KeyRow>, StoreError> {
        self.read(|transaction| {
            let table = match transaction.open_table(definition(table)) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut rows = Vec::new();
            for entry in table.iter()? {
                let (key, row) = entry?;
                rows.push((key.value().to_vec(), row.value().to_vec()));
            }
            Ok(rows)
        })
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| match transaction.open_table(definition(table)) {
            Ok(table) => Ok(table.get(key)?.map(|row| row.value().to_vec())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }

    fn replace_all(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch, true)
    }
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn transact(database: &Database, batch: &Batch, clear: bool, commits: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    if clear {
        for table in Table::ALL {
            transaction.delete_table(definition(table))?;
        }
    }
    for table in Table::ALL {
        let mut ops = batch.ops().iter().filter(|op| op.table == table).peekable();
        if ops.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(definition(table))?;
        for op in ops {
            match &op.row {
                Some(row) => rows.insert(op.key.as_slice(), row.as_slice())?,
                None => rows.remove(op.key.as_slice())?,
            };
        }
    }
    transaction.open_table(HEADER)?.insert(HEADER_COMMITS, commits)?;
    transaction.commit()?;
    Ok(())
}

/// Opens the file and says how many transactions it holds. A file of another kind or schema is not touched.
fn open_file(path: &Path) -> Result<(Database, u64), StoreError> {
    let database =
        redb::Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(|error| open_error(path, error))?;
    let corrupt = |error: redb::Error| StoreError::Corrupt { path: path.to_owned(), reason: error.to_string() };
    let (schema, commits) = read_header(&database).map_err(corrupt)?;
    match schema {
        Some(found) if found > SCHEMA => return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA }),
        Some(_) => {}
        None => write_schema(&database).map_err(|error| StoreError::Write(error.to_string()))?,
    }
    Ok((database, commits))
}

fn read_header(database: &Database) -> Result<(Option<u64>, u64), redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(HEADER) {
        Ok(header) => {
            let schema = header.get(HEADER_SCHEMA)?.map(|value| value.value());
            let commits = header.get(HEADER_COMMITS)?.map_or(0, |value| value.value());
            Ok((schema, commits))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok((None, 0)),
        Err(error) => Err(error.into()),
    }
}

fn write_schema(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(HEADER)?.insert(HEADER_SCHEMA, SCHEMA)?;
    transaction.commit()?;
    Ok(())
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let dir = path.parent().unwrap_or(&path).to_owned();
            StoreError::InUse { dir, pid: None }
        }
        // redb reports a foreign file as invalid data.
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            StoreError::Unreadable { path, source }
        }
        error => StoreError::Corrupt { path, reason: error.to_string() },
    }
}
