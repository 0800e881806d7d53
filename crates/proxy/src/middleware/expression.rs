//! Conditions put together: `A && (B || !C)`, where the user of this module says what a term is.

/// Longest expression and deepest nesting that are read.
const TEXT_MAX: usize = 1024;
const DEPTH_MAX: usize = 16;

/// A condition over terms.
#[derive(Debug, PartialEq)]
pub(super) enum Expression<T> {
    Term(T),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    AtMost,
    AtLeast,
    Less,
    More,
}

/// What is left of the text that is being read.
pub(super) struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<T> Expression<T> {
    /// Reads an expression whose terms `term` reads.
    pub(super) fn parse(text: &str, term: impl Fn(&mut Reader<'_>) -> Result<T, String>) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("longer than {TEXT_MAX} bytes"));
        }
        let mut reader = Reader { rest: text, depth: 0 };
        let expression = reader.any(&term)?;
        match reader.rest() {
            "" => Ok(expression),
            rest => Err(format!("unexpected {rest:?}")),
        }
    }

    /// Whether it is true, where `is_true` says which terms are.
    pub(super) fn holds(&self, is_true: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Term(term) => is_true(term),
            Self::Not(expression) => !expression.holds(is_true),
            Self::All(members) => members.iter().all(|member| member.holds(is_true)),
            Self::Any(members) => members.iter().any(|member| member.holds(is_true)),
        }
    }
}

impl Operator {
    /// Whether it holds between two numbers.
    pub(super) fn holds<N: PartialOrd>(self, left: &N, right: &N) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::AtMost => left <= right,
            Self::AtLeast => left >= right,
            Self::Less => left < right,
            Self::More => left > right,
        }
    }
}

impl<'a> Reader<'a> {
    /// The text from here on.
    pub(super) fn rest(&self) -> &'a str {
        self.rest.trim_start()
    }

    /// Takes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A comparison's operator.
    pub(super) fn operator(&mut self) -> Result<Operator, String> {
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::More),
        ];
        let found = operators.into_iter().find(|(text, _)| self.eat(text));
        found.map(|(_, operator)| operator).ok_or_else(|| "a comparison has no operator".to_owned())
    }

    /// The digits, with or without a point, that come next.
    pub(super) fn digits(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    fn any<T>(&mut self, term: &impl Fn(&mut Self) -> Result<T, String>) -> Result<Expression<T>, String> {
        let mut members = vec![self.all(term)?];
        while self.eat("||") {
            members.push(self.all(term)?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Expression::Any(members) })
    }

    fn all<T>(&mut self, term: &impl Fn(&mut Self) -> Result<T, String>) -> Result<Expression<T>, String> {
        let mut members = vec![self.one(term)?];
        while self.eat("&&") {
            members.push(self.one(term)?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Expression::All(members) })
    }

    fn one<T>(&mut self, term: &impl Fn(&mut Self) -> Result<T, String>) -> Result<Expression<T>, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        let expression = if self.eat("!") {
            Expression::Not(Box::new(self.one(term)?))
        } else if self.eat("(") {
            let inner = self.any(term)?;
            if !self.eat(")") {
                return Err("a parenthesis is not closed".to_owned());
            }
            inner
        } else {
            Expression::Term(term(self)?)
        };
        self.depth -= 1;
        Ok(expression)
    }
}
