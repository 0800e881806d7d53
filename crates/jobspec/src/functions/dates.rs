//! Times in RFC 3339.

use baton_model::Nanos;
use jiff::civil::Weekday;
use jiff::fmt::temporal::DateTimeParser;
use jiff::{SignedDuration, Timestamp, Zoned, tz};

use super::{Args, CallError, Outcome, failed, text};

fn instant(args: &Args<'_>, index: usize) -> Result<Zoned, CallError> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let source = args.text(index)?;
    let invalid = || CallError::Argument(index, format!("not a valid RFC3339 timestamp: {source:?}"));
    let timestamp: Timestamp = source.parse().map_err(|_| invalid())?;
    let pieces = PARSER.parse_pieces(&source).map_err(|_| invalid())?;
    let offset = pieces.to_numeric_offset().ok_or_else(invalid)?;
    Ok(timestamp.to_zoned(offset.to_time_zone()))
}

fn rfc3339(time: &Zoned) -> String {
    let zone = if time.offset() == tz::Offset::UTC { "Z".to_owned() } else { time.strftime("%:z").to_string() };
    format!("{}{zone}", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

pub(super) fn timeadd(args: &Args<'_>) -> Outcome {
    let time = instant(args, 0)?;
    let duration: Nanos = args.text(1)?.parse().map_err(|why| CallError::Argument(1, format!("{why}")))?;
    match time.checked_add(SignedDuration::from_nanos(duration.0)) {
        Ok(time) => text(rfc3339(&time)),
        Err(_) => failed("the result is out of range"),
    }
}

/// Letters stand for parts of the time (`YYYY-MM-DD hh:mm:ssZ`); what stands between single quotes is literal.
pub(super) fn formatdate(args: &Args<'_>) -> Outcome {
    let (spec, time) = (args.text(0)?, instant(args, 1)?);
    let mut out = String::new();
    let mut chars = spec.chars().peekable();
    while let Some(first) = chars.next() {
        if first == '\'' {
            loop {
                match chars.next() {
                    Some('\'') if chars.peek() == Some(&'\'') => {
                        chars.next();
                        out.push('\'');
                    }
                    Some('\'') => break,
                    Some(c) => out.push(c),
                    None => return Err(CallError::Argument(0, "unterminated literal '".to_owned())),
                }
            }
            continue;
        }
        if !first.is_ascii_alphabetic() {
            out.push(first);
            continue;
        }
        let mut verb = first.to_string();
        while let Some(next) = chars.next_if_eq(&first) {
            verb.push(next);
        }
        out.push_str(
            &part(&verb, &time).ok_or_else(|| {
                CallError::Argument(0, format!("invalid date format verb {verb:?}: it has no meaning"))
            })?,
        );
    }
    text(out)
}

fn part(verb: &str, time: &Zoned) -> Option<String> {
    let twelve = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    Some(match verb {
        "YYYY" => format!("{:04}", time.year()),
        "YY" => format!("{:02}", time.year().rem_euclid(100)),
        "MMMM" => time.strftime("%B").to_string(),
        "MMM" => time.strftime("%b").to_string(),
        "MM" => format!("{:02}", time.month()),
        "M" => time.month().to_string(),
        "DD" => format!("{:02}", time.day()),
        "D" => time.day().to_string(),
        "EEEE" => weekday(time.weekday()).to_owned(),
        "EEE" => weekday(time.weekday())[..3].to_owned(),
        "hh" => format!("{:02}", time.hour()),
        "h" => time.hour().to_string(),
        "HH" => format!("{twelve:02}"),
        "H" => twelve.to_string(),
        "AA" => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        "aa" => if time.hour() < 12 { "am" } else { "pm" }.to_owned(),
        "mm" => format!("{:02}", time.minute()),
        "m" => time.minute().to_string(),
        "ss" => format!("{:02}", time.second()),
        "s" => time.second().to_string(),
        "ZZZZZ" => time.strftime("%:z").to_string(),
        "ZZZZ" => time.strftime("%z").to_string(),
        "ZZZ" if time.offset() == tz::Offset::UTC => "UTC".to_owned(),
        "ZZZ" => time.strftime("%z").to_string(),
        "Z" if time.offset() == tz::Offset::UTC => "Z".to_owned(),
        "Z" => time.strftime("%:z").to_string(),
        _ => return None,
    })
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}
