//! JSON with spans, and JSON as a second spelling of HCL.
//!
//! In HCL's JSON spelling every string is a template, an object under a block's name holds the labels as keys, and an
//! array repeats the block.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::diagnostic::{Flaw, Span};
use crate::eval::{Number, Value};
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::native;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 64;
/// Most parts of the API's JSON whose place is kept; what stands behind them is shown at the nearest part that has one.
const MAX_PLACES: usize = 200_000;

#[derive(Clone, Debug)]
pub(crate) struct JsonNode {
    pub(crate) kind: JsonKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum JsonKind {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Arc<JsonNode>>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Arc<JsonNode>,
}

/// Reads a whole text as one JSON value.
pub(crate) fn parse(text: &str) -> Result<JsonNode, Flaw> {
    native::bounded(text)?;
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.flaw("Extraneous data after value", "Extra characters appear after the JSON value."));
    }
    Ok(node)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn flaw(&self, summary: &str, detail: impl Into<String>) -> Flaw {
        let end = self.text[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8());
        Flaw::new(Span::new(self.at, end), summary, detail)
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, summary: &str, detail: &str) -> Result<(), Flaw> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.flaw(summary, detail))
    }

    fn value(&mut self, depth: usize) -> Result<JsonNode, Flaw> {
        if depth > MAX_DEPTH {
            return Err(self.flaw("Nesting too deep", format!("Values may be nested at most {MAX_DEPTH} levels deep.")));
        }
        let next = self.peek();
        let start = self.at;
        let kind = match next {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => JsonKind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.keyword()?,
            Some(_) => return Err(self.flaw("Invalid JSON value", "The start of a JSON value was expected here.")),
            None => return Err(self.flaw("Unexpected end of file", "The JSON value is not complete.")),
        };
        Ok(JsonNode { kind, span: Span::new(start, self.at) })
    }

    fn object(&mut self, depth: usize) -> Result<JsonKind, Flaw> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(JsonKind::Object(members));
                }
                Some(b',') if !members.is_empty() => {
                    self.at += 1;
                    if self.peek() == Some(b'}') {
                        return Err(self.flaw(
                            "Trailing comma in object",
                            "JSON does not permit a trailing comma after the final property in an object.",
                        ));
                    }
                }
                Some(b'"') if members.is_empty() => {}
                Some(_) if members.is_empty() => {
                    return Err(self.flaw(
                        "Invalid object property name",
                        "A JSON object property name must be a string in double quotes.",
                    ));
                }
                Some(_) => {
                    return Err(
                        self.flaw("Missing attribute separator", "A comma must separate one property from the next.")
                    );
                }
                None => return Err(self.flaw("Unclosed object", "No closing brace was found for this JSON object.")),
            }
            if self.peek() != Some(b'"') {
                return Err(self.flaw(
                    "Invalid object property name",
                    "A JSON object property name must be a string in double quotes.",
                ));
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = Span::new(start, self.at);
            self.expect(
                b':',
                "Missing property value colon",
                "A colon must appear between an object property's name and its value.",
            )?;
            let value = Arc::new(self.value(depth + 1)?);
            members.push(Member { key, key_span, value });
        }
    }

    fn array(&mut self, depth: usize) -> Result<JsonKind, Flaw> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    return Ok(JsonKind::Array(items));
                }
                Some(b',') if !items.is_empty() => {
                    self.at += 1;
                    if self.peek() == Some(b']') {
                        return Err(self.flaw(
                            "Trailing comma in array",
                            "JSON does not permit a trailing comma after the final value in an array.",
                        ));
                    }
                }
                Some(_) if items.is_empty() => {}
                Some(_) => {
                    return Err(self.flaw("Missing array separator", "A comma must separate one value from the next."));
                }
                None => return Err(self.flaw("Unclosed array", "No closing bracket was found for this JSON array.")),
            }
            items.push(Arc::new(self.value(depth + 1)?));
        }
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let Some(raw) = self.text.get(self.at..=end).filter(|_| end < bytes.len()) else {
            return Err(self.flaw("Unclosed string", "This string has no closing quote."));
        };
        let text = serde_json::from_str(raw)
            .map_err(|why| self.flaw("Invalid JSON string", format!("This string is not valid: {why}.")))?;
        self.at = end + 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<JsonKind, Flaw> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let raw = &rest[..length];
        if serde_json::from_str::<serde_json::Number>(raw).is_err() {
            return Err(self.flaw("Invalid JSON number", format!("{raw:?} is not a valid number.")));
        }
        self.at += length;
        Ok(JsonKind::Number(raw.to_owned()))
    }

    fn keyword(&mut self) -> Result<JsonKind, Flaw> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let kind = match &rest[..length] {
            "null" => JsonKind::Null,
            "true" => JsonKind::Bool(true),
            "false" => JsonKind::Bool(false),
            other => return Err(self.flaw("Invalid JSON keyword", format!("{other:?} is not a valid JSON keyword."))),
        };
        self.at += length;
        Ok(kind)
    }
}

