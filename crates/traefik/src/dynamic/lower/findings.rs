//! What is found on the way, for the administrator and for the API.

use baton_routing::{Kind, Problem, problem};

use super::{Reader, Unknown};
use crate::{
    decode::{Fault, Mistake},
    document::{Node, Value},
    finding::{Finding, Mark, Severity, nearest},
};

impl Reader<'_> {
    /// Turns an object's mistakes into findings and problems.
    pub(super) fn mistakes(&mut self, kind: Kind, name: &str, mistakes: Vec<Mistake>, unknown: Unknown) {
        for (fault, finding) in mistakes {
            let severity = match fault {
                Fault::Nothing | Fault::Ignored => problem::Severity::Warning,
                Fault::UnknownKey if unknown == Unknown::Warns => problem::Severity::Warning,
                Fault::UnknownKey | Fault::BadValue => problem::Severity::Closed,
            };
            let place = if finding.line > 0 { format!("{}:{}: ", finding.file, finding.line) } else { String::new() };
            self.problem(kind, name, severity, &format!("{place}{}", finding.message));
            self.out.findings.push(finding);
        }
    }

    /// Whether a map has options; one without is refused.
    pub(super) fn has_options(&mut self, node: &Node, path: &str) -> bool {
        let has = matches!(node.value, Value::Map(_)) && !node.is_bare() || node.lists_maps();
        if !has {
            let name = path.rsplit('.').next().unwrap_or(path);
            let found = if matches!(node.value, Value::Map(_)) { "" } else { node.kind() };
            let found = if found.is_empty() { String::new() } else { format!(", found {found}") };
            let message = format!("{name} cannot be a standalone element: it needs options{found}");
            self.refuse(&node.at, path, message, None);
        }
        has
    }

    pub(super) fn nothing(&mut self, at: &Mark, path: &str) {
        self.warn(at, path, "nothing stands here, so the key counts as absent");
    }

    /// Reports keys of a section that nobody knows.
    pub(super) fn keys(&mut self, section: &Node, path: &str, known: &'static [&'static str]) {
        if section.lists_maps() {
            self.refuse(&section.at, path, format!("expected a map, found {}", section.kind()), None);
        }
        for entry in section.entries() {
            if entry.value.value == Value::Null {
                self.nothing(&entry.at, &format!("{path}.{}", entry.key));
            } else if !known.iter().any(|k| k.eq_ignore_ascii_case(&entry.key)) {
                let suggestion = nearest(&entry.key, known.iter().copied());
                self.refuse(
                    &entry.at,
                    &format!("{path}.{}", entry.key),
                    format!("unknown key {:?}", entry.key),
                    suggestion,
                );
            }
        }
    }

    pub(super) fn problem(&mut self, kind: Kind, name: &str, severity: problem::Severity, message: &str) {
        self.out.config.problems.push(Problem::new(kind, name, severity, message));
    }

    pub(super) fn error(&mut self, at: &Mark, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let finding = Finding::new(Severity::Error, self.file, at, path, message);
        self.out.findings.push(finding.suggest(suggestion));
    }

    pub(super) fn refuse(&mut self, at: &Mark, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let finding = Finding::new(Severity::Fatal, self.file, at, path, message);
        self.out.findings.push(finding.suggest(suggestion));
    }

    pub(super) fn warn(&mut self, at: &Mark, path: &str, message: impl Into<String>) {
        self.out.findings.push(Finding::new(Severity::Warning, self.file, at, path, message));
    }
}
