//! A mistake in a job, by its place in the API's JSON.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Problem {
    /// Where in the API's JSON: `TaskGroups[0].Tasks[1].KillTimeout`; empty for the job as a whole.
    pub path: String,
    /// Whose it is, for readers without the file: `Task group web validation failed: `. May be empty.
    pub context: String,
    pub message: String,
}

impl Problem {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), context: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.context, self.message)
    }
}

/// The text a server answers with: `2 errors occurred:` and a list.
pub fn error_text(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "1 error occurred:\n".to_owned(),
        count => format!("{count} errors occurred:\n"),
    };
    for problem in problems {
        text.push_str(&format!("\t* {}\n", problem.to_string().replace('\n', "\n\t  ")));
    }
    text.push('\n');
    text
}

/// Collects problems below one place of the job.
pub(crate) struct Place<'a> {
    pub(crate) found: &'a mut Vec<Problem>,
    path: String,
    context: String,
}

impl<'a> Place<'a> {
    pub(crate) fn root(found: &'a mut Vec<Problem>) -> Self {
        Self { found, path: String::new(), context: String::new() }
    }

    /// The same collector at a part of this place.
    pub(crate) fn part(&mut self, path: &str, context: &str) -> Place<'_> {
        Place { path: self.field(path), context: format!("{}{context}", self.context), found: self.found }
    }

    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        let path = self.field(field);
        self.found.push(Problem { path, context: self.context.clone(), message: message.into() });
    }

    fn field(&self, field: &str) -> String {
        match (self.path.is_empty(), field.is_empty()) {
            (_, true) => self.path.clone(),
            (true, _) => field.to_owned(),
            _ => format!("{}.{field}", self.path),
        }
    }
}
