//! One mistake or warning, of whatever kind of file.

use std::fmt;

use baton_jobspec::{Diagnostic, Severity};
use baton_traefik::Finding;
use serde::Serialize;

pub const ERROR: &str = "error";
pub const WARNING: &str = "warning";

/// As `--json` shows it; `line` and `column` count from 1 and are left out where none is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub severity: &'static str,
    pub file: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub line: usize,
    #[serde(skip_serializing_if = "is_zero")]
    pub column: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Row {
    /// About a file as a whole.
    pub fn error(file: String, message: impl Into<String>) -> Self {
        Self { severity: ERROR, file, line: 0, column: 0, message: message.into(), suggestion: None }
    }

    pub fn of(diagnostic: Diagnostic, severity: &'static str) -> Self {
        let message = diagnostic.message();
        let Diagnostic { file, line, column, help, .. } = diagnostic;
        Self { severity, file, line, column, message, suggestion: help }
    }
}

/// `file:line:column: error: message; suggestion`
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
            if self.column > 0 {
                write!(f, "{}:", self.column)?;
            }
        }
        write!(f, " {}: {}", self.severity, self.message)?;
        self.suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

impl From<Finding> for Row {
    fn from(finding: Finding) -> Self {
        let severity = if finding.is_error() { ERROR } else { WARNING };
        let option = if finding.option.is_empty() { String::new() } else { format!(" ({})", finding.option) };
        Self {
            severity,
            file: finding.file,
            line: finding.line as usize,
            column: finding.column as usize,
            message: format!("{}{option}", finding.message),
            suggestion: finding.suggestion.map(|word| format!("did you mean {word:?}?")),
        }
    }
}

impl From<Diagnostic> for Row {
    fn from(diagnostic: Diagnostic) -> Self {
        let severity = if diagnostic.severity == Severity::Error { ERROR } else { WARNING };
        Self::of(diagnostic, severity)
    }
}
