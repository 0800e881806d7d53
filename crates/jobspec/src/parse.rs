//! A whole job file: which spelling it is, its top-level blocks, and the way from them to a job.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use baton_model::Job;
use serde_json::Value as Json;

use crate::decode::schema::JOB;
use crate::decode::{Decoder, Spans, job};
use crate::diagnostic::{Diagnostic, Flaw, MAX_DIAGNOSTICS, Severity, Source, Span, suggestion};
use crate::eval::{Evaluator, Host, NoHost, Scope, Unknown};
use crate::problem::Problem;
use crate::syntax::ast::{Attribute, Block, Body, BodyNode};
use crate::syntax::json::{self, JsonKind, JsonNode};
use crate::syntax::native;
use crate::variables::{Inputs, Variables};
use crate::{beyond, canonicalize, doubts, unsupported, validate};

/// Blocks that may stand at the top of a job file.
const TOP_LEVEL: [&str; 4] = ["job", "variable", "variables", "locals"];

/// Fields of groups that are read and ignored.
const DEPRECATED: [(&str, &str); 3] = [
    ("MaxClientDisconnect", "MaxClientDisconnect is deprecated and ignored in favor of Disconnect.LostAfter"),
    (
        "StopAfterClientDisconnect",
        "StopAfterClientDisconnect is deprecated and ignored in favor of Disconnect.StopOnClientAfter",
    ),
    ("PreventRescheduleOnLost", "PreventRescheduleOnLost is deprecated and ignored in favor of Disconnect.Replace"),
];

/// What a job file may draw on besides its text.
pub struct ParseOptions<'a> {
    pub inputs: Inputs,
    pub host: &'a dyn Host,
}

impl Default for ParseOptions<'_> {
    fn default() -> Self {
        Self { inputs: Inputs { strict: true, ..Inputs::default() }, host: &NoHost }
    }
}

/// A job file that could be read. It may still be invalid: see [`Parsed::problems`].
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The API's JSON with only what was written.
    pub draft: Json,
    /// The canonical job.
    pub job: Job,
    pub source: Source,
    spans: Spans,
    doubts: Vec<Diagnostic>,
}

/// A job as it was written.
struct Draft {
    job: Json,
    spans: Spans,
    doubts: Vec<Diagnostic>,
}

/// Reads a job file.
///
/// # Errors
/// Everything that is wrong with the text, in the order of the file.
pub fn parse(text: &str, file_name: &str, options: &ParseOptions<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    let source = Source::new(file_name, text);
    let work = Cell::new(0);
    let Draft { job: draft, spans, doubts } = if text.trim_start_matches([' ', '\u{feff}']).starts_with('{') {
        read_json(&source, options, &work)
    } else {
        native::parse_body(&source)
            .map_err(|flaws| diagnose(&source, flaws))
            .and_then(|body| read_body(&source, body, options, &work))
    }
    .map_err(in_order)?;
    match canonicalize(draft.clone()) {
        Ok(job) => Ok(Parsed { draft, job, source, spans, doubts }),
        Err(problems) => {
            Err(in_order(problems.iter().map(|problem| point(&source, &spans, problem, Severity::Error)).collect()))
        }
    }
}

impl Parsed {
    /// What a server would refuse, at its place in the file.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let errors = validate(&self.job).errors;
        in_order(errors.iter().map(|problem| self.diagnose(problem, Severity::Error)).collect())
    }

    /// What the file asks for and Baton does not do, at its place in the file.
    pub fn unsupported(&self) -> Vec<Diagnostic> {
        in_order(unsupported(&self.job).iter().map(|problem| self.diagnose(problem, Severity::Warning)).collect())
    }

    /// What is accepted and probably not meant, at its place in the file.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut found = validate(&self.job).warnings;
        for (index, group) in self.draft.get("TaskGroups").and_then(Json::as_array).into_iter().flatten().enumerate() {
            let ignored =
                DEPRECATED.iter().filter(|(field, _)| group.get(*field).is_some_and(|value| !value.is_null()));
            found.extend(ignored.map(|(field, text)| Problem::new(format!("TaskGroups[{index}].{field}"), *text)));
        }
        found.extend(doubts::ports(&self.job));
        let placed = found.iter().map(|problem| self.diagnose(problem, Severity::Warning));
        in_order(placed.chain(self.doubts.iter().cloned()).collect())
    }

    /// Ties a problem to the file.
    pub fn diagnose(&self, problem: &Problem, severity: Severity) -> Diagnostic {
        point(&self.source, &self.spans, problem, severity)
    }

    /// Where a part of the job was written, or the nearest part around it that was.
    pub fn span(&self, path: &str) -> Option<Span> {
        nearest_span(&self.spans, path)
    }
}

