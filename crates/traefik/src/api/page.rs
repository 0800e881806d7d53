//! Lists: filter, order, page.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::ApiResponse;

/// Objects on a page when the request does not say.
const PER_PAGE: usize = 100;

type Object = Map<String, Value>;

/// Undoes percent-encoding; an incomplete escape stands for itself.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        let pair = |p: &str| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (decode(name), decode(&value.replace('+', " ")))
        };
        Self(text.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }

    /// The value of a parameter, if it is not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }
}

pub(super) fn list(mut objects: Vec<Object>, query: &str) -> ApiResponse {
    let query = Query::parse(query);
    objects.retain(|object| keeps(object, &query));
    let key = query.get("sortBy").unwrap_or("name");
    objects.sort_by(|a, b| compare(a.get(key), b.get(key)).then_with(|| compare(a.get("name"), b.get("name"))));
    if query.get("direction") == Some("desc") {
        objects.reverse();
    }
    let number = |name: &str, default: usize| match query.get(name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|n| *n > 0),
    };
    let (Some(page), Some(per_page)) = (number("page", 1), number("per_page", PER_PAGE)) else {
        return invalid(&query);
    };
    let start = (page - 1).saturating_mul(per_page);
    if start > 0 && start >= objects.len() {
        return invalid(&query);
    }
    let next = if start.saturating_add(per_page) < objects.len() { page + 1 } else { 1 };
    let shown: Vec<Object> = objects.into_iter().skip(start).take(per_page).collect();
    let mut response = ApiResponse::json(&shown);
    response.headers.push(("X-Next-Page", next.to_string()));
    response
}

fn invalid(query: &Query) -> ApiResponse {
    let (page, per_page) = (query.get("page").unwrap_or("1"), query.get("per_page").unwrap_or("100"));
    ApiResponse::error(400, format!("invalid request: page: {page}, per_page: {per_page}"))
}

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn keeps(object: &Object, query: &Query) -> bool {
    let provider = text(object, "provider");
    let means = |written: &str, wanted: &str| written == wanted || format!("{written}@{provider}") == wanted;
    if query.get("status").is_some_and(|status| !text(object, "status").eq_ignore_ascii_case(status)) {
        return false;
    }
    if query.get("serviceName").is_some_and(|wanted| !means(text(object, "service"), wanted)) {
        return false;
    }
    let uses = |wanted: &str| {
        let listed = object.get("middlewares").and_then(Value::as_array);
        listed.is_some_and(|m| m.iter().filter_map(Value::as_str).any(|m| means(m, wanted)))
    };
    if query.get("middlewareName").is_some_and(|wanted| !uses(wanted)) {
        return false;
    }
    query.get("search").is_none_or(|words| {
        let words = words.to_lowercase();
        ["name", "rule", "service", "type"].iter().any(|key| text(object, key).to_lowercase().contains(&words))
    })
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_i64().cmp(&b.as_i64()),
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            let texts = |list: &[Value]| list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
            texts(a).cmp(&texts(b))
        }
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
