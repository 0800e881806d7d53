//! What else is wrong with a file that could not be read in full, without what only follows from its mistakes.

use serde_json::Value as Json;

use crate::problem::Problem;
use crate::{canonicalize, validate};

/// Fields whose rules look at other parts of their group.
const CROSSING: [&str; 5] = [".PortLabel", ".VolumeMounts[", ".KillTimeout", ".LogConfig", ".Scaling"];
/// Policies of the job that its groups inherit, by their name in the job and in the group.
const INHERITED: [(&str, &str); 4] =
    [("Update", ".Update"), ("Reschedule", ".ReschedulePolicy"), ("Migrate", ".Migrate"), ("Vault", ".Vault")];

/// Problems of a draft, apart from the parts at `wrong` and whatever depends on them.
pub(crate) fn problems(draft: &Json, wrong: &[String]) -> Vec<Problem> {
    // A lone task becomes a group, with other paths; and much hangs on the type of the job.
    let is_type_known = draft.get("Type").is_some();
    if wrong.iter().any(|path| path.is_empty() && !is_type_known || path.starts_with("Tasks[")) {
        return Vec::new();
    }
    let Ok(job) = canonicalize(draft.clone()) else { return Vec::new() };
    let mut problems = validate(&job).errors;
    problems.retain(|problem| !wrong.iter().any(|wrong| follows(&problem.path, wrong)));
    problems
}

fn follows(path: &str, wrong: &str) -> bool {
    // Ports are put into another list while the job is arranged.
    if let Some(at) = wrong.find(".DynamicPorts[")
        && path.starts_with(&wrong[..at])
    {
        return true;
    }
    // The block itself, its own fields, and what it stands in.
    let field = path.strip_prefix(wrong).map(|rest| rest.strip_prefix('.').unwrap_or(rest));
    if field.is_some_and(|field| !field.contains(['.', '['])) || wrong.starts_with(path) {
        return true;
    }
    let same_group = group(path).is_some_and(|own| group(wrong) == Some(own));
    let inherited = INHERITED.iter().any(|(name, inside)| wrong.starts_with(name) && path.contains(inside));
    inherited || same_group && CROSSING.iter().any(|part| path.contains(part))
}

/// `TaskGroups[3]`.
fn group(path: &str) -> Option<&str> {
    let end = path.find(']')?;
    path.starts_with("TaskGroups[").then(|| &path[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_is_left_out() {
        let check = "TaskGroups[0].Services[0].Checks[0]";
        assert!(follows("TaskGroups[0].Services[0].Checks[0].Interval", check));
        assert!(follows("TaskGroups[0]", check));
        assert!(!follows("TaskGroups[0].Services[1].Name", check));
        assert!(!follows("TaskGroups[0].Tasks[0].Resources.MemoryMB", check));
        let own = "TaskGroups[0]";
        assert!(follows("TaskGroups[0].Count", own) && !follows("TaskGroups[0].Services[0].Name", own));
        assert!(follows("Priority", "") && !follows("TaskGroups[0].Count", ""));
        let port = "TaskGroups[0].Networks[0].DynamicPorts[1]";
        assert!(follows("TaskGroups[0].Networks[0].ReservedPorts[0].Value", port));
        assert!(follows("TaskGroups[0].Tasks[0].Services[0].PortLabel", port));
        assert!(!follows("TaskGroups[1].Tasks[0].Services[0].PortLabel", port));
        assert!(follows("TaskGroups[1].Update.HealthyDeadline", "Update"));
    }
}