pub(crate) fn diagnose(source: &Source, flaws: Vec<Flaw>) -> Vec<Diagnostic> {
    flaws.into_iter().map(|flaw| source.diagnose(flaw)).collect()
}

pub(crate) fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    // What a `dynamic` block makes may be wrong many times in one place.
    let mut seen = HashSet::new();
    diagnostics.retain(|diagnostic| seen.insert((diagnostic.span.map(|span| span.start), diagnostic.message())));
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics
}

fn point(source: &Source, spans: &Spans, problem: &Problem, severity: Severity) -> Diagnostic {
    let span = nearest_span(spans, &problem.path);
    let (line, column) = span.map_or((0, 0), |span| source.position(span.start));
    Diagnostic {
        severity,
        summary: problem.message.clone(),
        detail: String::new(),
        file: source.name.clone(),
        line,
        column,
        span,
        help: None,
    }
}

pub(crate) fn nearest_span(spans: &Spans, path: &str) -> Option<Span> {
    let mut path = path;
    loop {
        if let Some(span) = spans.get(path) {
            return Some(*span);
        }
        if path.is_empty() {
            return None;
        }
        path = match path.rfind(['.', '[']) {
            Some(at) => &path[..at],
            None => "",
        };
    }
}

fn read_body(
    source: &Source,
    body: Body,
    options: &ParseOptions<'_>,
    work: &Cell<u64>,
) -> Result<Draft, Vec<Diagnostic>> {
    let mut variables = Variables::new(source, options.host, work);
    let mut flaws = Vec::new();
    for attribute in &body.attributes {
        flaws.push(unknown(&attribute.name, attribute.name_span, "Unsupported argument", "An argument named"));
    }
    let mut jobs: Vec<&Block> = Vec::new();
    let mut locals = Vec::new();
    for block in &body.blocks {
        match block.kind.as_str() {
            "job" => jobs.push(block),
            "variable" => variables.declare(block, &plain(&block.body, true, &mut flaws)),
            "variables" => variables.declare_all(&plain(&block.body, false, &mut flaws)),
            "locals" => {
                flaws.extend(block.labels.first().map(|(_, span)| {
                    Flaw::new(*span, "Extraneous label for locals", "No labels are expected for locals blocks.")
                }));
                let body = plain(&block.body, false, &mut flaws);
                flaws.extend(body.blocks.iter().map(|inner| {
                    let summary = format!("Unexpected {:?} block", inner.kind);
                    Flaw::new(inner.kind_span, summary, "Blocks are not allowed here.")
                }));
                locals.push(body);
            }
            other => flaws.push(unknown(other, block.kind_span, "Unsupported block type", "Blocks of type")),
        }
    }
    let first = match jobs.as_slice() {
        [] => {
            flaws.push(Flaw::new(Span::default(), "Missing job block", "A job block is required"));
            None
        }
        [first, others @ ..] => {
            let (line, column) = source.position(first.kind_span.start);
            flaws.extend(others.iter().map(|other| {
                Flaw::new(
                    other.kind_span,
                    "Duplicate job block",
                    format!(
                        "Only one block of type \"job\" is allowed. Previous definition was at {}:{line},{column}.",
                        source.name
                    ),
                )
            }));
            Some(*first)
        }
    };
    variables.assign(&options.inputs);
    // Without the variables the job would only repeat what is wrong with them.
    let ready = variables.diagnostics.is_empty();
    let var = variables.values();
    let local = variables.locals(&locals, &var);
    let ready = ready && variables.diagnostics.is_empty();
    let mut diagnostics = diagnose(source, flaws);
    diagnostics.append(&mut variables.diagnostics);
    let Some(block) = first.filter(|_| ready) else { return Err(diagnostics) };
    let [(label, _)] = block.labels.as_slice() else {
        let detail = "All job blocks must have 1 labels (name).";
        diagnostics.push(source.diagnose(Flaw::new(block.kind_span, "Missing name for job", detail)));
        return Err(diagnostics);
    };
    let names = [("var", &var), ("local", &local)];
    let (host, doubts) = (options.host, variables.doubts);
    let evaluator =
        Evaluator { text: &source.text, host, work, unknown: Unknown::Kept, calls: true, doubts: Some(&doubts) };
    let mut decoder = Decoder { evaluator, flaws: Vec::new(), spans: Spans::new(), wrong: Vec::new() };
    decoder.spans.insert(String::new(), block.kind_span);
    let mut draft = decoder.block(&block.body, &JOB, block.kind_span, "", &Scope::new(&names));
    job::arrange(&mut draft, label, &mut decoder.spans);
    let is_complete = !decoder.is_done();
    let Decoder { flaws, spans, wrong, .. } = decoder;
    let job = Json::Object(draft);
    if diagnostics.is_empty() && flaws.is_empty() {
        let doubts = diagnose(source, doubts.into_inner());
        let doubts = doubts.into_iter().map(|doubt| Diagnostic { severity: Severity::Warning, ..doubt }).collect();
        return Ok(Draft { job, spans, doubts });
    }
    if diagnostics.is_empty() && is_complete {
        let others = beyond::problems(&job, &wrong);
        diagnostics.extend(others.iter().map(|problem| point(source, &spans, problem, Severity::Error)));
    }
    diagnostics.extend(diagnose(source, flaws));
    Err(diagnostics)
}

