//! Cron expressions in Nomad's dialect: five to seven fields (seconds first and year last are optional), names of
//! months and days, `L W #`, and `@hourly`-like words.

use std::str::FromStr;

use baton_model::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

/// Years looked ahead before a schedule counts as never due.
const LAST_YEAR: i16 = 2099;
const FIRST_YEAR: i16 = 1970;

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("missing field(s): five to seven are needed, {0} are there")]
    Fields(usize),
    #[error("syntax error in {field} field: '{text}'")]
    Field { field: &'static str, text: String },
}

/// A schedule: the times whose every field matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Vec<i64>,
    minutes: Vec<i64>,
    hours: Vec<i64>,
    months: Vec<i64>,
    years: Vec<i64>,
    days: Vec<DayRule>,
    any_day: bool,
    weekdays: Vec<WeekdayRule>,
    any_weekday: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayRule {
    On(i64),
    Last,
    LastWorkday,
    /// The working day nearest to that day, in the same month.
    NearestWorkday(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekdayRule {
    On(i64),
    /// The last such day of the month.
    LastOf(i64),
    /// The n-th such day of the month.
    Nth(i64, i64),
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 0 1 1 * *",
            "@monthly" => "0 0 0 1 * * *",
            "@weekly" => "0 0 0 * * 0 *",
            "@daily" | "@midnight" => "0 0 0 * * * *",
            "@hourly" => "0 0 * * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (seconds, rest, years) = match fields.as_slice() {
            rest @ [_, _, _, _, _] => ("0", rest, "*"),
            [rest @ .., years] if rest.len() == 5 => ("0", rest, *years),
            [seconds, rest @ .., years] if rest.len() == 5 => (*seconds, rest, *years),
            other => return Err(CronError::Fields(other.len())),
        };
        let [minutes, hours, days, months, weekdays] = rest else { return Err(CronError::Fields(fields.len())) };
        let names = |names: &'static [&'static str], first: i64| {
            move |text: &str| {
                let at = names.iter().position(|name| text.len() >= 3 && text.to_lowercase().starts_with(name))?;
                Some(i64::try_from(at).ok()? + first)
            }
        };
        Ok(Self {
            seconds: numbers("second", seconds, 0, 59, |_| None)?,
            minutes: numbers("minute", minutes, 0, 59, |_| None)?,
            hours: numbers("hour", hours, 0, 23, |_| None)?,
            months: numbers("month", months, 1, 12, names(&MONTHS, 1))?,
            years: numbers("year", years, FIRST_YEAR.into(), LAST_YEAR.into(), |_| None)?,
            any_day: matches!(*days, "*" | "?"),
            days: day_rules(days)?,
            any_weekday: matches!(*weekdays, "*" | "?"),
            weekdays: weekday_rules(weekdays, names(&WEEKDAYS, 0))?,
        })
    }
}

