//! The store as the server uses it: rows, snapshots, foreign files, crashes, full disks.

mod crash;
#[cfg(target_os = "linux")]
mod full;
mod open;

use baton_store::{Batch, MemoryStore, RedbStore, Store, Table};

/// Runs a story against both stores.
fn with_each(story: impl Fn(&dyn Store)) {
    story(&MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    story(&RedbStore::open(dir.path()).unwrap());
}

fn batch(rows: &[(Table, &str, Option<&str>)]) -> Batch {
    let mut batch = Batch::new();
    for (table, key, row) in rows {
        match row {
            Some(row) => batch.put_bytes(*table, *key, row.as_bytes().to_vec()),
            None => batch.remove(*table, *key),
        }
    }
    batch
}

#[test]
fn a_batch_is_applied_in_order_and_scans_are_sorted() {
    with_each(|store| {
        let rows = [
            (Table::Jobs, "b", Some("1")),
            (Table::Jobs, "a", Some("2")),
            (Table::Nodes, "a", Some("3")),
            (Table::Jobs, "b", Some("4")),
            (Table::Jobs, "c", Some("5")),
            (Table::Jobs, "c", None),
        ];
        store.commit(&batch(&rows)).unwrap();
        let found = store.scan(Table::Jobs).unwrap();
        let expected = vec![(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"4".to_vec())];
        assert_eq!(found, expected);
        assert_eq!(store.get(Table::Nodes, b"a").unwrap(), Some(b"3".to_vec()));
        assert_eq!(store.get(Table::Jobs, b"c").unwrap(), None);
        assert_eq!(store.scan(Table::Evals).unwrap(), []);
    });
}

#[test]
fn a_snapshot_restores_everything_and_a_damaged_one_nothing() {
    with_each(|store| {
        let rows =
            [(Table::Jobs, "web", Some("1")), (Table::Allocs, "x", Some("2")), (Table::Meta, "index", Some("3"))];
        store.commit(&batch(&rows)).unwrap();
        let mut copy = Vec::new();
        store.snapshot(&mut copy).unwrap();

        store.commit(&batch(&[(Table::Jobs, "web", None), (Table::Jobs, "api", Some("9"))])).unwrap();
        for cut in [0, 5, copy.len() / 2, copy.len() - 1] {
            assert!(store.restore(&mut &copy[..cut]).is_err(), "cut at {cut}");
        }
        for flip in [0, 12, 20, copy.len() - 40, copy.len() - 1] {
            let mut damaged = copy.clone();
            damaged[flip] ^= 0x40;
            assert!(store.restore(&mut damaged.as_slice()).is_err(), "flipped at {flip}");
        }
        assert_eq!(store.get(Table::Jobs, b"api").unwrap(), Some(b"9".to_vec()));

        store.restore(&mut copy.as_slice()).unwrap();
        assert_eq!(store.get(Table::Jobs, b"web").unwrap(), Some(b"1".to_vec()));
        assert_eq!(store.get(Table::Jobs, b"api").unwrap(), None);
        assert_eq!(store.get(Table::Allocs, b"x").unwrap(), Some(b"2".to_vec()));
    });
}
