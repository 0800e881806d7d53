//! The catalog's durable form: rows of JSON in named tables, and the in-memory entries they stand for.

use std::time::Duration;

use baton_consul::wire::{CheckRegistration, HealthCheck, KvPair, Node, NodeService, Session, Status};
use baton_model::Nanos;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{CatalogError, Now};

/// One row to write (`Some`) or to remove (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub table: &'static str,
    pub key: String,
    pub value: Option<Vec<u8>>,
}

const NODES: &str = "catalog_nodes";
const SERVICES: &str = "catalog_services";
const CHECKS: &str = "catalog_checks";
const KV: &str = "catalog_kv";
const SESSIONS: &str = "catalog_sessions";
const TOMBSTONES: &str = "catalog_tombstones";
const LOCK_DELAYS: &str = "catalog_lock_delays";
const INDEXES: &str = "catalog_indexes";

/// Every table that rows may name.
pub const TABLES: [&str; 8] = [NODES, SERVICES, CHECKS, KV, SESSIONS, TOMBSTONES, LOCK_DELAYS, INDEXES];

/// Node name and the id of a service or check on it.
pub(crate) type OnNode = (String, String);

/// Parts a compound key; refused in names.
pub(crate) const SEPARATOR: char = '\0';

/// A check with how it is run and its clocks. The clocks restart when rows are restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckRow {
    pub check: HealthCheck,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Box<CheckRegistration>>,
    #[serde(skip)]
    pub ttl_deadline: Option<Now>,
    #[serde(skip)]
    pub critical_since: Option<Now>,
}

impl CheckRow {
    pub(crate) fn ttl(&self) -> Option<Duration> {
        let registration = self.registration.as_ref()?;
        (registration.kind() == "ttl").then(|| registration.ttl.0.to_std())
    }

    /// When its service is to be removed, if the check stays critical.
    pub(crate) fn removal(&self) -> Option<Now> {
        let after = self.registration.as_ref()?.deregister_critical_service_after;
        if after.0.0 <= 0 || self.check.service_id.is_empty() {
            return None;
        }
        Some(self.critical_since? + after.0.to_std().max(crate::MIN_DEREGISTER_AFTER))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub session: Session,
    #[serde(skip)]
    pub deadline: Option<Now>,
}

impl SessionRow {
    /// Sessions live for twice their TTL after the last sign of life, as Consul's do.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        let ttl = self.session.ttl.parse::<Nanos>().ok()?;
        (ttl.0 > 0).then(|| ttl.to_std() * 2)
    }
}

/// Until when a key whose holder died stays closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LockDelay {
    pub delay: Nanos,
    #[serde(skip)]
    pub until: Now,
}

/// A place in the state with its content; `None` is "not there".
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Node(String, Option<Node>),
    Service(OnNode, Option<NodeService>),
    Check(OnNode, Option<CheckRow>),
    Kv(String, Option<KvPair>),
    Session(String, Option<SessionRow>),
    /// The index at which a key was deleted.
    Tombstone(String, Option<u64>),
    LockDelay(String, Option<LockDelay>),
    Index(String, Option<u64>),
}

impl Entry {
    pub(crate) fn row(&self) -> Row {
        let (table, key, value) = match self {
            Self::Node(key, value) => (NODES, key.clone(), value.as_ref().map(json)),
            Self::Service(key, value) => (SERVICES, joined(key), value.as_ref().map(json)),
            Self::Check(key, value) => {
                let silent = |row: &CheckRow| {
                    let check = HealthCheck { output: String::new(), ..row.check.clone() };
                    json(&CheckRow { check, ..row.clone() })
                };
                (CHECKS, joined(key), value.as_ref().map(silent))
            }
            Self::Kv(key, value) => (KV, key.clone(), value.as_ref().map(json)),
            Self::Session(key, value) => (SESSIONS, key.clone(), value.as_ref().map(json)),
            Self::Tombstone(key, value) => (TOMBSTONES, key.clone(), value.as_ref().map(json)),
            Self::LockDelay(key, value) => (LOCK_DELAYS, key.clone(), value.as_ref().map(json)),
            Self::Index(key, value) => (INDEXES, key.clone(), value.as_ref().map(json)),
        };
        Row { table, key, value }
    }

    /// As [`Entry::row`], for those who show it to people: a check says what it printed.
    pub(crate) fn told(&self) -> Row {
        match self {
            Self::Check(key, value) => Row { table: CHECKS, key: joined(key), value: value.as_ref().map(json) },
            other => other.row(),
        }
    }

    /// The entry a stored row stands for, its clocks started at `now`.
    pub(crate) fn restore(table: &str, key: &str, value: &[u8], now: Now) -> Result<Self, CatalogError> {
        let bad = |reason: String| CatalogError::Row { table: table.into(), key: key.into(), reason };
        fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, String> {
            serde_json::from_slice(value).map_err(|error| error.to_string())
        }
        let mut entry = Self::absent(table, key)?;
        match &mut entry {
            Self::Node(_, slot) => *slot = Some(read(value).map_err(bad)?),
            Self::Service(_, slot) => *slot = Some(read(value).map_err(bad)?),
            Self::Check(_, slot) => {
                let mut row: CheckRow = read(value).map_err(bad)?;
                row.ttl_deadline = row.ttl().map(|ttl| now + ttl);
                row.critical_since = (row.check.status == Status::Critical).then_some(now);
                *slot = Some(row);
            }
            Self::Kv(_, slot) => *slot = Some(read(value).map_err(bad)?),
            Self::Session(_, slot) => {
                let mut row: SessionRow = read(value).map_err(bad)?;
                row.deadline = row.lifetime().map(|life| now + life);
                *slot = Some(row);
            }
            Self::LockDelay(_, slot) => {
                let mut delay: LockDelay = read(value).map_err(bad)?;
                delay.until = now + delay.delay.to_std();
                *slot = Some(delay);
            }
            Self::Tombstone(_, slot) | Self::Index(_, slot) => *slot = Some(read(value).map_err(bad)?),
        }
        Ok(entry)
    }

    /// The empty place that a row's table and key name.
    pub(crate) fn absent(table: &str, key: &str) -> Result<Self, CatalogError> {
        let bad = |reason: &str| CatalogError::Row { table: table.into(), key: key.into(), reason: reason.into() };
        let owned = key.to_owned();
        let on_node = || {
            let (node, id) = key.split_once(SEPARATOR).ok_or_else(|| bad("its key has no separator"))?;
            Ok((node.to_owned(), id.to_owned()))
        };
        Ok(match table {
            NODES => Self::Node(owned, None),
            SERVICES => Self::Service(on_node()?, None),
            CHECKS => Self::Check(on_node()?, None),
            KV => Self::Kv(owned, None),
            SESSIONS => Self::Session(owned, None),
            TOMBSTONES => Self::Tombstone(owned, None),
            LOCK_DELAYS => Self::LockDelay(owned, None),
            INDEXES => Self::Index(owned, None),
            _ => return Err(bad("no such table")),
        })
    }
}

fn joined((node, id): &OnNode) -> String {
    format!("{node}{SEPARATOR}{id}")
}

/// All row types have string keys and no fallible serializers, so this cannot fail; an empty value would be refused
/// by [`Entry::restore`].
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
