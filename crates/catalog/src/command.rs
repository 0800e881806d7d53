//! What can happen to the catalog, and what came of it.

use std::time::Duration;

use baton_consul::wire::{
    Base64, CatalogDeregistration, CatalogRegistration, CheckRegistration, Node, ServiceRegistration, Session,
    SessionRequest, Status, TxnOp, TxnResult, UserEvent,
};
use serde::{Deserialize, Serialize};

use crate::Row;

/// Time since the owner's origin; must not go back.
pub type Now = Duration;

/// One change. Everything random (session and event ids) comes in with it, so that applying is deterministic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A node joined or came back: it is registered and its `serfHealth` passes.
    NodeUp(Node),
    /// A node is gone without leaving: `serfHealth` turns critical, its sessions end.
    NodeDown {
        node: String,
    },
    /// The low-level registration of `PUT /v1/catalog/register`.
    Register(Box<CatalogRegistration>),
    /// Removes a node, or one service or check of it. Removing what is not there is fine.
    Deregister(CatalogDeregistration),
    /// One call registers a service with its checks; nobody sees one without the other.
    RegisterService {
        node: String,
        registration: Box<ServiceRegistration>,
        replace_checks: bool,
    },
    RegisterCheck {
        node: String,
        registration: Box<CheckRegistration>,
    },
    /// A result for a TTL check: restarts its clock. Refused for other kinds.
    HeartbeatCheck {
        node: String,
        check_id: String,
        status: Status,
        output: String,
    },
    /// A result from whoever runs the check.
    ReportCheck {
        node: String,
        check_id: String,
        status: Status,
        output: String,
    },
    ServiceMaintenance {
        node: String,
        service_id: String,
        enable: bool,
        reason: String,
    },
    NodeMaintenance {
        node: String,
        enable: bool,
        reason: String,
    },
    Kv(KvCommand),
    Txn(Vec<TxnOp>),
    /// `id` is a fresh random UUID; an empty `request.node` means `node`.
    CreateSession {
        id: String,
        node: String,
        request: SessionRequest,
    },
    RenewSession {
        id: String,
    },
    DestroySession {
        id: String,
    },
    /// `event.id` is a fresh random UUID.
    Fire(UserEvent),
    /// Time has passed: sessions and TTL checks expire, services long critical are removed.
    Tick,
}

impl Command {
    /// The node whose services and checks this is about, if it is about nothing else: its agent answers for it.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::RegisterService { node, .. }
            | Self::RegisterCheck { node, .. }
            | Self::HeartbeatCheck { node, .. }
            | Self::ReportCheck { node, .. }
            | Self::ServiceMaintenance { node, .. }
            | Self::NodeMaintenance { node, .. } => Some(node),
            Self::Register(registration) => {
                let mut checks = registration.check.iter().chain(&registration.checks);
                let own = checks.all(|check| check.node.is_empty() || check.node == registration.node);
                (own && registration.skip_node_update).then_some(&registration.node)
            }
            Self::Deregister(target) => {
                (!target.service_id.is_empty() || !target.check_id.is_empty()).then_some(&target.node)
            }
            _ => None,
        }
    }

    /// Whether `newer` makes this result of a check superfluous.
    pub fn is_replaced_by(&self, newer: &Self) -> bool {
        let result = |command: &Self| match command {
            Self::HeartbeatCheck { node, check_id, .. } | Self::ReportCheck { node, check_id, .. } => {
                Some((node.clone(), check_id.clone()))
            }
            _ => None,
        };
        std::mem::discriminant(self) == std::mem::discriminant(newer)
            && result(self).is_some_and(|own| result(newer) == Some(own))
    }
}

/// A write to one key or, for [`KvVerb::DeleteTree`], to all keys that start with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvCommand {
    pub verb: KvVerb,
    pub key: String,
    pub value: Base64,
    pub flags: u64,
    /// What [`KvVerb::Cas`] and [`KvVerb::DeleteCas`] compare with.
    pub index: u64,
    /// Who acquires or releases.
    pub session: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvVerb {
    #[default]
    Set,
    /// Set if the key's ModifyIndex is `index`; 0 means only if it does not exist.
    Cas,
    /// Set and lock, if no other session holds the key and no lock delay runs.
    Lock,
    /// Set and unlock, if `session` holds the key.
    Unlock,
    Delete,
    DeleteCas,
    DeleteTree,
}

/// What a command yielded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    Done,
    /// Whether a conditional write happened.
    Flag(bool),
    /// The session that was created or renewed.
    Session(Box<Session>),
    Txn(Vec<TxnResult>),
    Event(UserEvent),
}

/// An applied command.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub outcome: Outcome,
    /// Rows to write, in one transaction. Empty when nothing durable changed.
    pub rows: Vec<Row>,
    /// Whether `index` was used and watchers must be woken.
    pub changed: bool,
}