fn unknown(name: &str, span: Span, summary: &str, what: &str) -> Flaw {
    let verb = if what.starts_with("An") { "is" } else { "are" };
    let flaw = Flaw::new(span, summary, format!("{what} {name:?} {verb} not expected here."));
    match suggestion(name, TOP_LEVEL) {
        Some(help) => flaw.help(help),
        None => flaw,
    }
}

/// A body whose JSON keys are all attributes, but for `validation` in the declaration of a variable, whose `type` is
/// an expression and not a template.
fn plain(node: &BodyNode, declaration: bool, flaws: &mut Vec<Flaw>) -> Body {
    let node = match node {
        BodyNode::Native(body) => return Body::clone(body),
        BodyNode::Json(node) => node,
    };
    let mut body = Body::default();
    for member in node.members().unwrap_or_default().iter().filter(|member| member.key != "//") {
        let expr = match &member.value.kind {
            JsonKind::Object(_) | JsonKind::Array(_) if declaration && member.key == "validation" => {
                top_level("validation", member.key_span, &member.value, 0, &mut Vec::new(), &mut body.blocks);
                continue;
            }
            JsonKind::String(text) if declaration && member.key == "type" => native::parse_expression(text)
                .map_err(|flaws| flaws.into_iter().map(|flaw| Flaw { span: member.value.span, ..flaw }).collect()),
            _ => member.value.to_expr(),
        };
        match expr {
            Ok(expr) => body.attributes.push(Attribute {
                name: member.key.clone(),
                name_span: member.key_span,
                expr: Arc::new(expr),
            }),
            Err(mut found) => flaws.append(&mut found),
        }
    }
    for block in &mut body.blocks {
        block.body = BodyNode::Native(Arc::new(plain(&block.body, false, flaws)));
    }
    body
}

/// JSON: the API's (`{"Job": {…}}` or the job itself), or HCL's JSON spelling (`{"job": {"name": {…}}}`).
fn read_json(source: &Source, options: &ParseOptions<'_>, work: &Cell<u64>) -> Result<Draft, Vec<Diagnostic>> {
    let node = json::parse(&source.text).map_err(|flaw| diagnose(source, vec![flaw]))?;
    let is_api = |node: &JsonNode| ["ID", "Name", "TaskGroups", "Type"].iter().any(|key| node.get(key).is_some());
    let job = match node.get("Job") {
        Some(job) => Some(Arc::clone(job)),
        None if node.get("job").is_none() && is_api(&node) => Some(Arc::new(node.clone())),
        None => None,
    };
    if let Some(job) = job {
        let mut spans = Vec::new();
        let draft = job.to_json("", &mut spans);
        return Ok(Draft { job: draft, spans: spans.into_iter().collect(), doubts: Vec::new() });
    }
    let mut body = Body::default();
    for member in node.members().unwrap_or_default().iter().filter(|member| member.key != "//") {
        let labels = usize::from(matches!(member.key.as_str(), "job" | "variable"));
        top_level(&member.key, member.key_span, &member.value, labels, &mut Vec::new(), &mut body.blocks);
    }
    read_body(source, body, options, work)
}

fn top_level(
    kind: &str,
    span: Span,
    value: &Arc<JsonNode>,
    labels: usize,
    path: &mut Vec<(String, Span)>,
    out: &mut Vec<Block>,
) {
    match &value.kind {
        JsonKind::Array(items) => items.iter().for_each(|item| top_level(kind, span, item, labels, path, out)),
        JsonKind::Object(members) if labels > 0 => {
            for member in members.iter().filter(|member| member.key != "//") {
                path.push((member.key.clone(), member.key_span));
                top_level(kind, span, &member.value, labels - 1, path, out);
                path.pop();
            }
        }
        _ => out.push(Block {
            kind: kind.to_owned(),
            kind_span: path.last().map_or(span, |(_, span)| *span),
            labels: path.clone(),
            body: BodyNode::Json(Arc::clone(value)),
            scope: Vec::new(),
        }),
    }
}
