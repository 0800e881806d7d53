//! The grammar of rules: calls with quoted arguments, `!` before `&&` before `||`, parentheses.

use super::RuleError;

/// Longer rules are refused, in bytes.
const RULE_BYTES_MAX: usize = 64 * 1024;

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Call(Call),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub(crate) text: String,
    pub(crate) offset: usize,
}

pub(crate) fn parse(text: &str) -> Result<Expression, RuleError> {
    if text.len() > RULE_BYTES_MAX {
        return Err(RuleError::new(0, format!("the rule is longer than {RULE_BYTES_MAX} bytes")));
    }
    let mut parser = Parser { text, at: 0 };
    parser.space();
    if parser.rest().is_empty() {
        return Err(RuleError::new(0, "the rule is empty"));
    }
    let expression = parser.any(0)?;
    parser.space();
    if !parser.rest().is_empty() {
        return Err(parser.error("expected && or || or the end"));
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn error(&self, expected: &str) -> RuleError {
        let message = match self.rest().chars().next() {
            Some(found) => format!("{expected}, found {found:?}"),
            None => format!("{expected}, but the rule ends here"),
        };
        RuleError::new(self.at, message)
    }

    fn any(&mut self, depth: usize) -> Result<Expression, RuleError> {
        let mut parts = vec![self.all(depth)?];
        while self.take("||") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, RuleError> {
        let mut parts = vec![self.one(depth)?];
        while self.take("&&") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expression, RuleError> {
        if depth > DEPTH_MAX {
            return Err(RuleError::new(self.at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        if self.take("!") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.error("expected )")) };
        }
        self.call().map(Expression::Call)
    }

    fn call(&mut self) -> Result<Call, RuleError> {
        self.space();
        let offset = self.at;
        let length = self.rest().find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error("expected a matcher such as Host(`example.org`)"));
        }
        let name = self.rest()[..length].to_owned();
        self.at += length;
        if !self.take("(") {
            return Err(self.error(&format!("expected ( after {name}")));
        }
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.argument()?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(self.error("expected , or )"));
                }
            }
        }
        Ok(Call { name, offset, arguments })
    }

    fn argument(&mut self) -> Result<Argument, RuleError> {
        self.space();
        let offset = self.at;
        match self.rest().chars().next() {
            Some('`') => {
                let inner = &self.rest()[1..];
                let Some(end) = inner.find('`') else {
                    return Err(RuleError::new(offset, "the ` is never closed"));
                };
                self.at += end + 2;
                Ok(Argument { text: inner[..end].to_owned(), offset: offset + 1 })
            }
            Some('"') => self.quoted(offset),
            Some('\'') => Err(RuleError::new(offset, "arguments stand in ` or \", not in '")),
            _ => Err(self.error("expected an argument in ` or \"")),
        }
    }

    /// A double-quoted text with Go's escapes.
    fn quoted(&mut self, offset: usize) -> Result<Argument, RuleError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(Argument { text, offset: offset + 1 });
                }
                '\\' => {
                    let escape = chars.next().map(|(_, e)| e);
                    text.push(match escape {
                        Some(e @ ('\\' | '"')) => e,
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(e @ ('x' | 'u')) => {
                            let digits = if e == 'x' { 2 } else { 4 };
                            let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                            u32::from_str_radix(&code, 16)
                                .ok()
                                .and_then(char::from_u32)
                                .ok_or_else(|| RuleError::new(offset + at, format!("\\{e}{code} is not a character")))?
                        }
                        _ => return Err(RuleError::new(offset + at, "unknown escape: use ` around expressions")),
                    });
                }
                _ => text.push(c),
            }
        }
        Err(RuleError::new(offset, "the \" is never closed"))
    }
}
