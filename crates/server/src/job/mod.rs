//! What can be done with jobs.

pub(crate) mod dispatch;
pub(crate) mod periodic;
pub(crate) mod plan;
pub(crate) mod register;
pub(crate) mod revert;
pub(crate) mod scale;
pub(crate) mod status;
pub(crate) mod stop;

pub use dispatch::{DISPATCH_PAYLOAD_MAX, DispatchAnswer, DispatchRequest};
pub use plan::JobPlan;
pub use register::{RegisterAnswer, RegisterRequest};
pub use scale::ScaleRequest;
pub use stop::StopRequest;

use baton_model::job::Job;

/// The only namespace there is.
pub const NAMESPACE: &str = "default";

/// Periodic and parameterized jobs run through their children only.
pub(crate) fn runs_itself(job: &Job) -> bool {
    !job.is_periodic() && !job.is_parameterized()
}
