//! Evaluation of expressions: values with cty's conversions, types, operators, templates.
//!
//! A reference whose root is not known here (`meta.x`, `NOMAD_PORT_http`, `env["HOME"]`) is kept as the text `${…}`,
//! because the scheduler and the client give it its meaning later.

mod call;
mod expr;
mod host;
mod template;
mod traversal;
mod types;
mod value;

pub(crate) use expr::{Evaluator, Scope, Unknown};
pub use host::{Host, NoHost};
pub(crate) use types::Type;
pub(crate) use value::{BYTES_PER_STEP, Number, Ordered, Value};
