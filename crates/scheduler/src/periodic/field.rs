//! One field of a cron expression: a set of small numbers.

/// The numbers that a field allows and the names some have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) min: u16,
    pub(super) max: u16,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const SECOND: Kind = Kind { name: "second", min: 0, max: 59, names: &[] };
pub(super) const MINUTE: Kind = Kind { name: "minute", min: 0, max: 59, names: &[] };
pub(super) const HOUR: Kind = Kind { name: "hour", min: 0, max: 23, names: &[] };
pub(super) const DAY_OF_MONTH: Kind = Kind { name: "day of month", min: 1, max: 31, names: &[] };
pub(super) const MONTH: Kind = Kind { name: "month", min: 1, max: 12, names: MONTHS };
/// 7 is Sunday too.
pub(super) const DAY_OF_WEEK: Kind = Kind { name: "day of week", min: 0, max: 7, names: DAYS };
pub(super) const YEAR: Kind = Kind { name: "year", min: 1970, max: 2099, names: &[] };

impl Kind {
    /// A list of numbers, ranges and steps, sorted.
    pub(super) fn parse(self, text: &str) -> Result<Vec<u16>, String> {
        let mut values = Vec::new();
        for part in text.split(',') {
            values.extend(self.part(part)?);
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    pub(super) fn is_any(text: &str) -> bool {
        matches!(text, "*" | "?")
    }

    fn part(self, part: &str) -> Result<impl Iterator<Item = u16>, String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => match step.parse::<u16>() {
                Ok(step) if step > 0 => (range, Some(step)),
                _ => return Err(format!("{}: {step:?} is not a step", self.name)),
            },
        };
        let (first, last) = if Self::is_any(range) {
            (self.min, self.max)
        } else if let Some((first, last)) = range.split_once('-') {
            (self.number(first)?, self.number(last)?)
        } else {
            let first = self.number(range)?;
            (first, if step.is_some() { self.max } else { first })
        };
        if first > last {
            return Err(format!("{}: {range:?} ends before it starts", self.name));
        }
        Ok((first..=last).step_by(usize::from(step.unwrap_or(1))))
    }

    /// One number or name.
    pub(super) fn number(self, text: &str) -> Result<u16, String> {
        let lower = text.to_ascii_lowercase();
        let named = self
            .names
            .iter()
            .position(|name| lower.starts_with(name) && lower.chars().all(|c| c.is_ascii_alphabetic()));
        let value = match named {
            Some(index) => Some(index as u16 + u16::from(self.min == 1)),
            None => text.parse().ok(),
        };
        value
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| format!("{}: {text:?} is not between {} and {}", self.name, self.min, self.max))
    }
}
