//! `/v1/txn`.

use axum::http::StatusCode;
use baton_catalog::{CatalogError, Command, Outcome};
use baton_consul::decode;
use baton_consul::wire::{TxnOp, TxnRequest, TxnResponse};
use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::backend::BackendError;
use super::{Call, Face};

pub(super) async fn run(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let ops: TxnRequest =
        decode::strict(&call.body).map_err(|error| Failure::bad_request(format!("Failed to parse body: {error}")))?;
    let reads_only = ops.iter().all(only_reads);
    match face.backend.apply(Command::Txn(ops)).await {
        Ok(Outcome::Txn(results)) if reads_only => Ok(read(face, json!(results), json!(null))),
        Ok(Outcome::Txn(results)) => Ok(Answer::json(&TxnResponse { results: Some(results), errors: None })),
        Ok(_) => Err(Failure::internal("a transaction yielded no results")),
        Err(BackendError::Refused(CatalogError::Txn(errors))) if reads_only => {
            Ok(read(face, json!(null), json!(errors)).status(StatusCode::CONFLICT))
        }
        Err(BackendError::Refused(CatalogError::Txn(errors))) => {
            let answer = Answer::json(&TxnResponse { results: None, errors: Some(errors) });
            Ok(answer.status(StatusCode::CONFLICT))
        }
        Err(error) => Err(error.into()),
    }
}

/// A transaction that only reads also says how fresh it is.
fn read(face: &Face, results: Value, errors: Value) -> Answer {
    let reach = face.backend.reach();
    let answer = json!({
        "Results": results,
        "Errors": errors,
        "Index": 0,
        "LastContact": reach.last_contact.as_millis() as u64,
        "KnownLeader": reach.known_leader,
        "ConsistencyLevel": "",
    });
    Answer::json(&answer).reach(reach)
}

fn only_reads(op: &TxnOp) -> bool {
    let verb = match op {
        TxnOp { kv: Some(op), .. } => &op.verb,
        TxnOp { node: Some(op), .. } => &op.verb,
        TxnOp { service: Some(op), .. } => &op.verb,
        TxnOp { check: Some(op), .. } => &op.verb,
        TxnOp { session, .. } => return session.is_none(),
    };
    !matches!(verb.as_str(), "set" | "cas" | "lock" | "unlock" | "delete" | "delete-cas" | "delete-tree")
}
