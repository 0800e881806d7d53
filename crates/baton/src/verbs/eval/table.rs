//! Tables of evaluations.

use baton_model::{Evaluation, id};

use crate::cli::table;

/// `ID  Priority  Triggered By  Job ID  Status  Placement Failures`
pub fn list(evals: &[Evaluation]) -> String {
    let rows = evals.iter().map(|eval| {
        [
            id::short(&eval.id).to_owned(),
            eval.priority.to_string(),
            eval.triggered_by.clone(),
            eval.job_id.clone(),
            eval.status.as_str().to_owned(),
            (!eval.failed_tg_allocs.is_empty()).to_string(),
        ]
    });
    table::columns(&["ID", "Priority", "Triggered By", "Job ID", "Status", "Placement Failures"], rows)
}

/// One evaluation.
pub fn one(eval: &Evaluation) -> String {
    table::pairs(&[
        ("ID", eval.id.clone()),
        ("Status", eval.status.as_str().to_owned()),
        ("Status Description", eval.status_description.clone()),
        ("Type", eval.job_type.to_string()),
        ("Triggered By", eval.triggered_by.clone()),
        ("Job ID", eval.job_id.clone()),
        ("Priority", eval.priority.to_string()),
        ("Placement Failures", (!eval.failed_tg_allocs.is_empty()).to_string()),
        ("Previous Eval", id::short(&eval.previous_eval).to_owned()),
        ("Next Eval", id::short(&eval.next_eval).to_owned()),
        ("Blocked Eval", id::short(&eval.blocked_eval).to_owned()),
    ])
}
