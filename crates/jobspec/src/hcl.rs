//! HCL files other than job files, decoded by a schema of the caller's.
//!
//! Input is HCL or its JSON spelling; output is JSON holding only what was written, under the fields that the schema names,
//! with the place of every part. The caller checks values and ties what it finds to a place with [`Decoded::point`].

use std::cell::Cell;
use std::sync::Arc;

use serde_json::Value as Json;

pub use crate::decode::schema::{Argument, BlockRule, Inside, Kind, Schema, Times, arg, labelled, many, must, once};
use crate::decode::{Decoder, Spans};
use crate::diagnostic::{Diagnostic, Flaw, Severity, Source, Span};
use crate::eval::{Evaluator, Host, Scope, Unknown};
use crate::parse::{diagnose, in_order, nearest_span};
use crate::syntax::ast::BodyNode;
use crate::syntax::{json, native};

/// A file whose syntax is right.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// What fits the schema.
    pub value: Json,
    /// What does not, in the order of the file.
    pub mistakes: Vec<Diagnostic>,
    pub source: Source,
    spans: Spans,
}

/// Decodes a whole file.
///
/// # Errors
/// What is wrong with the syntax, in the order of the file.
pub fn decode(text: &str, name: &str, schema: &'static Schema, host: &dyn Host) -> Result<Decoded, Vec<Diagnostic>> {
    let source = Source::new(name, text);
    let node = if text.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']).starts_with('{') {
        json::parse(&source.text).map(|node| BodyNode::Json(Arc::new(node))).map_err(|flaw| vec![flaw])
    } else {
        native::parse_body(&source).map(|body| BodyNode::Native(Arc::new(body)))
    };
    let node = node.map_err(|flaws| in_order(diagnose(&source, flaws)))?;
    let work = Cell::new(0);
    let evaluator =
        Evaluator { text: &source.text, host, work: &work, unknown: Unknown::Refused, calls: true, doubts: None };
    let mut decoder = Decoder { evaluator, flaws: Vec::new(), spans: Spans::new(), wrong: Vec::new() };
    let value = decoder.block(&node, schema, Span::default(), "", &Scope::new(&[]));
    let Decoder { flaws, spans, .. } = decoder;
    Ok(Decoded { value: Json::Object(value), mistakes: in_order(diagnose(&source, flaws)), source, spans })
}

impl Decoded {
    /// The paths of everything that was written: `client.reserved.cpu`, `plugin.raw_exec`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.spans.keys().map(String::as_str)
    }

    /// A finding at the place of `path`, or of the nearest part around it that was written.
    pub fn point(&self, path: &str, severity: Severity, message: &str, help: Option<&str>) -> Diagnostic {
        let flaw = Flaw::new(nearest_span(&self.spans, path).unwrap_or_default(), message, "");
        let found = self.source.diagnose(match help {
            Some(help) => flaw.help(help),
            None => flaw,
        });
        Diagnostic { severity, ..found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoHost;

    static PORTS: Schema = Schema { arguments: &[arg("http", "http", Kind::Whole)], blocks: &[] };
    static ROOT: Schema = Schema {
        arguments: &[arg("name", "name", Kind::Text)],
        blocks: &[
            once("ports", "ports", Inside::Rules(&PORTS)),
            once("pair", "pair", Inside::Refused("it comes later; remove the block")),
        ],
    };

    #[test]
    fn both_spellings_give_the_same_and_every_part_has_a_place() {
        let native = decode("name = \"a\"\nports {\n  http = 1\n}\n", "a.hcl", &ROOT, &NoHost).unwrap();
        let json = decode("\n{\"name\": \"a\", \"ports\": {\"http\": 1}}", "a.json", &ROOT, &NoHost).unwrap();
        assert_eq!(native.value, json.value);
        let found = native.point("ports.http", Severity::Warning, "odd", None);
        assert_eq!(found.compact(), "a.hcl:3:10: odd");
        let mut paths: Vec<_> = native.paths().collect();
        paths.sort_unstable();
        assert_eq!(paths, ["name", "ports", "ports.http"]);
    }

    #[test]
    fn every_mistake_is_told_at_its_place() {
        let text = "nam = 1\npair \"x\" \"y\" {}\nports { http = \"x\" }\n";
        let found = decode(text, "a.hcl", &ROOT, &NoHost).unwrap().mistakes;
        let places: Vec<_> = found.iter().map(|found| (found.line, found.column, found.summary.as_str())).collect();
        assert_eq!(
            places,
            [(1, 1, "Unsupported argument"), (2, 1, "pair is not supported"), (3, 16, "Unsuitable value type")]
        );
    }
}
