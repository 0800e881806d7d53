//! What one transaction changes.

use serde::Serialize;

use crate::error::StoreError;
use crate::row;
use crate::table::Table;

/// One change: a row is set, or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub table: Table,
    pub key: Vec<u8>,
    /// `None` removes the row.
    pub row: Option<Vec<u8>>,
}

/// Changes in order; a later one of the same key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn put_bytes(&mut self, table: Table, key: impl Into<Vec<u8>>, row: Vec<u8>) {
        self.ops.push(Op { table, key: key.into(), row: Some(row) });
    }

    /// Encodes `value` as a row of the current version.
    pub fn put<T: Serialize>(&mut self, table: Table, key: impl Into<Vec<u8>>, value: &T) -> Result<(), StoreError> {
        let key = key.into();
        let row = row::encode(value).map_err(|source| StoreError::row(table, &key, source))?;
        self.ops.push(Op { table, key, row: Some(row) });
        Ok(())
    }

    pub fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.ops.push(Op { table, key: key.into(), row: None });
    }

    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Forgets everything after the first `len` changes.
    pub fn truncate(&mut self, len: usize) {
        self.ops.truncate(len);
    }
}
