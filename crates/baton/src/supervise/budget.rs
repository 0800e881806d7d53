//! How the time that a foreign supervisor grants is divided.

use std::time::Duration;

/// The part of the budget kept for the child's own stop: a quarter.
const CHILD_SHARE: u32 = 4;

/// The division of one stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// For demote and proof.
    pub hand_over: Duration,
    /// How much of the wished limit the budget took away.
    pub cut: Option<Duration>,
}

impl Shares {
    /// Keeps a quarter of the budget for the child; the hand-over gets the rest, at most `limit`.
    pub fn divide(limit: Duration, budget: Option<Duration>) -> Self {
        let most = budget.map_or(limit, |budget| budget - budget / CHILD_SHARE);
        let hand_over = limit.min(most);
        Self { hand_over, cut: limit.checked_sub(hand_over).filter(|cut| !cut.is_zero()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_budget_cuts_the_limit() {
        assert_eq!(Shares::divide(secs(15), None), Shares { hand_over: secs(15), cut: None });
        assert_eq!(Shares::divide(secs(15), Some(secs(20))), Shares { hand_over: secs(15), cut: None });
        assert_eq!(Shares::divide(secs(30), Some(secs(20))), Shares { hand_over: secs(15), cut: Some(secs(15)) });
    }
}
