//! A parsed cron expression and its walk through the calendar.

use baton_model::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::PeriodicError;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, Kind, MINUTE, MONTH, SECOND, YEAR};

/// Days looked at in vain after which there is none: the calendar repeats after 400 years, cron years end long before.
const DAYS_MAX: usize = 366 * 130;

/// A cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Vec<u16>,
    minutes: Vec<u16>,
    hours: Vec<u16>,
    months: Vec<u16>,
    years: Vec<u16>,
    /// `None` where every day will do.
    days_of_month: Option<Vec<DayOfMonth>>,
    days_of_week: Option<Vec<DayOfWeek>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfMonth {
    Day(u16),
    Last,
    /// The weekday nearest to a day, within its month.
    Weekday(u16),
    LastWeekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfWeek {
    Every(u16),
    Last(u16),
    Nth(u16, u16),
}

impl Cron {
    pub fn parse(spec: &str) -> Result<Self, PeriodicError> {
        Self::read(spec.trim()).map_err(|reason| PeriodicError::Spec { spec: spec.to_owned(), reason })
    }

    fn read(spec: &str) -> Result<Self, String> {
        let spec = match spec {
            "@yearly" | "@annually" => "0 0 0 1 1 * *",
            "@monthly" => "0 0 0 1 * * *",
            "@weekly" => "0 0 0 * * 0 *",
            "@daily" => "0 0 0 * * * *",
            "@hourly" => "0 0 * * * * *",
            other => other,
        };
        let fields: Vec<&str> = spec.split_whitespace().collect();
        let (second, rest, year) = match fields.as_slice() {
            rest if rest.len() == 5 => ("0", rest, "*"),
            [rest @ .., year] if rest.len() == 5 => ("0", rest, *year),
            [second, rest @ .., year] if rest.len() == 5 => (*second, rest, *year),
            other => return Err(format!("{} fields, 5 to 7 are expected", other.len())),
        };
        Ok(Self {
            seconds: SECOND.parse(second)?,
            minutes: MINUTE.parse(rest[0])?,
            hours: HOUR.parse(rest[1])?,
            days_of_month: days(rest[2], day_of_month)?,
            months: MONTH.parse(rest[3])?,
            days_of_week: days(rest[4], day_of_week)?,
            years: YEAR.parse(year)?,
        })
    }

    /// The first moment after `after`.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let start = jiff::Timestamp::from_nanosecond(i128::from(after.0)).ok()?.to_zoned(zone.clone());
        let mut date = start.date();
        for _ in 0..DAYS_MAX {
            if date.year() > YEAR.max as i16 {
                return None;
            }
            if self.matches_day(date) {
                for time in self.times() {
                    let moment = date.to_datetime(time?).to_zoned(zone.clone()).ok()?;
                    if moment > start {
                        return i64::try_from(moment.timestamp().as_nanosecond()).ok().map(Timestamp);
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn times(&self) -> impl Iterator<Item = Option<Time>> {
        self.hours.iter().flat_map(move |hour| {
            self.minutes.iter().flat_map(move |minute| {
                self.seconds.iter().map(move |second| Time::new(*hour as i8, *minute as i8, *second as i8, 0).ok())
            })
        })
    }

    fn matches_day(&self, date: Date) -> bool {
        if !self.years.contains(&(date.year() as u16)) || !self.months.contains(&(date.month() as u16)) {
            return false;
        }
        let of_month = self.days_of_month.as_ref().map(|days| days.iter().any(|day| day.matches(date)));
        let of_week = self.days_of_week.as_ref().map(|days| days.iter().any(|day| day.matches(date)));
        match (of_month, of_week) {
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => one,
            (Some(month), Some(week)) => month || week,
        }
    }
}

fn days<D>(text: &str, read: impl Fn(&str) -> Result<Vec<D>, String>) -> Result<Option<Vec<D>>, String> {
    if Kind::is_any(text) {
        return Ok(None);
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        days.extend(read(part)?);
    }
    Ok(Some(days))
}

fn day_of_month(part: &str) -> Result<Vec<DayOfMonth>, String> {
    let upper = part.to_ascii_uppercase();
    Ok(match upper.as_str() {
        "L" => vec![DayOfMonth::Last],
        "LW" | "WL" => vec![DayOfMonth::LastWeekday],
        other => match other.strip_suffix('W') {
            Some(day) => vec![DayOfMonth::Weekday(DAY_OF_MONTH.number(day)?)],
            None => DAY_OF_MONTH.parse(part)?.into_iter().map(DayOfMonth::Day).collect(),
        },
    })
}

fn day_of_week(part: &str) -> Result<Vec<DayOfWeek>, String> {
    let number = |text: &str| DAY_OF_WEEK.number(text).map(|day| day % 7);
    if let Some((day, nth)) = part.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or_else(|| format!("{}: {part:?} counts from 1 to 5", DAY_OF_WEEK.name))?;
        return Ok(vec![DayOfWeek::Nth(number(day)?, nth)]);
    }
    if let Some(day) = part.strip_suffix(['L', 'l']).filter(|day| !day.is_empty()) {
        return Ok(vec![DayOfWeek::Last(number(day)?)]);
    }
    Ok(DAY_OF_WEEK.parse(part)?.into_iter().map(|day| DayOfWeek::Every(day % 7)).collect())
}

impl DayOfMonth {
    fn matches(self, date: Date) -> bool {
        let (day, last) = (date.day() as u16, date.days_in_month() as u16);
        match self {
            Self::Day(wanted) => day == wanted,
            Self::Last => day == last,
            Self::Weekday(near) => near <= last && day == nearest_weekday(date, near, last),
            Self::LastWeekday => day == nearest_weekday(date, last, last),
        }
    }
}

impl DayOfWeek {
    fn matches(self, date: Date) -> bool {
        let is = |day: u16| weekday(date) == day;
        match self {
            Self::Every(day) => is(day),
            Self::Last(day) => is(day) && date.day() > date.days_in_month() - 7,
            Self::Nth(day, nth) => is(day) && (date.day() as u16 - 1) / 7 + 1 == nth,
        }
    }
}

/// 0 is Sunday.
fn weekday(date: Date) -> u16 {
    date.weekday().to_sunday_zero_offset() as u16
}

/// The weekday nearest to day `near` of the date's month, without leaving the month.
fn nearest_weekday(date: Date, near: u16, last: u16) -> u16 {
    // The weekday of any day follows from that of `date`.
    let of = (i32::from(weekday(date)) + i32::from(near) - i32::from(date.day())).rem_euclid(7);
    match of {
        6 if near == 1 => 3,
        6 => near - 1,
        0 if near == last => near - 2,
        0 => near + 1,
        _ => near,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{next, next_launch};
    use super::*;
    use baton_model::job::Periodic;

    /// The next times after 2026-11-22T17:10:30Z, a Sunday.
    fn times(spec: &str, zone: &str, count: usize) -> Vec<String> {
        let mut after = Timestamp::from_rfc3339("2026-11-22T17:10:30Z").unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            let Some(time) = next(spec, zone, after).unwrap() else { break };
            times.push(time.to_rfc3339());
            after = time;
        }
        times
    }

    #[test]
    fn the_dialect() {
        for (spec, expected) in [
            ("*/15 * * * *", &["2026-11-22T17:15:00Z", "2026-11-22T17:30:00Z"][..]),
            ("5/20 17 * * *", &["2026-11-22T17:25:00Z", "2026-11-22T17:45:00Z"]),
            ("0 0 1 jan * 2030", &["2030-01-01T00:00:00Z"]),
            ("*/20 * * * * * *", &["2026-11-22T17:10:40Z", "2026-11-22T17:11:00Z"]),
            ("@daily", &["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"]),
            ("@weekly", &["2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"]),
            ("@yearly", &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
            ("0 12 L * *", &["2026-11-30T12:00:00Z", "2026-12-31T12:00:00Z"]),
            ("0 0 28W 11,2 *", &["2026-11-27T00:00:00Z", "2027-02-26T00:00:00Z"]),
            ("0 0 1W 8 *", &["2027-08-02T00:00:00Z", "2028-08-01T00:00:00Z"]),
            ("0 0 LW 2,10 *", &["2027-02-26T00:00:00Z", "2027-10-29T00:00:00Z"]),
            ("0 0 * * 5L", &["2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z"]),
            ("0 0 * * mon#1", &["2026-12-07T00:00:00Z", "2027-01-04T00:00:00Z"]),
            ("0 0 * * 7", &["2026-11-29T00:00:00Z"]),
            ("0 0 13 * FRI", &["2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z"]),
            ("0 0 29 2 ?", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("0 0 30 2 *", &[]),
            ("0 0 1 1 * 2020", &[]),
        ] {
            assert_eq!(times(spec, "", expected.len().max(1)), expected, "{spec}");
        }
    }

    #[test]
    fn zones_and_their_changes() {
        assert_eq!(times("0 9 * * *", "Europe/Berlin", 1), ["2026-11-23T08:00:00Z"]);
        // 02:30 does not exist on 2027-03-28 in Berlin: an hour later.
        let after = Timestamp::from_rfc3339("2027-03-27T12:00:00Z").unwrap();
        let skipped = next("30 2 * * *", "Europe/Berlin", after).unwrap().unwrap();
        assert_eq!(skipped.to_rfc3339(), "2027-03-28T01:30:00Z");
        assert!(matches!(next("* * * * *", "Nowhere/Land", after), Err(PeriodicError::Zone(_))));
    }

    #[test]
    fn mistakes_are_named() {
        for (spec, part) in [
            ("* * * *", "4 fields"),
            ("61 * * * *", "minute: \"61\" is not between 0 and 59"),
            ("*/0 * * * *", "minute: \"0\" is not a step"),
            ("* 5-3 * * *", "hour: \"5-3\" ends before it starts"),
            ("* * * foo *", "month: \"foo\""),
            ("* * * * 5#6", "counts from 1 to 5"),
            ("@sometimes", "1 fields"),
            ("", "0 fields"),
        ] {
            let error = Cron::parse(spec).unwrap_err().to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
    }

    #[test]
    fn the_earliest_of_several() {
        let after = Timestamp::from_rfc3339("2026-11-22T17:10:30Z").unwrap();
        let mut periodic = Periodic {
            enabled: true,
            specs: vec!["0 18 * * *".into(), "30 17 * * *".into()],
            time_zone: "UTC".into(),
            ..Periodic::default()
        };
        let launch = |periodic: &Periodic| next_launch(periodic, after).unwrap().map(Timestamp::to_rfc3339);
        assert_eq!(launch(&periodic).as_deref(), Some("2026-11-22T17:30:00Z"));
        periodic.enabled = false;
        assert_eq!(launch(&periodic), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(spec in "[0-9LW#*/,?@a-c -]{0,20}") {
            let _ = Cron::parse(&spec).map(|cron| cron.next(&TimeZone::UTC, Timestamp(1)));
        }
    }
}
