//! Keys and their locks.

use std::ops::Bound;

use baton_consul::wire::KvPair;

use super::check_name;
use crate::tx::Tx;
use crate::{CatalogError, KvCommand, KvVerb, MAX_VALUE};

impl Tx<'_> {
    /// Returns whether the write happened.
    pub(super) fn kv(&mut self, command: &KvCommand) -> Result<bool, CatalogError> {
        check_name("key", &command.key)?;
        if command.key.is_empty() && command.verb != KvVerb::DeleteTree {
            return Err(CatalogError::invalid("Missing key name"));
        }
        if command.value.0.len() > MAX_VALUE {
            return Err(CatalogError::Invalid(format!("value is larger than {MAX_VALUE} bytes")));
        }
        if matches!(command.verb, KvVerb::Lock | KvVerb::Unlock) && command.session.is_empty() {
            return Err(CatalogError::MissingSession);
        }
        let known = self.state.kv.get(&command.key);
        let written = match command.verb {
            KvVerb::Set => true,
            KvVerb::Cas => known.map_or(0, |pair| pair.modify_index) == command.index,
            KvVerb::Lock => return self.lock(command),
            KvVerb::Unlock => return Ok(self.unlock(command)),
            KvVerb::Delete => {
                self.delete_key(&command.key);
                return Ok(true);
            }
            KvVerb::DeleteCas => {
                let matches = known.is_none_or(|pair| pair.modify_index == command.index);
                if matches {
                    self.delete_key(&command.key);
                }
                return Ok(matches);
            }
            KvVerb::DeleteTree => {
                self.delete_tree(&command.key);
                return Ok(true);
            }
        };
        if written {
            let pair = self.merged(command);
            self.set_key(pair);
        }
        Ok(written)
    }

    /// The entry with the command's value; holder and lock count stay.
    fn merged(&self, command: &KvCommand) -> KvPair {
        let known = self.state.kv.get(&command.key).cloned().unwrap_or_default();
        KvPair { key: command.key.clone(), value: command.value.clone(), flags: command.flags, ..known }
    }

    fn lock(&mut self, command: &KvCommand) -> Result<bool, CatalogError> {
        if !self.state.sessions.contains_key(&command.session) {
            return Err(CatalogError::InvalidSession(command.session.clone()));
        }
        if self.lock_is_delayed(&command.key) {
            return Ok(false);
        }
        let mut pair = self.merged(command);
        if pair.session.is_empty() {
            pair.lock_index += 1;
            pair.session.clone_from(&command.session);
        } else if pair.session != command.session {
            return Ok(false);
        }
        self.set_key(pair);
        Ok(true)
    }

    pub(super) fn lock_is_delayed(&self, key: &str) -> bool {
        self.state.lock_delays.get(key).is_some_and(|delay| delay.until > self.now)
    }

    fn unlock(&mut self, command: &KvCommand) -> bool {
        let mut pair = self.merged(command);
        let holds = !pair.session.is_empty() && pair.session == command.session;
        if holds {
            pair.session.clear();
            self.set_key(pair);
        }
        holds
    }

    fn delete_tree(&mut self, prefix: &str) {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.state.kv.range::<str, _>(from).map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
        for key in keys.cloned().collect::<Vec<_>>() {
            self.delete_key(&key);
        }
    }
}
