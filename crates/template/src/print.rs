//! How values print: as Go's `%v` does, and what the verbs of `printf` get to see.

use std::fmt;

use crate::value::Value;

impl Value {
    /// The same value for the verbs of Go's `fmt`; what is not a number, text or boolean comes as it prints.
    pub(crate) fn to_fmt(&self) -> gotmpl::Value {
        use gotmpl::Value as Fmt;
        match self {
            Self::Nil => Fmt::Nil,
            Self::Bool(value) => Fmt::Bool(*value),
            Self::Int(value) => Fmt::Int(*value),
            Self::Float(value) => Fmt::Float(*value),
            Self::Text(text) => Fmt::String(text.clone()),
            // Verbs like %q apply to each text of a list.
            Self::List(list) => Fmt::List(
                list.iter()
                    .map(|item| match item {
                        Self::Bool(_) | Self::Int(_) | Self::Text(_) => item.to_fmt(),
                        other => Fmt::String(other.to_string().into()),
                    })
                    .collect(),
            ),
            other => Fmt::String(other.to_string().into()),
        }
    }
}

/// Go's `%v`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&float(*value)),
            Self::Text(text) => f.write_str(text),
            Self::List(list) => spaced(f, "[", list.iter(), "]"),
            Self::Map(map) => {
                f.write_str("map[")?;
                for (at, (key, value)) in map.iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    write!(f, "{space}{key}:{value}")?;
                }
                f.write_str("]")
            }
            Self::Record(record) => match (&record.text, &record.items) {
                (Some(text), _) => f.write_str(text),
                (None, Some(items)) => write!(f, "{items}"),
                (None, None) => spaced(f, "{", record.fields.iter().map(|(_, value)| value), "}"),
            },
            Self::Scratch => f.write_str("scratch"),
        }
    }
}

fn spaced<'a>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    values: impl Iterator<Item = &'a Value>,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (at, value) in values.enumerate() {
        let space = if at > 0 { " " } else { "" };
        write!(f, "{space}{value}")?;
    }
    f.write_str(close)
}

/// Go's shortest form of a float: with an exponent of at least two digits below 1e-4 and from 1e+06 on.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
