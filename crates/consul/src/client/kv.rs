//! `/v1/kv/…` and `/v1/txn`.

use reqwest::{Method, StatusCode};

use super::{Answered, Client, Error, Read, parameter, segment};
use crate::wire::{KvPair, TxnOp, TxnResponse};

/// How a key is written; at most one condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvWrite {
    pub flags: u64,
    /// Only if its ModifyIndex is this; 0 means only if it does not exist.
    pub cas: Option<u64>,
    /// Take the lock for this session.
    pub acquire: Option<String>,
    /// Release the lock of this session.
    pub release: Option<String>,
}

impl Client {
    pub async fn kv_get(&self, key: &str, read: &Read) -> Result<Answered<Option<KvPair>>, Error> {
        let found = self.read_option::<Vec<KvPair>>(&format!("kv/{}", segment(key)), read).await?;
        Ok(found.map(|pairs| pairs.and_then(|pairs| pairs.into_iter().next())))
    }

    /// All keys that start with `prefix`.
    pub async fn kv_list(&self, prefix: &str, read: &Read) -> Result<Answered<Vec<KvPair>>, Error> {
        let read = read.clone().with("recurse", "");
        let found = self.read_option(&format!("kv/{}", segment(prefix)), &read).await?;
        Ok(found.map(Option::unwrap_or_default))
    }

    /// The names of all keys that start with `prefix`, up to the next `separator` if it is not empty.
    pub async fn kv_keys(&self, prefix: &str, separator: &str, read: &Read) -> Result<Answered<Vec<String>>, Error> {
        let mut read = read.clone().with("keys", "");
        if !separator.is_empty() {
            read = read.with("separator", separator);
        }
        let found = self.read_option(&format!("kv/{}", segment(prefix)), &read).await?;
        Ok(found.map(Option::unwrap_or_default))
    }

    /// Writes a key; returns whether the condition held.
    pub async fn kv_put(&self, key: &str, value: impl Into<Vec<u8>>, write: &KvWrite) -> Result<bool, Error> {
        let mut parameters = Vec::new();
        if write.flags != 0 {
            parameters.push(parameter("flags", write.flags));
        }
        parameters.extend(write.cas.map(|index| parameter("cas", index)));
        parameters.extend(write.acquire.as_ref().map(|session| parameter("acquire", session)));
        parameters.extend(write.release.as_ref().map(|session| parameter("release", session)));
        let path = format!("kv/{}", segment(key));
        let request = self.request(Method::PUT, &path, &parameters).body(value.into());
        self.send(&path, request).await?.checked(&path)?.decode(&path)
    }

    /// Removes a key; with `cas` only if its ModifyIndex is that.
    pub async fn kv_delete(&self, key: &str, cas: Option<u64>) -> Result<bool, Error> {
        let parameters: Vec<_> = cas.map(|index| parameter("cas", index)).into_iter().collect();
        self.delete(key, &parameters).await
    }

    /// Removes every key that starts with `prefix`.
    pub async fn kv_delete_tree(&self, prefix: &str) -> Result<bool, Error> {
        self.delete(prefix, &[parameter("recurse", "")]).await
    }

    async fn delete(&self, key: &str, parameters: &[(String, String)]) -> Result<bool, Error> {
        let path = format!("kv/{}", segment(key));
        let request = self.request(Method::DELETE, &path, parameters);
        self.send(&path, request).await?.checked(&path)?.decode(&path)
    }

    /// Does all operations or none; in the latter case the answer holds the errors.
    pub async fn txn(&self, ops: &[TxnOp]) -> Result<TxnResponse, Error> {
        let raw = self.send("txn", self.request(Method::PUT, "txn", &[]).json(ops)).await?;
        if raw.status == StatusCode::CONFLICT {
            return raw.decode("txn");
        }
        raw.checked("txn")?.decode("txn")
    }
}
