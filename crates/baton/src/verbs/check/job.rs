//! Job files, with the proxy configuration that their templates hold.

use baton_jobspec::{Inputs, ParseOptions, Parsed};
use baton_traefik::check::is_configuration;

use super::proxy;
use super::row::{ERROR, Row, WARNING};
use super::source::{Kind, Source};
use crate::cli::host::LocalHost;

pub fn check(text: &str, name: &str) -> Vec<Row> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let inputs = Inputs { environment, strict: true, ..Inputs::default() };
    match baton_jobspec::parse(text, name, &ParseOptions { inputs, host: &LocalHost }) {
        Err(found) => found.into_iter().map(|diagnostic| Row::of(diagnostic, ERROR)).collect(),
        Ok(parsed) => {
            let mistakes = parsed.problems().into_iter().map(|diagnostic| Row::of(diagnostic, ERROR));
            let unsupported = parsed.unsupported().into_iter().map(|diagnostic| Row::of(diagnostic, WARNING));
            let warnings = parsed.warnings().into_iter().map(|diagnostic| Row::of(diagnostic, WARNING));
            mistakes.chain(unsupported).chain(warnings).chain(embedded(&parsed, text, name)).collect()
        }
    }
}

/// What templates without actions hold, where that is proxy configuration. With actions, what they become is known when the
/// task runs; what a template is worth itself is judged with the job.
fn embedded(parsed: &Parsed, text: &str, name: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (g, group) in parsed.job.task_groups.iter().enumerate() {
        for (t, task) in group.tasks.iter().enumerate() {
            for (at, template) in task.templates.iter().enumerate() {
                let data = template.embedded_tmpl.as_str();
                let destination = template.dest_path.clone();
                let plain = !template.left_delim.is_empty() && !data.contains(&template.left_delim);
                if !plain || !is_configuration(data, &destination) {
                    continue;
                }
                let path = format!("TaskGroups[{g}].Tasks[{t}].Templates[{at}].EmbeddedTmpl");
                let start = parsed.span(&path).map_or(0, |span| span.start);
                let source = Source::new(destination.clone(), data.as_bytes().to_vec());
                let found = match source.kind {
                    // The files that it names are on the node that runs the task.
                    Kind::Static => proxy::embedded_static(&source),
                    _ => proxy::embedded_dynamic(&source),
                };
                let first = content_line(text, start, data);
                rows.extend(found.into_iter().map(|row| {
                    let (line, column) = match first {
                        Some(first) if row.line > 0 => (first + row.line - 1, row.column),
                        _ => (position(text, start), 0),
                    };
                    let message = format!("{destination}: {}", row.message);
                    Row { file: name.to_owned(), line, column, message, ..row }
                }));
            }
        }
    }
    rows
}

/// The line of the job file on which a heredoc's text begins, if it stands there unchanged.
fn content_line(text: &str, start: usize, data: &str) -> Option<usize> {
    let rest = text.get(start..)?;
    let body = start + rest.find("<<")? + rest.get(rest.find("<<")?..)?.find('\n')? + 1;
    text.get(body..)?.starts_with(data).then(|| position(text, body))
}

fn position(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}
