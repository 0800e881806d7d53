//! When to try again: `IsNetworkError() && Attempts() < 2`, `ResponseCode() >= 500 || !(…)`.

/// Longest expression and deepest nesting that are read.
const TEXT_MAX: usize = 1024;
const DEPTH_MAX: usize = 16;

/// What a try came to.
pub(super) struct Outcome {
    /// Tries so far.
    pub(super) attempts: u32,
    /// Status of the answer.
    pub(super) status: u16,
    /// No answer came from the server.
    pub(super) network_error: bool,
}

/// A condition on an outcome.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    NetworkError,
    Compare(Number, Operator, u32),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A number of an outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Attempts,
    ResponseCode,
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

impl Condition {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("longer than {TEXT_MAX} bytes"));
        }
        let mut parser = Parser { rest: text, depth: 0 };
        let condition = parser.any()?;
        match parser.rest.trim_start() {
            "" => Ok(condition),
            rest => Err(format!("unexpected {rest:?}")),
        }
    }

    /// Whether it is true.
    pub(super) fn holds(&self, outcome: &Outcome) -> bool {
        match self {
            Self::NetworkError => outcome.network_error,
            Self::Not(condition) => !condition.holds(outcome),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(outcome)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(outcome)),
            Self::Compare(number, operator, right) => {
                let left = match number {
                    Number::Attempts => outcome.attempts,
                    Number::ResponseCode => outcome.status.into(),
                };
                match operator {
                    Operator::Equal => left == *right,
                    Operator::Unequal => left != *right,
                    Operator::AtMost => left <= *right,
                    Operator::AtLeast => left >= *right,
                    Operator::Less => left < *right,
                    Operator::More => left > *right,
                }
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Condition, String> {
        let mut members = vec![self.all()?];
        while self.eat("||") {
            members.push(self.all()?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Condition::Any(members) })
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut members = vec![self.one()?];
        while self.eat("&&") {
            members.push(self.one()?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Condition::All(members) })
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        let condition = if self.eat("!") {
            Condition::Not(Box::new(self.one()?))
        } else if self.eat("(") {
            let inner = self.any()?;
            if !self.eat(")") {
                return Err("a parenthesis is not closed".to_owned());
            }
            inner
        } else if self.eat("IsNetworkError()") {
            Condition::NetworkError
        } else if self.eat("Attempts()") {
            self.comparison(Number::Attempts)?
        } else if self.eat("ResponseCode()") {
            self.comparison(Number::ResponseCode)?
        } else {
            return Err(format!(
                "{:?} is none of Attempts(), ResponseCode(), IsNetworkError()",
                self.rest.trim_start()
            ));
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self, number: Number) -> Result<Condition, String> {
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::More),
        ];
        let (_, operator) =
            operators.into_iter().find(|(text, _)| self.eat(text)).ok_or("a comparison has no operator")?;
        let rest = self.rest.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let right = rest[..digits].parse().map_err(|_| "a comparison needs a number on its right")?;
        self.rest = &rest[digits..];
        Ok(Condition::Compare(number, operator, right))
    }

    /// Takes `text` if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, attempts: u32, status: u16, network_error: bool) -> bool {
        Condition::parse(text).unwrap().holds(&Outcome { attempts, status, network_error })
    }

    #[test]
    fn expressions_are_true_of_outcomes() {
        assert!(holds("IsNetworkError() && Attempts() < 2", 1, 502, true));
        assert!(!holds("IsNetworkError() && Attempts() < 2", 2, 502, true));
        assert!(holds("Attempts()<=2&&(ResponseCode()==503||ResponseCode() >= 505)", 2, 503, false));
        assert!(!holds("Attempts() <= 2 && (ResponseCode() == 503 || ResponseCode() > 505)", 2, 505, false));
        assert!(holds("!IsNetworkError() && !(ResponseCode() != 200)", 1, 200, false));
        // && binds closer than ||.
        assert!(holds("IsNetworkError() || Attempts() > 5 && Attempts() > 6", 1, 200, true));
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = "(".repeat(5000);
        let nested = format!("{}Attempts() > 1{}", "(".repeat(20), ")".repeat(20));
        for text in [
            "",
            "Attempts()",
            "Attempts() < ",
            "Attempts() < x",
            "(Attempts() < 1",
            "Foo()",
            "Attempts() < 1 1",
            "IsNetworkError() &&",
            "Attempts() < 99999999999",
            &deep,
            &nested,
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
