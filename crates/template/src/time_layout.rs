//! Go's time layouts, where a layout is the reference time Mon Jan 2 15:04:05 2006 written as wanted.
//!
//! Times are UTC: zone elements print `Z`, `+0000`, `UTC`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The layout of RFC 3339.
pub(crate) const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Elements, the longer before its own beginnings.
const ELEMENTS: [&str; 35] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "__2",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "_2",
    "PM",
    "pm",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "_2006",
    "1",
    "2",
    "3",
    "4",
    "5",
    "0",
];

/// Writes a time by a Go layout.
pub(crate) fn format(time: Timestamp, layout: &str) -> String {
    let civil = time.to_zoned(TimeZone::UTC).datetime();
    let hour12 = match civil.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let month = MONTHS[(civil.month() as usize - 1) % 12];
    let day = DAYS[civil.weekday().to_sunday_zero_offset() as usize % 7];
    let mut out = String::new();
    let mut rest = layout;
    while let Some(next) = rest.chars().next() {
        if let Some((digits, trim, length)) = fraction(rest, &out) {
            out.push_str(&fraction_text(civil.subsec_nanosecond(), digits, trim, next));
            rest = &rest[length..];
            continue;
        }
        let element = ELEMENTS
            .iter()
            .filter(|element| rest.starts_with(**element))
            .find(|element| !(**element == "Jan" && followed_by_lower(rest, 3)))
            .copied();
        let Some(element) = element else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        match element {
            "January" => out.push_str(month),
            "Jan" => out.push_str(&month[..3]),
            "Monday" => out.push_str(day),
            "Mon" => out.push_str(&day[..3]),
            "MST" => out.push_str("UTC"),
            "2006" => out.push_str(&format!("{:04}", civil.year())),
            "_2006" => out.push_str(&format!("_{:04}", civil.year())),
            "06" => out.push_str(&format!("{:02}", civil.year().rem_euclid(100))),
            "01" => out.push_str(&format!("{:02}", civil.month())),
            "1" => out.push_str(&civil.month().to_string()),
            "02" => out.push_str(&format!("{:02}", civil.day())),
            "_2" => out.push_str(&format!("{:2}", civil.day())),
            "2" => out.push_str(&civil.day().to_string()),
            "002" => out.push_str(&format!("{:03}", civil.day_of_year())),
            "__2" => out.push_str(&format!("{:3}", civil.day_of_year())),
            "15" => out.push_str(&format!("{:02}", civil.hour())),
            "03" => out.push_str(&format!("{hour12:02}")),
            "3" => out.push_str(&hour12.to_string()),
            "04" => out.push_str(&format!("{:02}", civil.minute())),
            "4" => out.push_str(&civil.minute().to_string()),
            "05" => out.push_str(&format!("{:02}", civil.second())),
            "5" => out.push_str(&civil.second().to_string()),
            "PM" => out.push_str(if civil.hour() < 12 { "AM" } else { "PM" }),
            "pm" => out.push_str(if civil.hour() < 12 { "am" } else { "pm" }),
            zone if zone.starts_with('Z') => out.push('Z'),
            "-07:00:00" => out.push_str("+00:00:00"),
            "-070000" => out.push_str("+000000"),
            "-07:00" => out.push_str("+00:00"),
            "-0700" => out.push_str("+0000"),
            "-07" => out.push_str("+00"),
            other => out.push_str(other),
        }
        rest = &rest[element.len()..];
    }
    out
}

fn followed_by_lower(text: &str, at: usize) -> bool {
    text.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase)
}

/// `.000` or `.999` (with comma too) after a digit: number of digits, cut zeros, length in the layout.
fn fraction(rest: &str, before: &str) -> Option<(usize, bool, usize)> {
    if !before.ends_with(|c: char| c.is_ascii_digit()) || !rest.starts_with(['.', ',']) {
        return None;
    }
    let kind = *rest.as_bytes().get(1)?;
    if kind != b'0' && kind != b'9' {
        return None;
    }
    let digits = rest[1..].bytes().take_while(|byte| *byte == kind).count();
    let after = rest.as_bytes().get(1 + digits);
    (!after.is_some_and(u8::is_ascii_digit)).then_some((digits.min(9), kind == b'9', 1 + digits))
}

fn fraction_text(nanoseconds: i32, digits: usize, trim: bool, mark: char) -> String {
    let all = format!("{nanoseconds:09}");
    let cut = &all[..digits];
    let cut = if trim { cut.trim_end_matches('0') } else { cut };
    match cut.is_empty() {
        true => String::new(),
        false => format!("{mark}{cut}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let time: Timestamp = "2024-02-05T15:04:09.120Z".parse().unwrap();
        for (layout, wanted) in [
            (RFC3339, "2024-02-05T15:04:09Z"),
            ("2006-01-02", "2024-02-05"),
            ("Mon Jan _2 15:04:05 2006", "Mon Feb  5 15:04:09 2024"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Monday, 05-Feb-24 15:04:09 UTC"),
            ("Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 05 Feb 2024 15:04:09 +0000"),
            ("3:04PM", "3:04PM"),
            ("15:04:05.000", "15:04:09.120"),
            ("15:04:05.999999", "15:04:09.12"),
            ("January 2, 2006 at 3pm (day 002)", "February 5, 2024 at 3pm (day 036)"),
            ("20060102150405", "20240205150409"),
            ("é%x", "é%x"),
        ] {
            assert_eq!(format(time, layout), wanted, "{layout}");
        }
    }
}
