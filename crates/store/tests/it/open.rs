//! Data directories that are in use, foreign, damaged or from the future.

use std::fs;

use baton_store::{DATABASE_FILE, RedbStore, Store, StoreError, Table};

use crate::batch;

#[test]
fn a_second_agent_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = RedbStore::open(dir.path()).unwrap();
    let error = RedbStore::open(dir.path()).unwrap_err();
    assert!(matches!(&error, StoreError::InUse { pid: Some(pid), .. } if *pid == std::process::id()), "{error}");
    assert!(error.to_string().contains("another agent (process "), "{error}");
    drop(first);
    RedbStore::open(dir.path()).unwrap();
}

#[test]
fn a_foreign_file_is_named_and_left_alone() {
    for content in [&b"not a database, but somebody's notes"[..], &[0; 8192], &[0xff; 100_000]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE_FILE);
        fs::write(&path, content).unwrap();
        let error = RedbStore::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(DATABASE_FILE));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_truncated_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE_FILE);
    {
        let store = RedbStore::open(dir.path()).unwrap();
        store.commit(&batch(&[(Table::Jobs, "web", Some("1"))])).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    let half = &whole[..whole.len() / 2];
    fs::write(&path, half).unwrap();
    let error = RedbStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), half);
}

#[test]
fn a_newer_schema_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    drop(RedbStore::open(dir.path()).unwrap());
    {
        let database = redb::Database::open(dir.path().join(DATABASE_FILE)).unwrap();
        let write = database.begin_write().unwrap();
        let header = redb::TableDefinition::<&str, u64>::new("store_header");
        write.open_table(header).unwrap().insert("schema", 99).unwrap();
        write.commit().unwrap();
    }
    let error = RedbStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RedbStore::open(&file.join("state")).unwrap_err();
    assert!(matches!(&error, StoreError::Unreadable { path, .. } if path.ends_with("state")), "{error}");
}
