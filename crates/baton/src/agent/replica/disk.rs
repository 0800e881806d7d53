//! The copy of the catalog on the disk, with the commands that wait for the server.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use baton_catalog::{Command, Feed, Row, State};
use baton_store::{Batch, RedbStore, Store as _, Table, row};

/// Key of the epoch in the meta table.
const EPOCH: &str = "replica/epoch";
/// Keys of waiting commands begin with it; their number follows.
const WAITING: &str = "replica/waiting/";

/// What was kept.
pub(super) struct Kept {
    pub state: State,
    pub epoch: String,
    pub journal: VecDeque<(u64, Command)>,
}

#[derive(Clone)]
pub(super) struct Disk(Arc<RedbStore>);

impl Disk {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let store = RedbStore::open(dir).with_context(|| format!("the copy of the catalog in {}", dir.display()))?;
        Ok(Self(Arc::new(store)))
    }

    pub(super) fn read(&self, datacenter: &str) -> Result<Kept> {
        let mut rows = Vec::new();
        for (key, bytes) in self.0.scan(Table::Catalog)? {
            let key = String::from_utf8_lossy(&key).into_owned();
            let (table, name) = key.split_once('/').unwrap_or((&key, ""));
            let value = row::unwrap(&bytes).with_context(|| format!("row {key:?} of the catalog's copy"))?;
            rows.push((table.to_owned(), name.to_owned(), value.to_vec()));
        }
        let rows = rows.iter().map(|(table, key, value)| (table.as_str(), key.as_str(), value.as_slice()));
        let state = State::restore(datacenter, rows, std::time::Duration::ZERO).context("the copy of the catalog")?;
        let (mut epoch, mut journal) = (String::new(), VecDeque::new());
        for (key, bytes) in self.0.scan(Table::Meta)? {
            let key = String::from_utf8_lossy(&key).into_owned();
            let unreadable = || format!("{key} of the catalog's copy");
            if key == EPOCH {
                epoch = row::decode(&bytes).with_context(unreadable)?;
            } else if let Some(number) = key.strip_prefix(WAITING) {
                let number = number.parse().with_context(unreadable)?;
                journal.push_back((number, row::decode(&bytes).with_context(unreadable)?));
            }
        }
        Ok(Kept { state, epoch, journal })
    }

    /// What the server told.
    pub(super) async fn take(&self, epoch: &str, feed: &Feed) -> Result<()> {
        let mut batch = Batch::new();
        for row in &feed.rows {
            put(&mut batch, &row.table, &row.key, row.value.as_deref().map(str::as_bytes));
        }
        batch.put(Table::Meta, EPOCH, &epoch)?;
        let whole = feed.whole;
        self.run(move |store| if whole { store.replace_all(&batch) } else { store.commit(&batch) }).await
    }

    /// What a command of this machine changed, with the command itself.
    pub(super) async fn keep(&self, number: u64, command: &Command, rows: &[Row], replaced: &[u64]) -> Result<()> {
        let mut batch = Batch::new();
        for row in rows {
            put(&mut batch, row.table, &row.key, row.value.as_deref());
        }
        for number in replaced {
            batch.remove(Table::Meta, waiting(*number));
        }
        batch.put(Table::Meta, waiting(number), command)?;
        batch.put(Table::Meta, EPOCH, &"")?;
        self.run(move |store| store.commit(&batch)).await
    }

    /// The server has this command.
    pub(super) async fn forget(&self, number: u64) -> Result<()> {
        let mut batch = Batch::new();
        batch.remove(Table::Meta, waiting(number));
        self.run(move |store| store.commit(&batch)).await
    }

    async fn run<F>(&self, write: F) -> Result<()>
    where
        F: FnOnce(&RedbStore) -> Result<(), baton_store::StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.0);
        Ok(tokio::task::spawn_blocking(move || write(&store)).await??)
    }
}

fn put(batch: &mut Batch, table: &str, key: &str, value: Option<&[u8]>) {
    let key = format!("{table}/{key}");
    match value {
        Some(value) => batch.put_bytes(Table::Catalog, key, row::wrap(value)),
        None => batch.remove(Table::Catalog, key),
    }
}

/// Ordered as text as the numbers are.
fn waiting(number: u64) -> String {
    format!("{WAITING}{number:020}")
}
