//! Transactions: every operation is tried, all failures are reported, and one failure undoes everything.

use std::ops::Bound;

use baton_consul::wire::{
    Base64, CheckOp, HealthCheck, KvOp, KvPair, Node, NodeOp, NodeService, ServiceOp, TxnError, TxnOp, TxnResult,
};

use crate::tx::Tx;
use crate::{CatalogError, KvCommand, KvVerb, MAX_TXN_OPS};

type Results = Result<Vec<TxnResult>, String>;

impl Tx<'_> {
    pub(super) fn txn(&mut self, ops: &[TxnOp]) -> Result<Vec<TxnResult>, CatalogError> {
        if ops.len() > MAX_TXN_OPS {
            return Err(CatalogError::TooManyOps { given: ops.len(), limit: MAX_TXN_OPS });
        }
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for (op_index, op) in (0..).zip(ops) {
            match self.txn_op(op) {
                Ok(more) => results.extend(more),
                Err(what) => errors.push(TxnError { op_index, what }),
            }
        }
        if errors.is_empty() { Ok(results) } else { Err(CatalogError::Txn(errors)) }
    }

    fn txn_op(&mut self, op: &TxnOp) -> Results {
        match op {
            TxnOp { kv: Some(op), .. } => self.txn_kv(op),
            TxnOp { node: Some(op), .. } => self.txn_node(op),
            TxnOp { service: Some(op), .. } => self.txn_service(op),
            TxnOp { check: Some(op), .. } => self.txn_check(op),
            TxnOp { session: Some(op), .. } => match op.verb.as_str() {
                "delete" => {
                    self.end_session(&op.session.id);
                    Ok(Vec::new())
                }
                verb => Err(format!("unknown Session verb {verb:?}")),
            },
            // Clients that know more kinds than this one send the others as null.
            _ => Ok(Vec::new()),
        }
    }

    fn txn_kv(&mut self, op: &KvOp) -> Results {
        let key = &op.key;
        if key.is_empty() && !matches!(op.verb.as_str(), "get-tree" | "delete-tree") {
            return Err("Must provide key".into());
        }
        let known = self.state.kv.get(key);
        match op.verb.as_str() {
            "get" => {
                let pair = known.cloned().ok_or_else(|| format!("key {key:?} doesn't exist"))?;
                Ok(vec![pair_result(pair)])
            }
            "get-or-empty" => Ok(vec![pair_result(
                known.cloned().unwrap_or_else(|| KvPair { key: key.clone(), ..KvPair::default() }),
            )]),
            "get-tree" => {
                let from = (Bound::Included(key.as_str()), Bound::Unbounded);
                let pairs =
                    self.state.kv.range::<str, _>(from).take_while(|(found, _)| found.starts_with(key.as_str()));
                Ok(pairs.map(|(_, pair)| pair_result(pair.clone())).collect())
            }
            "check-index" => match known {
                None => Err(format!("failed to check index, key {key:?} doesn't exist")),
                Some(pair) if pair.modify_index != op.index => Err(format!(
                    "failed index check for key {key:?}, current modify index {} != {}",
                    pair.modify_index, op.index
                )),
                Some(pair) => Ok(vec![without_value(pair)]),
            },
            "check-session" => match known {
                None => Err(format!("failed to check session, key {key:?} doesn't exist")),
                Some(pair) if pair.session != op.session => Err(format!(
                    "failed session check for key {key:?}, current session {:?} != {:?}",
                    pair.session, op.session
                )),
                Some(pair) => Ok(vec![without_value(pair)]),
            },
            "check-not-exists" => match known {
                None => Ok(Vec::new()),
                Some(_) => Err(format!("key {key:?} exists")),
            },
            _ => self.txn_kv_write(op),
        }
    }

    fn txn_kv_write(&mut self, op: &KvOp) -> Results {
        let key = &op.key;
        let (verb, refusal) = match op.verb.as_str() {
            "set" => (KvVerb::Set, String::new()),
            "cas" => (KvVerb::Cas, format!("failed to set key {key:?}, index is stale")),
            "lock" if self.lock_is_delayed(key) => return Err(format!("failed to lock key {key:?} due to lock delay")),
            "lock" => (KvVerb::Lock, format!("failed to lock key {key:?}, lock is already held")),
            "unlock" => (
                KvVerb::Unlock,
                format!("failed to unlock key {key:?}, lock isn't held, or is held by another session"),
            ),
            "delete" => (KvVerb::Delete, String::new()),
            "delete-cas" => (KvVerb::DeleteCas, format!("failed to delete key {key:?}, index is stale")),
            "delete-tree" => (KvVerb::DeleteTree, String::new()),
            verb => return Err(format!("unknown KV verb {verb:?}")),
        };
        let command = KvCommand {
            verb,
            key: key.clone(),
            value: op.value.clone(),
            flags: op.flags,
            index: op.index,
            session: op.session.clone(),
        };
        match self.kv(&command) {
            Ok(true) => Ok(self.state.kv.get(key).map(without_value).into_iter().collect()),
            Ok(false) => Err(refusal),
            Err(error) => Err(error.to_string()),
        }
    }

    fn txn_node(&mut self, op: &NodeOp) -> Results {
        let name = &op.node.node;
        let known = self.state.nodes.get(name);
        let current = known.map_or(0, |node| node.modify_index);
        let stale = |action: &str| Err(format!("failed to {action} node {name:?}, index is stale"));
        match op.verb.as_str() {
            "get" => {
                let node = known.cloned().ok_or_else(|| format!("node {name:?} doesn't exist"))?;
                return Ok(vec![node_result(node)]);
            }
            "cas" if current != op.node.modify_index => return stale("set"),
            "delete-cas" if current != op.node.modify_index => return stale("delete"),
            "set" | "cas" => self.upsert_node(op.node.clone()).map_err(|error| error.to_string())?,
            "delete" | "delete-cas" => self.delete_node(name),
            verb => return Err(format!("unknown Node verb {verb:?}")),
        }
        Ok(self.state.nodes.get(name).cloned().map(node_result).into_iter().collect())
    }

    fn txn_service(&mut self, op: &ServiceOp) -> Results {
        let id = if op.service.id.is_empty() { &op.service.service } else { &op.service.id };
        let key = (op.node.clone(), id.clone());
        let known = self.state.services.get(&key);
        let current = known.map_or(0, |service| service.modify_index);
        let stale =
            |action: &str| Err(format!("failed to {action} service {id:?} on node {:?}, index is stale", op.node));
        match op.verb.as_str() {
            "get" => {
                let service =
                    known.cloned().ok_or_else(|| format!("service {id:?} on node {:?} doesn't exist", op.node))?;
                return Ok(vec![service_result(service)]);
            }
            "cas" if current != op.service.modify_index => return stale("set"),
            "delete-cas" if current != op.service.modify_index => return stale("delete"),
            "set" | "cas" => self.put_service(&op.node, op.service.clone()).map_err(|error| error.to_string())?,
            "delete" | "delete-cas" => self.delete_service(&key),
            verb => return Err(format!("unknown Service verb {verb:?}")),
        }
        Ok(self.state.services.get(&key).cloned().map(service_result).into_iter().collect())
    }

    fn txn_check(&mut self, op: &CheckOp) -> Results {
        let id = if op.check.check_id.is_empty() { &op.check.name } else { &op.check.check_id };
        let node = &op.check.node;
        let key = (node.clone(), id.clone());
        let known = self.state.checks.get(&key).map(|row| &row.check);
        let current = known.map_or(0, |check| check.modify_index);
        let stale = |action: &str| Err(format!("failed to {action} check {id:?} on node {node:?}, index is stale"));
        match op.verb.as_str() {
            "get" => {
                let check = known.cloned().ok_or_else(|| format!("check {id:?} on node {node:?} doesn't exist"))?;
                return Ok(vec![check_result(check)]);
            }
            "cas" if current != op.check.modify_index => return stale("set"),
            "delete-cas" if current != op.check.modify_index => return stale("delete"),
            "set" | "cas" => self.put_plain_check(op.check.clone()).map_err(|error| error.to_string())?,
            "delete" | "delete-cas" => self.delete_check(&key),
            verb => return Err(format!("unknown Check verb {verb:?}")),
        }
        Ok(self.state.checks.get(&key).map(|row| check_result(row.check.clone())).into_iter().collect())
    }
}

fn pair_result(pair: KvPair) -> TxnResult {
    TxnResult { kv: Some(pair), ..TxnResult::default() }
}

/// Writes and checks answer the entry without its value.
fn without_value(pair: &KvPair) -> TxnResult {
    pair_result(KvPair { value: Base64::default(), ..pair.clone() })
}

fn node_result(node: Node) -> TxnResult {
    TxnResult { node: Some(node), ..TxnResult::default() }
}

fn service_result(service: NodeService) -> TxnResult {
    TxnResult { service: Some(service), ..TxnResult::default() }
}

fn check_result(check: HealthCheck) -> TxnResult {
    TxnResult { check: Some(check), ..TxnResult::default() }
}
