//! A store without a disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Batch, KeyRow, Store, StoreError, Table};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Keeps everything in memory; for tests and for agents that are told to forget.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        apply(&mut self.rows(), batch);
        Ok(())
    }

    fn scan(&self, table: Table) -> Result<Vec<KeyRow>, StoreError> {
        let rows = self.rows();
        Ok(rows.iter().filter(|((of, _), _)| *of == table).map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows().get(&(table, key.to_vec())).cloned())
    }

    fn replace_all(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut rows = self.rows();
        rows.clear();
        apply(&mut rows, batch);
        Ok(())
    }
}

fn apply(rows: &mut Rows, batch: &Batch) {
    for op in batch.ops() {
        let key = (op.table, op.key.clone());
        match &op.row {
            Some(row) => rows.insert(key, row.clone()),
            None => rows.remove(&key),
        };
    }
}