impl JsonNode {
    pub(crate) fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            JsonKind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The last member of that name, as JSON readers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Arc<JsonNode>> {
        self.members()?.iter().rev().find(|member| member.key == key).map(|member| &member.value)
    }

    /// As an expression of HCL's JSON spelling; flaws inside its templates are reported at the string.
    pub(crate) fn to_expr(&self) -> Result<Expr, Vec<Flaw>> {
        let kind = match &self.kind {
            JsonKind::Null => ExprKind::Literal(Value::Null),
            JsonKind::Bool(value) => ExprKind::Literal(Value::Bool(*value)),
            JsonKind::Number(text) => ExprKind::Literal(Number::parse(text).map_or(Value::Null, Value::Number)),
            JsonKind::String(text) => return template(text, self.span),
            JsonKind::Array(items) => {
                ExprKind::Tuple(items.iter().map(|item| item.to_expr()).collect::<Result<_, _>>()?)
            }
            JsonKind::Object(members) => {
                let pairs =
                    members.iter().map(|member| Ok((template(&member.key, member.key_span)?, member.value.to_expr()?)));
                ExprKind::Object(pairs.collect::<Result<_, Vec<Flaw>>>()?)
            }
        };
        Ok(Expr { kind, span: self.span })
    }

    /// The plain value, and where each part of it stands (`TaskGroups[0].Name`).
    pub(crate) fn to_json(&self, path: &str, spans: &mut Vec<(String, Span)>) -> Json {
        if spans.len() < MAX_PLACES {
            spans.push((path.to_owned(), self.span));
        }
        match &self.kind {
            JsonKind::Null => Json::Null,
            JsonKind::Bool(value) => Json::Bool(*value),
            JsonKind::Number(text) => serde_json::from_str(text).unwrap_or(Json::Null),
            JsonKind::String(text) => Json::String(text.clone()),
            JsonKind::Array(items) => Json::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| item.to_json(&format!("{path}[{index}]"), spans))
                    .collect(),
            ),
            JsonKind::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|member| {
                        let path = if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
                        (member.key.clone(), member.value.to_json(&path, spans))
                    })
                    .collect(),
            ),
        }
    }
}

fn template(text: &str, span: Span) -> Result<Expr, Vec<Flaw>> {
    if !text.contains("${") && !text.contains("%{") {
        return Ok(Expr { kind: ExprKind::Literal(Value::String(text.to_owned())), span });
    }
    match native::parse_template(text) {
        Ok(inner) => Ok(Expr { kind: ExprKind::Embedded { text: text.into(), expr: Box::new(inner) }, span }),
        Err(flaws) => Err(flaws.into_iter().map(|flaw| Flaw { span, ..flaw }).collect()),
    }
}
