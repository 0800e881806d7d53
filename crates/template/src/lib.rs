//! Templates: Go's template language with the functions of consul-template and sprig.
//!
//! Text comes in through [`Template::parse`]; what the template asks of the outside goes through a
//! [`Source`]; [`render`] gives the text, what it depends on, and what is still missing. Nothing here
//! reads a file, a clock or a socket. The same template, source and environment always give the same text.
//!
//! Three users: a job's `template` blocks ([`FunctionSet::ConsulTemplate`]), the proxy's dynamic files
//! and a catalog's default rule ([`FunctionSet::Sprig`], [`render_value`]).
//!
//! | functions | module |
//! |---|---|
//! | Go's own: comparison, `len`, `index`, printing | `functions::compare`, `functions::format` |
//! | keys, services, nodes, variables, files (each a [`Dependency`]) | `functions::catalog` |
//! | `env`, `timestamp`, `sockaddr` | `functions::environment`, `functions::network` |
//! | `now`, `date`, `uuidv4`, `htpasswd` of the proxy's files | `functions::moment` |
//! | text and regular expressions | `functions::strings`, `functions::regexes` |
//! | JSON, YAML, TOML, base64, numbers, digests | `functions::convert`, `functions::hash` |
//! | membership, `loop`, grouping, merging, `scratch`, arithmetic | `functions::{list, grouping, scratch, math}` |
//! | sprig: text, lists, dictionaries, numbers, paths | `functions::{sprig_strings, sprig_lists, sprig_dicts, sprig_math, path}` |
//!
//! [`functions::names`] lists them all; `docs/templates.md` says how they differ from consul-template's.
//!
//! Invariants: no template, however hostile, panics, hangs or fills the memory ([`limits`]); errors carry
//! line and column; a rendering with a missing dependency gives no text.

mod check;
mod context;
mod dependency;
mod env_file;
mod error;
mod exec;
pub mod functions;
pub mod limits;
mod print;
mod source;
mod syntax;
mod time_layout;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use gotmpl::parse::ListNode;

pub use dependency::{Dependency, ServiceQuery, VariablePath, missing_message};
pub use env_file::{EnvFileError, parse_env_file};
pub use error::TemplateError;
pub use functions::FunctionSet;
pub use source::{
    Answer, Check, Data, Interface, KvPair, Node, NodeService, NodeServices, NomadInstance, ServiceInstance,
    ServiceName, Source, Variable, VariableMeta,
};
pub use value::{List, Map, Record, Value};

use context::Context;
pub use context::Moment;
use exec::{Failure, Interpreter};

/// The marks around an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiters {
    pub left: String,
    pub right: String,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self { left: "{{".to_owned(), right: "}}".to_owned() }
    }
}

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    text: String,
    set: FunctionSet,
    body: ListNode,
    defines: BTreeMap<String, ListNode>,
}

/// How to render.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// Fail on `.a` where a map has no `a`, instead of printing `<no value>`.
    pub error_on_missing_key: bool,
    /// The task's environment, for `env`.
    pub env: BTreeMap<String, String>,
    /// The job's namespace, for `nomadVar` paths that name none.
    pub namespace: Option<String>,
}

/// The outcome of a rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text; `None` while dependencies are missing.
    pub text: Option<String>,
    /// Everything that was asked for: render again when one of them changes.
    pub dependencies: BTreeSet<Dependency>,
    /// What the template waits for, in the order of asking. More may show once these are there.
    pub missing: Vec<Dependency>,
}

impl Template {
    /// Reads a job's template. `name` stands in errors.
    pub fn parse(name: &str, text: &str, delimiters: &Delimiters) -> Result<Self, TemplateError> {
        Self::parse_with(name, text, delimiters, FunctionSet::ConsulTemplate)
    }

    /// Reads a template that may use the functions of `set`.
    pub fn parse_with(
        name: &str,
        text: &str,
        delimiters: &Delimiters,
        set: FunctionSet,
    ) -> Result<Self, TemplateError> {
        let (body, defines) = syntax::parse(name, text, delimiters)?;
        let template = Self { name: name.to_owned(), text: text.to_owned(), set, body, defines };
        for list in std::iter::once(&template.body).chain(template.defines.values()) {
            check::body(set, list).map_err(|failure| {
                let (line, column) = error::position(text, failure.offset);
                TemplateError::Parse { name: name.to_owned(), line, column, message: failure.message }
            })?;
        }
        Ok(template)
    }

    /// The name given to [`Template::parse`].
    pub fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, failure: Failure) -> TemplateError {
        let (line, column) = error::position(&self.text, failure.offset);
        TemplateError::Render { name: self.name.clone(), line, column, message: failure.message }
    }
}

/// Renders a template against what `source` knows now.
///
/// Functions whose data has not been fetched yet return an empty value, so that one rendering finds as
/// many dependencies as it can; the text is held back until nothing is missing. An action that fails while
/// something is missing is not an error either: it may only have failed for the lack of it.
pub fn render(template: &Template, source: &dyn Source, options: &RenderOptions) -> Result<Rendered, TemplateError> {
    let mut context = Context::new(Some(source), &options.env);
    context.error_on_missing_key = options.error_on_missing_key;
    context.namespace = options.namespace.as_deref();
    let outcome = Interpreter::new(template, template.set, &mut context).run(&Value::Nil);
    let Context { dependencies, missing, .. } = context;
    let text = match outcome {
        _ if !missing.is_empty() => None,
        Ok(text) => Some(text),
        Err(failure) => return Err(template.error(failure)),
    };
    Ok(Rendered { text, dependencies, missing })
}

/// Renders a template with `data` as dot and nothing from outside but `env`.
///
/// The template should have been parsed with [`FunctionSet::Sprig`]: functions that need a [`Source`] fail here.
pub fn render_value(
    template: &Template,
    data: serde_json::Value,
    env: &BTreeMap<String, String>,
) -> Result<String, TemplateError> {
    render_value_at(template, data, env, None)
}

/// The same at a moment, for functions that tell the time or draw by lot; without one they fail.
pub fn render_value_at(
    template: &Template,
    data: serde_json::Value,
    env: &BTreeMap<String, String>,
    moment: Option<Moment>,
) -> Result<String, TemplateError> {
    let mut context = Context::new(None, env);
    context.moment = moment;
    Interpreter::new(template, template.set, &mut context)
        .run(&Value::from_data(data))
        .map_err(|failure| template.error(failure))
}