impl Cron {
    /// The first time after `after` in the time zone; nothing if there is none before 2100.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_nanosecond(i128::from(after.0)).ok()?.to_zoned(zone.clone());
        let mut date = after.date();
        while date.year() <= LAST_YEAR {
            if !self.years.contains(&date.year().into()) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                continue;
            }
            if !self.months.contains(&date.month().into()) {
                date = date.first_of_month().checked_add(1.month()).ok()?;
                continue;
            }
            if self.on_day(date)
                && let Some(found) = self.on_date(date, &after)
            {
                return i64::try_from(found.timestamp().as_nanosecond()).ok().map(Timestamp);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The first matching time of that day which is later than `after`. Times that a change of the clock skips are left out.
    fn on_date(&self, date: Date, after: &Zoned) -> Option<Zoned> {
        for hour in &self.hours {
            for minute in &self.minutes {
                for second in &self.seconds {
                    let part = |value: &i64| i8::try_from(*value).unwrap_or(0);
                    let time =
                        DateTime::new(date.year(), date.month(), date.day(), part(hour), part(minute), part(second), 0)
                            .ok()?;
                    let Ok(zoned) = time.to_zoned(after.time_zone().clone()) else { continue };
                    if zoned.datetime() == time && zoned.timestamp() > after.timestamp() {
                        return Some(zoned);
                    }
                }
            }
        }
        None
    }

    /// If both the day of the month and the day of the week are restricted, either may match.
    fn on_day(&self, date: Date) -> bool {
        let by_day = || self.days.iter().any(|rule| rule.matches(date));
        let by_weekday = || self.weekdays.iter().any(|rule| rule.matches(date));
        match (self.any_day, self.any_weekday) {
            (true, true) => true,
            (true, false) => by_weekday(),
            (false, true) => by_day(),
            (false, false) => by_day() || by_weekday(),
        }
    }
}

impl DayRule {
    fn matches(self, date: Date) -> bool {
        let day = i64::from(date.day());
        let last = i64::from(date.days_in_month());
        match self {
            Self::On(wanted) => day == wanted,
            Self::Last => day == last,
            Self::LastWorkday => Some(day) == workday(date, last),
            Self::NearestWorkday(wanted) => wanted <= last && Some(day) == workday(date, wanted),
        }
    }
}

/// The working day nearest to a day without leaving its month.
fn workday(month: Date, day: i64) -> Option<i64> {
    let last = i64::from(month.days_in_month());
    let date = Date::new(month.year(), month.month(), i8::try_from(day).ok()?).ok()?;
    Some(match date.weekday() {
        Weekday::Saturday if day > 1 => day - 1,
        Weekday::Saturday => day + 2,
        Weekday::Sunday if day < last => day + 1,
        Weekday::Sunday => day - 2,
        _ => day,
    })
}

impl WeekdayRule {
    fn matches(self, date: Date) -> bool {
        let weekday = i64::from(date.weekday().to_sunday_zero_offset());
        let day = i64::from(date.day());
        match self {
            Self::On(wanted) => weekday == wanted,
            Self::LastOf(wanted) => weekday == wanted && day + 7 > i64::from(date.days_in_month()),
            Self::Nth(wanted, nth) => weekday == wanted && (day - 1) / 7 + 1 == nth,
        }
    }
}

fn wrong(field: &'static str, text: &str) -> CronError {
    CronError::Field { field, text: text.to_owned() }
}

/// `*`, `5`, `1-4`, `*/15`, `10-30/5`, `5/15`, lists of them.
fn numbers(
    field: &'static str,
    text: &str,
    least: i64,
    most: i64,
    name: impl Fn(&str) -> Option<i64>,
) -> Result<Vec<i64>, CronError> {
    let mut out = Vec::new();
    for part in text.split(',') {
        out.extend(range(field, part, least, most, &name)?);
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

fn range(
    field: &'static str,
    part: &str,
    least: i64,
    most: i64,
    name: &impl Fn(&str) -> Option<i64>,
) -> Result<Vec<i64>, CronError> {
    let error = || wrong(field, part);
    let value = |text: &str| {
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { name(text) };
        number.filter(|number| (least..=most).contains(number)).ok_or_else(error)
    };
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => {
            (span, step.parse::<i64>().ok().filter(|step| *step > 0 && *step <= most).ok_or_else(error)?)
        }
        None => (part, 1),
    };
    let (from, to) = match span {
        "*" | "?" => (least, most),
        _ => match span.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None if part.contains('/') => (value(span)?, most),
            None => (value(span)?, value(span)?),
        },
    };
    if from > to {
        return Err(error());
    }
    let step = usize::try_from(step).unwrap_or(1);
    Ok((from..=to).step_by(step).collect())
}

fn day_rules(text: &str) -> Result<Vec<DayRule>, CronError> {
    let mut out = Vec::new();
    for part in text.split(',') {
        match part.to_uppercase().as_str() {
            "L" => out.push(DayRule::Last),
            "LW" => out.push(DayRule::LastWorkday),
            other => match other.strip_suffix('W') {
                Some(day) => {
                    let day = day.parse().ok().filter(|day| (1..=31).contains(day));
                    out.push(DayRule::NearestWorkday(day.ok_or_else(|| wrong("day-of-month", part))?));
                }
                None => out.extend(range("day-of-month", part, 1, 31, &|_: &str| None)?.into_iter().map(DayRule::On)),
            },
        }
    }
    Ok(out)
}

/// Sunday is 0 and 7.
fn weekday_rules(text: &str, name: impl Fn(&str) -> Option<i64>) -> Result<Vec<WeekdayRule>, CronError> {
    let field = "day-of-week";
    let mut out = Vec::new();
    for part in text.split(',') {
        let day = |text: &str| {
            let number = text.parse().ok().or_else(|| name(text));
            number.filter(|day| (0..=7).contains(day)).map(|day: i64| day % 7).ok_or_else(|| wrong(field, part))
        };
        if let Some((weekday, nth)) = part.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth)).ok_or_else(|| wrong(field, part))?;
            out.push(WeekdayRule::Nth(day(weekday)?, nth));
        } else if let Some(weekday) = part.strip_suffix(['L', 'l']) {
            // A lone L is the week's last day.
            out.push(if weekday.is_empty() { WeekdayRule::On(6) } else { WeekdayRule::LastOf(day(weekday)?) });
        } else {
            let span = if matches!(part, "*" | "?") || part.starts_with("*/") { 6 } else { 7 };
            out.extend(range(field, part, 0, span, &name)?.into_iter().map(|day| WeekdayRule::On(day % 7)));
        }
    }
    Ok(out)
}
