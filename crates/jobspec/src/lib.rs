//! Job files: text → canonical job, with every mistake at its line and column.
//!
//! Input is HCL2 (Nomad's grammar), HCL in JSON, or the API's own JSON. [`parse`] reads a text into a *draft*, the API's
//! JSON holding only what was written; [`canonicalize`] fills in the defaults and gives a [`Job`]; [`validate`] says
//! what a server would refuse; [`diff()`] compares two jobs as `plan` shows them.
//!
//! Pure: files, home directory and entropy come through [`Host`], the clock is never asked. No input can make it panic,
//! overflow the stack (nesting is bounded) or run for long (work is counted).

mod beyond;
mod canonical;
mod decode;
mod diagnostic;
pub mod diff;
mod doubts;
mod eval;
mod functions;
pub mod hcl;
mod implied;
mod parse;
mod pattern;
mod problem;
mod schedule;
mod syntax;
mod unsupported;
mod validate;
mod variables;

pub use canonical::{canonicalize, canonicalize_for_server};
pub use diagnostic::{Diagnostic, Severity, Source, Span};
pub use diff::{JobDiff, diff};
pub use eval::{Host, NoHost};
pub use implied::add_implicit_constraints;
pub use parse::{ParseOptions, Parsed, parse};
pub use problem::{Problem, error_text};
pub use schedule::{Cron, CronError};
pub use syntax::native::MAX_SOURCE_BYTES;
pub use unsupported::unsupported;
pub use validate::{Validation, validate};
pub use variables::{ENVIRONMENT_PREFIXES, Inputs, VarFile};
