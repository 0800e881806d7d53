//! Descriptors that tasks store (`FDSTORE=1`), held while the task lives and for the hand-over after it.

use std::os::fd::{AsFd, OwnedFd};

use baton_net::notify_socket::Notification;

/// Most descriptors per task.
pub(crate) const STORE_MAX: usize = 1024;

/// Most bytes that the names of a task's descriptors may have together: every subscriber is told them with each change.
const NAMES_MAX: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) inode: u64,
    device: u64,
    pub(crate) fd: OwnedFd,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    entries: Vec<Stored>,
}

impl Store {
    /// Applies a notification; true if the set changed. A socket that is there already (same inode) only takes the new name.
    pub(crate) fn apply(&mut self, notification: &mut Notification) -> bool {
        if notification.is_set("FDSTOREREMOVE") {
            let name = notification.fd_name().to_owned();
            let before = self.entries.len();
            self.entries.retain(|entry| entry.name != name);
            return self.entries.len() != before;
        }
        if !notification.is_set("FDSTORE") {
            return false;
        }
        let name = notification.fd_name().to_owned();
        let mut changed = false;
        for fd in notification.fds.drain(..) {
            changed |= self.add(name.clone(), fd);
        }
        changed
    }

    pub(crate) fn add(&mut self, name: String, fd: OwnedFd) -> bool {
        let Ok(stat) = nix::sys::stat::fstat(fd.as_fd()) else { return false };
        #[allow(clippy::unnecessary_cast, reason = "the width differs between systems")]
        let (inode, device) = (stat.st_ino as u64, stat.st_dev as u64);
        let names: usize = self.entries.iter().map(|entry| entry.name.len()).sum();
        if let Some(entry) = self.entries.iter_mut().find(|entry| (entry.inode, entry.device) == (inode, device)) {
            let renamed = entry.name != name && names - entry.name.len() + name.len() <= NAMES_MAX;
            if renamed {
                entry.name = name;
            }
            return renamed;
        }
        if self.entries.len() >= STORE_MAX || names + name.len() > NAMES_MAX {
            return false;
        }
        self.entries.push(Stored { name, inode, device, fd });
        true
    }

    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.entries).is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn entries(&self) -> &[Stored] {
        &self.entries
    }

    /// Name and inode of each, as journaled.
    pub(crate) fn summary(&self) -> Vec<(String, u64)> {
        self.entries.iter().map(|entry| (entry.name.clone(), entry.inode)).collect()
    }

    /// Duplicates for a successor.
    pub(crate) fn duplicates(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        self.entries.iter().map(|entry| Ok((entry.name.clone(), entry.fd.try_clone()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn message(fields: &[(&str, &str)], fds: Vec<OwnedFd>) -> Notification {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Notification { fields, fds, ..Notification::default() }
    }

    #[test]
    fn a_flood_is_cut_by_number_and_by_names() {
        let mut store = Store::default();
        let flood = |store: &mut Store, name: &str, count: usize| {
            for _ in 0..count {
                let fd = OwnedFd::from(std::io::pipe().unwrap().0);
                store.apply(&mut message(&[("FDSTORE", "1"), ("FDNAME", name)], vec![fd]));
            }
        };
        flood(&mut store, &"n".repeat(255), 100);
        assert_eq!(store.summary().len(), NAMES_MAX / 255);
        store.clear();
        let null = std::fs::File::open("/dev/null").unwrap();
        flood(&mut store, "x", 300);
        assert_eq!(store.summary().len(), 300);
        // The same descriptor again takes no further place.
        for _ in 0..10 {
            let fd = OwnedFd::from(null.try_clone().unwrap());
            store.apply(&mut message(&[("FDSTORE", "1"), ("FDNAME", "null")], vec![fd]));
        }
        assert_eq!(store.summary().len(), 301);
    }

    #[test]
    fn stores_renames_and_removes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = || OwnedFd::from(listener.try_clone().unwrap());
        let mut store = Store::default();
        assert!(store.apply(&mut message(&[("FDSTORE", "1"), ("FDNAME", "web.0")], vec![fd()])));
        assert!(!store.apply(&mut message(&[("FDSTORE", "1"), ("FDNAME", "web.0")], vec![fd()])));
        assert!(store.apply(&mut message(&[("FDSTORE", "1"), ("FDNAME", "web.1")], vec![fd()])));
        assert_eq!(store.summary().len(), 1);
        assert!(!store.apply(&mut message(&[("READY", "1")], vec![fd()])));
        assert!(!store.apply(&mut message(&[("FDSTOREREMOVE", "1"), ("FDNAME", "web.0")], vec![])));
        assert!(store.apply(&mut message(&[("FDSTOREREMOVE", "1"), ("FDNAME", "web.1")], vec![])));
        assert!(store.is_empty());
    }
}
