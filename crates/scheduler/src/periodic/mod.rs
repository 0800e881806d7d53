//! When a periodic job is launched next: cron expressions in the dialect of Nomad's job files.
//!
//! Five to seven fields: minute, hour, day of month, month, day of week; a sixth one is the year; seven start with the second.
//! Values are numbers, names (`jan`, `mon`), ranges, lists, steps (`*/5`, `10-50/10`, `5/15`), `?` for `*`. Days of the month
//! know `L` (the last), `15W` (the weekday nearest to the 15th), `LW`; days of the week know `5L` (the last Friday) and `5#3`
//! (the third Friday). Where both kinds of days are restricted, either one is enough. `@yearly @annually @monthly @weekly
//! @daily @hourly` stand for their first moment.
//!
//! Times are those of the job's time zone. A time that a zone skips is launched as much later; one that comes twice is
//! launched the first time only.

mod cron;
mod field;

use baton_model::Timestamp;
use baton_model::job::Periodic;
use jiff::tz::TimeZone;

pub use cron::Cron;

/// Why a periodic block has no next time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodicError {
    #[error("invalid cron spec {spec:?}: {reason}")]
    Spec { spec: String, reason: String },
    #[error("unknown time zone {0:?}")]
    Zone(String),
}

/// The earliest launch after `after` by any of the block's expressions; `None` when there is none (disabled, or all years
/// are past).
pub fn next_launch(periodic: &Periodic, after: Timestamp) -> Result<Option<Timestamp>, PeriodicError> {
    if !periodic.enabled {
        return Ok(None);
    }
    let single = Some(&periodic.spec).filter(|spec| !spec.is_empty());
    let mut earliest = None;
    for spec in single.into_iter().chain(&periodic.specs) {
        earliest = earliest.into_iter().chain(next(spec, &periodic.time_zone, after)?).min();
    }
    Ok(earliest)
}

/// The next time of one expression in a time zone (an IANA name; empty means UTC).
pub fn next(spec: &str, zone: &str, after: Timestamp) -> Result<Option<Timestamp>, PeriodicError> {
    let zone = match zone {
        "" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|_| PeriodicError::Zone(name.to_owned()))?,
    };
    Ok(Cron::parse(spec)?.next(&zone, after))
}
