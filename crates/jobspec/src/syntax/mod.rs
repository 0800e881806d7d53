//! From text to a tree with spans: native HCL (parsed by `hcl-edit`), HCL in JSON, and the JSON tree itself.

pub(crate) mod ast;
pub(crate) mod flaws;
pub(crate) mod json;
pub(crate) mod native;
mod repair;
mod scan;
mod template;
