//! Between texts and values: JSON, YAML, TOML, base64, numbers.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Row, args};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("parseJSON", 1, 1, |_, a| parse_json(a, true)),
    ("parseYAML", 1, 1, parse_yaml),
    ("parseInt", 1, 1, |_, a| parse(a, |text| text.parse().ok().map(Value::Int), Value::Int(0), "int")),
    ("parseUint", 1, 1, |_, a| {
        parse(a, |text| text.parse().ok().filter(|value| *value >= 0).map(Value::Int), Value::Int(0), "uint")
    }),
    ("parseFloat", 1, 1, |_, a| parse(a, |text| text.parse().ok().map(Value::Float), Value::Float(0.0), "float")),
    ("parseBool", 1, 1, |_, a| parse(a, boolean, Value::Bool(false), "bool")),
    ("toJSON", 1, 1, |_, a| Ok(escaped(&compact(&a[0])).into())),
    ("toJSONPretty", 1, 1, |_, a| Ok(escaped(&pretty(&a[0])).into())),
    ("toUnescapedJSON", 1, 1, |_, a| Ok(compact(&a[0]).into())),
    ("toUnescapedJSONPretty", 1, 1, |_, a| Ok(pretty(&a[0]).into())),
    ("toYAML", 1, 1, |_, a| {
        let yaml = serde_saphyr::to_string(&a[0].to_json()).map_err(|error| error.to_string())?;
        Ok(Value::text(yaml.trim_end()))
    }),
    ("toTOML", 1, 1, |_, a| {
        let mut json = a[0].to_json();
        drop_nulls(&mut json);
        let toml = toml::to_string(&json).map_err(|error| error.to_string())?;
        Ok(Value::text(toml.trim_end()))
    }),
    ("base64Encode", 1, 1, |_, a| Ok(PADDED.encode(args::text(a, 0)?.as_bytes()).into())),
    ("base64Decode", 1, 1, |_, a| decode(&PADDED, a)),
    ("base64URLEncode", 1, 1, |_, a| Ok(URL.encode(args::text(a, 0)?.as_bytes()).into())),
    ("base64URLDecode", 1, 1, |_, a| decode(&URL, a)),
];

pub(crate) const SPRIG: &[Row] = &[
    ("toJson", 1, 1, |_, a| Ok(escaped(&compact(&a[0])).into())),
    ("toPrettyJson", 1, 1, |_, a| Ok(escaped(&pretty(&a[0])).into())),
    ("toRawJson", 1, 1, |_, a| Ok(compact(&a[0]).into())),
    ("fromJson", 1, 1, |_, a| parse_json(a, false)),
    ("b64enc", 1, 1, |_, a| Ok(PADDED.encode(args::any_text(a, 0).as_bytes()).into())),
    ("b64dec", 1, 1, |_, a| decode(&PADDED, a)),
];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

fn decode(engine: &GeneralPurpose, a: &[Value]) -> Result<Value, String> {
    let bytes = engine.decode(args::text(a, 0)?.as_bytes()).map_err(|error| format!("not base64: {error}"))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| "the decoded bytes are not UTF-8 text".to_owned())
}

/// `empty`: an empty text is an empty map, as while the data is still on its way.
fn parse_json(a: &[Value], empty: bool) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    if empty && text.is_empty() {
        return Ok(Value::map(Default::default()));
    }
    serde_json::from_str::<serde_json::Value>(&text).map(Value::from).map_err(|error| format!("not JSON: {error}"))
}

fn parse_yaml(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    if text.is_empty() {
        return Ok(Value::map(Default::default()));
    }
    serde_saphyr::from_str::<serde_json::Value>(&text).map(Value::from).map_err(|error| format!("not YAML: {error}"))
}

/// Go's `strconv`: an empty text is the zero value, anything else must parse.
fn parse(a: &[Value], read: fn(&str) -> Option<Value>, zero: Value, kind: &str) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    match text.as_ref() {
        "" => Ok(zero),
        text => read(text).ok_or_else(|| format!("{text:?} is not a valid {kind}")),
    }
}

/// What Go's `ParseBool` takes.
fn boolean(text: &str) -> Option<Value> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn compact(value: &Value) -> String {
    value.to_json().to_string()
}

fn pretty(value: &Value) -> String {
    format!("{:#}", value.to_json())
}

/// Go's encoder writes characters that HTML knows as escapes; outside texts they cannot stand in JSON.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// TOML has no null: such entries are left out.
fn drop_nulls(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
