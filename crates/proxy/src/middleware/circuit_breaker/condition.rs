//! When a breaker opens: `NetworkErrorRatio() > 0.30 || LatencyAtQuantileMS(50.0) >= 100`.

use super::super::expression::{Expression, Operator, Reader};
use super::window::Window;

/// A condition on what was measured.
#[derive(Debug)]
pub(super) struct Condition(Expression<Comparison>);

#[derive(Debug)]
struct Comparison {
    measure: Measure,
    operator: Operator,
    right: f64,
}

/// What is measured.
#[derive(Debug, PartialEq)]
enum Measure {
    NetworkErrorRatio,
    /// The share of statuses in the first range among those in the second, ends left out.
    ResponseCodeRatio([u16; 4]),
    LatencyAtQuantile(f64),
    RequestThreshold,
}

impl Condition {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Expression::parse(text, comparison).map(Self)
    }

    /// Whether it is true of the window.
    pub(super) fn holds(&self, window: &Window) -> bool {
        self.0.holds(&|Comparison { measure, operator, right }| {
            let left = match measure {
                Measure::NetworkErrorRatio => window.network_error_ratio(),
                Measure::ResponseCodeRatio([a, b, c, d]) => window.status_ratio(*a..*b, *c..*d),
                Measure::LatencyAtQuantile(percent) => window.latency_millis(*percent) as f64,
                Measure::RequestThreshold => window.total() as f64,
            };
            operator.holds(&left, right)
        })
    }
}

fn comparison(reader: &mut Reader<'_>) -> Result<Comparison, String> {
    let measure = if reader.eat("NetworkErrorRatio(") {
        let []: [u16; 0] = numbers(reader)?;
        Measure::NetworkErrorRatio
    } else if reader.eat("ResponseCodeRatio(") {
        Measure::ResponseCodeRatio(numbers(reader)?)
    } else if reader.eat("LatencyAtQuantileMS(") {
        let [percent] = numbers(reader)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("LatencyAtQuantileMS({percent}): write a quantile between 0 and 100"));
        }
        Measure::LatencyAtQuantile(percent)
    } else if reader.eat("RequestThreshold(") {
        let []: [u16; 0] = numbers(reader)?;
        Measure::RequestThreshold
    } else {
        let known = "NetworkErrorRatio(), ResponseCodeRatio(a, b, c, d), LatencyAtQuantileMS(q)";
        return Err(format!("{:?} is none of {known}", reader.rest()));
    };
    let operator = reader.operator()?;
    let right = reader.digits().parse().map_err(|_| "a comparison needs a number on its right")?;
    Ok(Comparison { measure, operator, right })
}

/// So many numbers between commas, and the parenthesis behind them.
fn numbers<N: std::str::FromStr + Default + Copy, const COUNT: usize>(
    reader: &mut Reader<'_>,
) -> Result<[N; COUNT], String> {
    let mut numbers = [N::default(); COUNT];
    for (index, number) in numbers.iter_mut().enumerate() {
        let separated = index == 0 || reader.eat(",");
        *number = reader
            .digits()
            .parse()
            .ok()
            .filter(|_| separated)
            .ok_or_else(|| format!("a function needs {COUNT} numbers between its parentheses"))?;
    }
    if reader.eat(")") { Ok(numbers) } else { Err("a parenthesis is not closed".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn window(answers: &[(u16, u64)]) -> Window {
        let mut window = Window::default();
        for (status, millis) in answers {
            window.record(*status, Duration::from_millis(*millis), Duration::ZERO);
        }
        window
    }

    #[test]
    fn conditions_are_true_of_windows() {
        let window = window(&[(200, 10), (502, 20), (504, 30), (500, 400)]);
        for (text, truth) in [
            ("NetworkErrorRatio() > 0.30", true),
            ("NetworkErrorRatio() >= 0.51", false),
            ("NetworkErrorRatio() == 0.5", true),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.7", true),
            ("ResponseCodeRatio(500, 502, 0, 600) == 0.25", true),
            ("ResponseCodeRatio(200,300,300,400) > 0", false),
            ("LatencyAtQuantileMS(50.0) < 25 && LatencyAtQuantileMS(100) > 390", true),
            ("NetworkErrorRatio() > 0.9 || !(LatencyAtQuantileMS(50) > 100)", true),
            ("RequestThreshold() >= 4 && NetworkErrorRatio() != 0", true),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(&window), truth, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "NetworkErrorRatio()",
            "NetworkErrorRatio() >",
            "NetworkErrorRatio(1) > 0",
            "ResponseCodeRatio(1,2,3) > 0",
            "ResponseCodeRatio(1 2 3 4) > 0",
            "ResponseCodeRatio(1,2,3,70000) > 0",
            "LatencyAtQuantileMS() > 1",
            "LatencyAtQuantileMS(101) > 1",
            "Foo() > 1",
            "NetworkErrorRatio() > 0.3.3",
            "NetworkErrorRatio() > 0.3 &&",
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
