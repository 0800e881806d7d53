//! A copy of the whole store as one stream.
//!
//! `BATONSNAP` and a format byte; then per row: table name, key, row, each with its length as a 32-bit big-endian
//! number; an empty table name ends the rows; last the SHA-256 of all that came before.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};

use crate::{Batch, Store, StoreError, Table};

const MAGIC: &[u8] = b"BATONSNAP\x01";

/// Longest key or row accepted from a snapshot.
const PART_MAX: u32 = 256 << 20;

const DIGEST_LEN: usize = 32;

pub(crate) fn write<S: Store + ?Sized>(store: &S, to: &mut dyn Write) -> Result<(), StoreError> {
    let mut digest = Sha256::new();
    let mut out = |bytes: &[u8]| {
        digest.update(bytes);
        to.write_all(bytes).map_err(|error| StoreError::Snapshot(error.to_string()))
    };
    out(MAGIC)?;
    let mut part = |bytes: &[u8]| {
        let len = u32::try_from(bytes.len()).map_err(|_| StoreError::Snapshot("a row is too long".to_owned()))?;
        out(&len.to_be_bytes())?;
        out(bytes)
    };
    for table in Table::ALL {
        for (key, row) in store.scan(table)? {
            part(table.name().as_bytes())?;
            part(&key)?;
            part(&row)?;
        }
    }
    part(&[])?;
    let sum = digest.finalize();
    to.write_all(&sum).map_err(|error| StoreError::Snapshot(error.to_string()))
}

pub(crate) fn read(from: &mut dyn Read) -> Result<Batch, StoreError> {
    let mut input = Input { from, digest: Sha256::new() };
    if input.bytes(MAGIC.len())? != MAGIC {
        return Err(StoreError::Snapshot("it is not a snapshot of this program".to_owned()));
    }
    let mut batch = Batch::new();
    loop {
        let name = input.part()?;
        if name.is_empty() {
            break;
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let table = Table::from_name(&name)
            .ok_or_else(|| StoreError::Snapshot(format!("it has a table {name:?} that this program does not know")))?;
        let key = input.part()?;
        let row = input.part()?;
        batch.put_bytes(table, key, row);
    }
    let sum = input.digest.clone().finalize();
    if input.bytes(DIGEST_LEN)? != sum.as_slice() {
        return Err(StoreError::Snapshot("its checksum does not match".to_owned()));
    }
    Ok(batch)
}

struct Input<'a> {
    from: &'a mut dyn Read,
    digest: Sha256,
}

impl Input<'_> {
    /// Reads exactly `len` bytes; grows with what arrives, so that a false length costs nothing.
    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let read = (&mut *self.from).take(len as u64).read_to_end(&mut bytes);
        read.map_err(|error| StoreError::Snapshot(error.to_string()))?;
        if bytes.len() < len {
            return Err(StoreError::Snapshot("it ends too early".to_owned()));
        }
        self.digest.update(&bytes);
        Ok(bytes)
    }

    fn part(&mut self) -> Result<Vec<u8>, StoreError> {
        let len = self.bytes(4)?;
        let len = u32::from_be_bytes([len[0], len[1], len[2], len[3]]);
        if len > PART_MAX {
            return Err(StoreError::Snapshot(format!("a part of {len} bytes is over the limit of {PART_MAX}")));
        }
        self.bytes(len as usize)
    }
}
