//! Tables of deployments.

use baton_model::{Deployment, id};

use crate::cli::{table, times};

/// `ID  Job ID  Job Version  Status  Description`
pub fn list(deployments: &[Deployment]) -> String {
    let rows = deployments.iter().map(|deployment| {
        [
            id::short(&deployment.id).to_owned(),
            deployment.job_id.clone(),
            deployment.job_version.to_string(),
            deployment.status.as_str().to_owned(),
            deployment.status_description.clone(),
        ]
    });
    table::columns(&["ID", "Job ID", "Job Version", "Status", "Description"], rows)
}

/// One deployment with its groups.
pub fn one(deployment: &Deployment) -> String {
    let rows = [
        ("ID", deployment.id.clone()),
        ("Job ID", deployment.job_id.clone()),
        ("Job Version", deployment.job_version.to_string()),
        ("Status", deployment.status.as_str().to_owned()),
        ("Description", deployment.status_description.clone()),
    ];
    format!("{}\n\nDeployed\n{}", table::pairs(&rows), deployed(deployment))
}

/// The groups of a deployment; canary columns only where canaries are used.
pub fn deployed(deployment: &Deployment) -> String {
    let canaries = deployment.task_groups.values().any(|group| group.desired_canaries > 0);
    let mut header = vec!["Task Group"];
    if canaries {
        header.extend(["Promoted", "Canaries"]);
    }
    header.extend(["Desired", "Placed", "Healthy", "Unhealthy", "Progress Deadline"]);
    let rows = deployment.task_groups.iter().map(|(name, group)| {
        let mut row = vec![name.clone()];
        if canaries {
            row.extend([group.promoted.to_string(), group.desired_canaries.to_string()]);
        }
        row.extend([
            group.desired_total.to_string(),
            group.placed_allocs.to_string(),
            group.healthy_allocs.to_string(),
            group.unhealthy_allocs.to_string(),
            times::date(group.require_progress_by),
        ]);
        row
    });
    table::columns(&header, rows)
}
