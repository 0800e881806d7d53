//! A full disk: an error, no damage, and on again once there is room.

use baton_store::{Batch, RedbStore, Store, StoreError, Table};
use baton_testkit::SmallDisk;

#[test]
fn a_full_disk_is_reported_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "3m") else { return };
    let store = RedbStore::open(dir.path()).unwrap();
    let commit = |number: u64, size: usize| {
        let mut batch = Batch::new();
        batch.put_bytes(Table::Jobs, number.to_be_bytes(), vec![7; size]);
        store.commit(&batch)
    };
    let mut written = 0;
    let error = loop {
        match commit(written, 64 << 10) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 0);
    assert!(matches!(error, StoreError::Write(_)), "{error}");
    // Still full: refused again, and everything acknowledged can still be read.
    assert!(commit(1000, 1 << 20).is_err());
    disk.resize("16m");
    assert_eq!(store.scan(Table::Jobs).unwrap().len() as u64, written);
    commit(written, 64 << 10).unwrap();
    drop(store);
    let store = RedbStore::open(dir.path()).unwrap();
    assert_eq!(store.scan(Table::Jobs).unwrap().len() as u64, written + 1);
}
