//! What Nomad takes without a word, and what is nearly always a slip: seen in the file, not in the job.

use baton_model::{Job, TaskGroup};

use crate::diagnostic::{Flaw, Span, suggestion};
use crate::problem::Problem;

/// Roots of references that the scheduler and the client know.
const ROOTS: [&str; 5] = ["attr", "device", "env", "meta", "node"];

/// A reference that is kept for later, although nobody will know it: `${vra.x}`, or a word without quotes.
pub(crate) fn reference(text: &str, span: Span, in_template: bool) -> Option<Flaw> {
    let root = text.split(['.', '[']).next().unwrap_or(text);
    let has_steps = root.len() < text.len();
    if ROOTS.contains(&root) && has_steps {
        return None;
    }
    // Environment variables may have any name; the names of job, group and task are known in services.
    if !has_steps && (in_template || root.starts_with("NOMAD_")) {
        return None;
    }
    let detail = format!("It is kept as the text \"${{{text}}}\".");
    let flaw = Flaw::new(span, format!("{text} refers to nothing that is known here"), detail);
    Some(match suggestion(root, ["var", "local"].into_iter().chain(ROOTS)) {
        Some(help) if has_steps => flaw.help(help),
        _ if in_template => flaw,
        _ => flaw.help(format!("write {text:?} in quotes if a text is meant")),
    })
}

/// Port labels of services and checks that no network of the group has.
pub(crate) fn ports(job: &Job) -> Vec<Problem> {
    let mut found = Vec::new();
    for (g, group) in job.task_groups.iter().enumerate() {
        let known = labels(group);
        let mut look = |label: &str, path: String| {
            let fits =
                label.is_empty() || label.contains("${") || label.parse::<u16>().is_ok() || known.contains(&label);
            if !fits {
                let mut message = format!("port label {label:?} is not defined in this group's networks");
                if let Some(help) = suggestion(label, known.iter().copied()) {
                    message.push_str(&format!(". {help}"));
                }
                found.push(Problem::new(path, message));
            }
        };
        for (s, service) in group.services.iter().enumerate() {
            let path = format!("TaskGroups[{g}].Services[{s}]");
            look(&service.port_label, format!("{path}.PortLabel"));
            for (c, check) in service.checks.iter().enumerate() {
                look(&check.port_label, format!("{path}.Checks[{c}].PortLabel"));
            }
        }
    }
    found
}

fn labels(group: &TaskGroup) -> Vec<&str> {
    let of_tasks = group.tasks.iter().flat_map(|task| &task.resources.networks);
    let networks = group.networks.iter().chain(of_tasks);
    networks.flat_map(|network| network.ports()).map(|port| port.label.as_str()).collect()
}
