//! The tables, all of them, in one place.

/// A table of the store. The order and the names are part of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Schema version, the index, the modify index of each table.
    Meta,
    /// Job id → the current version.
    Jobs,
    /// Job id, version → an older or the current version.
    JobVersions,
    /// Job id, version → the source text it was submitted with.
    JobSubmissions,
    Nodes,
    /// Allocation id → the allocation without its job.
    Allocs,
    /// Allocation id → the job as the allocation has it; written only when that changes.
    AllocJobs,
    Evals,
    Deployments,
    /// The catalog's rows; the key starts with the name of the catalog's own table.
    Catalog,
}

impl Table {
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Jobs,
        Self::JobVersions,
        Self::JobSubmissions,
        Self::Nodes,
        Self::Allocs,
        Self::AllocJobs,
        Self::Evals,
        Self::Deployments,
        Self::Catalog,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Jobs => "jobs",
            Self::JobVersions => "job_versions",
            Self::JobSubmissions => "job_submissions",
            Self::Nodes => "nodes",
            Self::Allocs => "allocs",
            Self::AllocJobs => "alloc_jobs",
            Self::Evals => "evals",
            Self::Deployments => "deployments",
            Self::Catalog => "catalog",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}
