//! When to try again: `IsNetworkError() && Attempts() < 2`, `ResponseCode() >= 500 || !(…)`.

use super::super::expression::{Expression, Operator, Reader};

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
pub(super) struct Condition(Expression<Term>);

#[derive(Debug, PartialEq)]
enum Term {
    NetworkError,
    Attempts(Operator, u32),
    ResponseCode(Operator, u32),
}

impl Condition {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Expression::parse(text, term).map(Self)
    }

    /// Whether it is true.
    pub(super) fn holds(&self, outcome: &Outcome) -> bool {
        self.0.holds(&|term| match term {
            Term::NetworkError => outcome.network_error,
            Term::Attempts(operator, right) => operator.holds(&outcome.attempts, right),
            Term::ResponseCode(operator, right) => operator.holds(&u32::from(outcome.status), right),
        })
    }
}

fn term(reader: &mut Reader<'_>) -> Result<Term, String> {
    if reader.eat("IsNetworkError()") {
        return Ok(Term::NetworkError);
    }
    let term = if reader.eat("Attempts()") {
        Term::Attempts
    } else if reader.eat("ResponseCode()") {
        Term::ResponseCode
    } else {
        return Err(format!("{:?} is none of Attempts(), ResponseCode(), IsNetworkError()", reader.rest()));
    };
    let operator = reader.operator()?;
    let right = reader.digits().parse().map_err(|_| "a comparison needs a number on its right")?;
    Ok(term(operator, right))
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
