//! Text to expression, by recursive descent.

use baton_model::regexp;
use regex::RegexBuilder;

use super::{Expression, FilterError, MAX_DEPTH, MAX_LENGTH, MAX_REGEX, Schema, Test};

pub(super) fn expression(text: &str, schema: &Schema) -> Result<Expression, FilterError> {
    if text.len() > MAX_LENGTH {
        return Err(FilterError(format!("the expression is longer than {MAX_LENGTH} bytes")));
    }
    let mut parser = Parser { text, at: 0, schema, depth: 0 };
    let expression = parser.or()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    schema: &'a Schema,
    depth: usize,
}

/// One value or selector of the source; a quoted one is never a keyword.
struct Word {
    text: String,
    quoted: bool,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.not()?;
        while self.keyword("and") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(FilterError(format!("the expression is nested deeper than {MAX_DEPTH} levels")));
        }
        let expression = if self.keyword("not") {
            Expression::Not(Box::new(self.not()?))
        } else if self.symbol("(") {
            let inner = self.or()?;
            if !self.symbol(")") {
                return Err(self.expected("\")\""));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    /// `selector OP value`, `selector is [not] empty`, `value [not] in selector`.
    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let start = self.at;
        let first = self.word()?;
        if self.keyword("in") {
            return self.membership(first, false);
        }
        let negated = self.keyword("not");
        if negated && self.keyword("in") {
            return self.membership(first, true);
        }
        self.at = start;
        let path = self.selector()?;
        let (operator, negated) = self.operator()?;
        let value = if operator == "is empty" { String::new() } else { self.word()?.text };
        self.matched(path, operator, value, negated)
    }

    fn membership(&mut self, value: Word, negated: bool) -> Result<Expression, FilterError> {
        let path = self.selector()?;
        self.matched(path, "in", value.text, negated)
    }

    fn operator(&mut self) -> Result<(&'static str, bool), FilterError> {
        if self.symbol("==") {
            return Ok(("==", false));
        }
        if self.symbol("!=") {
            return Ok(("==", true));
        }
        if self.keyword("is") {
            let negated = self.keyword("not");
            return if self.keyword("empty") { Ok(("is empty", negated)) } else { Err(self.expected("\"empty\"")) };
        }
        let negated = self.keyword("not");
        for operator in ["contains", "matches"] {
            if self.keyword(operator) {
                return Ok((operator, negated));
            }
        }
        Err(self.expected("\"==\", \"!=\", \"is empty\", \"contains\", \"matches\" or \"in\""))
    }

    fn matched(
        &self,
        path: Vec<String>,
        operator: &'static str,
        value: String,
        negated: bool,
    ) -> Result<Expression, FilterError> {
        let selector = path.join(".");
        let schema = self.schema.at(&path).ok_or_else(|| FilterError(format!("Selector {selector:?} is not valid")))?;
        let fits = match operator {
            "==" => matches!(schema, Schema::Text | Schema::Number | Schema::Bool),
            "matches" => schema == Schema::Text,
            "is empty" => !matches!(schema, Schema::Number | Schema::Bool),
            _ => matches!(schema, Schema::Text | Schema::Texts | Schema::Map(_)),
        };
        if !fits {
            return Err(FilterError(format!("Invalid match operator {operator:?} for selector {selector:?}")));
        }
        let coercible = match schema {
            Schema::Number => value.parse::<i64>().is_ok(),
            Schema::Bool => value.parse::<bool>().is_ok(),
            _ => true,
        };
        if !coercible {
            return Err(FilterError(format!("failed to coerce value {value:?} for selector {selector:?}")));
        }
        let test = match operator {
            "==" => Test::Equal(value),
            "is empty" => Test::Empty,
            "matches" => {
                let translated = regexp::from_go(&value);
                let regex = translated.and_then(|text| {
                    RegexBuilder::new(&text).size_limit(MAX_REGEX).build().map_err(|error| error.to_string())
                });
                Test::Matches(
                    regex.map_err(|error| FilterError(format!("Failed to compile regex {value:?}: {error}")))?,
                )
            }
            _ => Test::Contains(value),
        };
        Ok(Expression::Match { path, test, negated })
    }

    /// `Name`, `Name.Name`, `Name["any text"]`.
    fn selector(&mut self) -> Result<Vec<String>, FilterError> {
        self.space();
        let mut path = vec![self.identifier()?];
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with('.') {
                self.at += 1;
                path.push(self.identifier()?);
            } else if rest.starts_with('[') {
                self.at += 1;
                let key = self.word()?;
                if !key.quoted {
                    return Err(self.expected("a quoted key"));
                }
                if !self.symbol("]") {
                    return Err(self.expected("\"]\""));
                }
                path.push(key.text);
            } else {
                return Ok(path);
            }
        }
    }

    fn identifier(&mut self) -> Result<String, FilterError> {
        let rest = &self.text[self.at..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '/')).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a selector"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// A bare word, a `"text"` with Go's escapes, or a `` `raw text` ``.
    fn word(&mut self) -> Result<Word, FilterError> {
        self.space();
        let rest = &self.text[self.at..];
        if let Some(raw) = rest.strip_prefix('`') {
            let end = raw.find('`').ok_or_else(|| self.expected("a closing \"`\""))?;
            self.at += end + 2;
            return Ok(Word { text: raw[..end].to_owned(), quoted: true });
        }
        if rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(text)) = values.next() else { return Err(self.expected("a quoted text")) };
            self.at += values.byte_offset();
            return Ok(Word { text, quoted: true });
        }
        let end = rest.find(|c: char| c.is_whitespace() || "()[]\"`=!".contains(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a selector or a value"));
        }
        self.at += end;
        Ok(Word { text: rest[..end].to_owned(), quoted: false })
    }

    /// Takes a keyword if it is next and ends there.
    fn keyword(&mut self, word: &str) -> bool {
        self.space();
        let Some(rest) = self.text[self.at..].strip_prefix(word) else { return false };
        if rest.starts_with(|c: char| c.is_alphanumeric() || "_.[=!-/".contains(c)) {
            return false;
        }
        self.at += word.len();
        true
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.space();
        self.text[self.at..].chars().next()
    }

    /// Says where the text stops making sense: line, column and byte offset, as Consul does.
    fn expected(&self, what: &str) -> FilterError {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        FilterError(format!("{line}:{column} ({}): no match found, expected: {what}", self.at))
    }
}
