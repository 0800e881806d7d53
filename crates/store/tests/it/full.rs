//! A full disk: an error, no damage, and on again once there is room.

use std::path::Path;
use std::process::Command;

use baton_store::{Batch, RedbStore, Store, StoreError, Table};

/// A small file system that is gone with the test.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(dir.path(), "3m") else {
        eprintln!("SKIPPED: no right to mount a tmpfs here");
        return;
    };
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
    let made_room = Command::new("mount").args(["-o", "remount,size=16m"]).arg(dir.path()).status().unwrap();
    assert!(made_room.success());
    assert_eq!(store.scan(Table::Jobs).unwrap().len() as u64, written);
    commit(written, 64 << 10).unwrap();
    drop(store);
    let store = RedbStore::open(dir.path()).unwrap();
    assert_eq!(store.scan(Table::Jobs).unwrap().len() as u64, written + 1);
}
