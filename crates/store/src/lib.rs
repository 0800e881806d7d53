//! Durable tables of versioned rows.
//!
//! A [`Store`] holds a fixed set of [`Table`]s; each maps key bytes to row bytes (see [`row`]). It changes only by a
//! [`Batch`]: all of it or nothing, on the disk before [`Store::commit`] returns. Two stores exist: [`RedbStore`], one
//! file in the server's data directory, and [`MemoryStore`], which forgets everything when it is dropped.
//!
//! Invariants: one process has a data directory open; a file that cannot be understood is never written to; after an
//! I/O error the file is opened anew before it is used again, and a batch counts as written only when it is found there.

mod batch;
mod error;
mod lock;
mod memory;
mod redb_store;
pub mod row;
mod snapshot;
mod table;

pub use batch::{Batch, Op};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use redb_store::{DATABASE_FILE, RedbStore};
pub use table::Table;

use std::io::{Read, Write};

/// A key with its row.
pub type KeyRow = (Vec<u8>, Vec<u8>);

/// Where the server's state lives.
pub trait Store: Send + Sync + 'static {
    /// Writes all of `batch` or nothing. When it returns `Ok` the rows survive a crash of the machine. After
    /// [`StoreError::Unsure`] only a read tells which of the two it was; after any other error it was nothing.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Every row of a table, in key order.
    fn scan(&self, table: Table) -> Result<Vec<KeyRow>, StoreError>;

    /// One row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a consistent copy of everything to `to`; the format stands in `snapshot.rs`.
    fn snapshot(&self, to: &mut dyn Write) -> Result<(), StoreError> {
        snapshot::write(self, to)
    }

    /// Replaces everything with a copy written by [`Store::snapshot`]. A damaged copy changes nothing.
    fn restore(&self, from: &mut dyn Read) -> Result<(), StoreError> {
        let batch = snapshot::read(from)?;
        self.replace_all(&batch)
    }

    /// Empties every table and writes `batch`, as one transaction.
    fn replace_all(&self, batch: &Batch) -> Result<(), StoreError>;
}
