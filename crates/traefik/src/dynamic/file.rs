//! One dynamic file: a Go template that renders to YAML, TOML or JSON.

use baton_routing::ObjectRef;
use baton_template::{Delimiters, FunctionSet, Template, TemplateError, render_value_at};

use super::{Context, Lowered, NoRule, ProviderConfig, lower};
use crate::{
    document::{self, Format},
    finding::{Finding, Mark, Severity},
};

/// What a file says. Even a file with mistakes has a usable part: objects with mistakes are closed or disabled.
#[derive(Debug, Clone, Default)]
pub struct FileConfig {
    pub config: ProviderConfig,
    pub findings: Vec<Finding>,
    /// The file has mistakes for which Traefik refuses it. Keep the last version without, if there is one; else
    /// use this.
    pub refused: bool,
    pub(super) places: super::Places,
}

impl FileConfig {
    /// Line and column where an object (unqualified name) is declared.
    pub fn place(&self, object: &ObjectRef) -> Option<(u32, u32)> {
        self.places.get(object).map(|mark| (mark.line, mark.column))
    }
}

/// Reads a file by its name's extension. `Err` when nothing can be made of it: it is no text, its template
/// fails, or the result is not YAML or TOML.
pub fn parse_file(name: &str, bytes: &[u8], context: &Context) -> Result<FileConfig, Vec<Finding>> {
    let fail = |line, column, message: String| {
        vec![Finding::new(Severity::Fatal, name, &Mark { line, column, label: None }, "", message)]
    };
    let Some(format) = Format::of(name) else {
        return Err(fail(0, 0, "not a configuration file: the name ends neither in .yml, .yaml nor .toml".to_owned()));
    };
    let text = document::text(bytes).map_err(|line| fail(line, 0, "not UTF-8 text".to_owned()))?;
    let rendered = render(name, &text, context).map_err(|error| {
        let (line, column, message) = match error {
            TemplateError::Parse { line, column, message, .. }
            | TemplateError::Render { line, column, message, .. } => (line as u32, column as u32, message),
        };
        fail(line, column, format!("template: {message}"))
    })?;
    let document = document::parse(name, &rendered, format).map_err(|finding| vec![finding])?;
    let Lowered { config, mut findings, places } = lower(&document.root, name, context, NoRule::Wrong);
    findings.extend(document.note);
    findings.sort_by_key(|f| (f.line, f.column));
    let refused = findings.iter().any(Finding::is_fatal);
    Ok(FileConfig { config, findings, refused, places })
}

/// Most files hold no action and are taken as they are.
fn render(name: &str, text: &str, context: &Context) -> Result<String, TemplateError> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let template = Template::parse_with(name, text, &Delimiters::default(), FunctionSet::Sprig)?;
    render_value_at(&template, serde_json::Value::Bool(false), &context.env, context.moment)
}
