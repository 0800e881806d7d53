//! Descriptors that tasks store (`FDSTORE=1`), held while the task lives and for the hand-over after it.

use std::os::fd::{AsFd, OwnedFd};

use baton_net::notify_socket::Notification;

/// Most descriptors per task.
pub(crate) const STORE_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) inode: u64,
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
        let inode = stat.st_ino;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.inode == inode) {
            let renamed = entry.name != name;
            entry.name = name;
            return renamed;
        }
        if self.entries.len() >= STORE_MAX {
            return false;
        }
        self.entries.push(Stored { name, inode, fd });
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
        Notification { pid: None, fields, fds }
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
