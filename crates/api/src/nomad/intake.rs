//! From a job as a client sends it to a canonical, valid one.

use baton_jobspec::{Problem, add_implicit_constraints, canonicalize, canonicalize_for_server, error_text, validate};
use baton_model::Job;
use serde_json::Value;

use super::answer::ApiError;

/// A job with what the validation had to say about it.
#[derive(Debug)]
pub(crate) struct Intake {
    pub job: Job,
    pub errors: Vec<Problem>,
    pub warnings: Vec<String>,
}

impl Intake {
    /// Fills in the defaults. What is not a job at all is refused; a wrong one is returned with its errors.
    pub(crate) fn read(draft: Value) -> Result<Self, ApiError> {
        if !draft.is_object() {
            return Err(ApiError::bad("Job must be specified"));
        }
        let job = canonicalize(draft).map_err(|problems| ApiError::bad(error_text(&problems)))?;
        let mut job = Job { status: String::new(), stable: false, ..job };
        canonicalize_for_server(&mut job);
        add_implicit_constraints(&mut job);
        let validation = validate(&job);
        Ok(Self {
            job,
            errors: validation.errors,
            warnings: validation.warnings.iter().map(ToString::to_string).collect(),
        })
    }

    /// The job, if it is valid, with the text of the warnings.
    pub(crate) fn accept(self) -> Result<(Job, String), ApiError> {
        if !self.errors.is_empty() {
            return Err(ApiError::bad(error_text(&self.errors)));
        }
        let warnings = self.warning_text();
        Ok((self.job, warnings))
    }

    pub(crate) fn warning_text(&self) -> String {
        match self.warnings.as_slice() {
            [] => String::new(),
            [one] => format!("1 warning:\n\n* {one}"),
            many => {
                let list: Vec<String> = many.iter().map(|warning| format!("* {warning}")).collect();
                format!("{} warnings:\n\n{}", many.len(), list.join("\n"))
            }
        }
    }
}
