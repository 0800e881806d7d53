//! From what a person types to one object: prefixes of ids and names.

use anyhow::{Result, bail};
use baton_model::{Allocation, Deployment, Evaluation, Job, Node};
use serde::Deserialize;

use super::api::{Api, segment};
use super::table;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Stub {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    status: String,
}

/// The one job whose id is, or starts with, `text`.
pub async fn job(api: &Api, text: &str) -> Result<Job> {
    let stubs: Vec<Stub> = api.get(&format!("/v1/jobs?prefix={}", segment(text))).await?;
    let id = pick("job", text, &stubs)?;
    api.get(&format!("/v1/job/{}", segment(&id))).await
}

/// The one allocation whose id starts with `text`.
pub async fn alloc(api: &Api, text: &str) -> Result<Allocation> {
    let stubs: Vec<Stub> = api.get(&format!("/v1/allocations?prefix={}", id_prefix(text)?)).await?;
    let id = pick("allocation", text, &stubs)?;
    api.get(&format!("/v1/allocation/{id}")).await
}

/// The one node whose id starts with `text`, or whose name is `text`.
pub async fn node(api: &Api, text: &str) -> Result<Node> {
    let stubs: Vec<Stub> = api.get("/v1/nodes").await?;
    let named: Vec<_> = stubs.iter().filter(|stub| stub.name == text).collect();
    let id = match named[..] {
        [one] => one.id.clone(),
        _ => {
            let matching: Vec<_> = stubs.into_iter().filter(|stub| stub.id.starts_with(text)).collect();
            pick("node", text, &matching)?
        }
    };
    api.get(&format!("/v1/node/{id}")).await
}

/// The one deployment whose id starts with `text`.
pub async fn deployment(api: &Api, text: &str) -> Result<Deployment> {
    let stubs: Vec<Stub> = api.get(&format!("/v1/deployments?prefix={}", id_prefix(text)?)).await?;
    let id = pick("deployment", text, &stubs)?;
    api.get(&format!("/v1/deployment/{id}")).await
}

/// The one evaluation whose id starts with `text`.
pub async fn eval(api: &Api, text: &str) -> Result<Evaluation> {
    let stubs: Vec<Stub> = api.get(&format!("/v1/evaluations?prefix={}", id_prefix(text)?)).await?;
    let id = pick("evaluation", text, &stubs)?;
    api.get(&format!("/v1/evaluation/{id}")).await
}

fn id_prefix(text: &str) -> Result<String> {
    let text = text.to_ascii_lowercase();
    if text.len() < 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        bail!("{text:?} is not an id: give at least two of its hexadecimal characters");
    }
    Ok(text)
}

fn pick(kind: &str, text: &str, stubs: &[Stub]) -> Result<String> {
    if let Some(exact) = stubs.iter().find(|stub| stub.id == text) {
        return Ok(exact.id.clone());
    }
    match stubs {
        [] => bail!("no {kind} with the id or prefix {text:?} found"),
        [one] => Ok(one.id.clone()),
        many => {
            let rows = many.iter().map(|stub| [stub.id.clone(), stub.name.clone(), stub.status.clone()]);
            bail!("{text:?} matches more than one {kind}:\n\n{}", table::columns(&["ID", "Name", "Status"], rows))
        }
    }
}
