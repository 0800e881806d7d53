//! What a breaker goes by: statuses of the last ten seconds and times of the last minute, forgotten piece by piece.
//!
//! Time is an argument, counted from whenever the caller likes; it never goes back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Pieces of the window of statuses, and how long each is.
const STATUS_PIECES: usize = 10;
const STATUS_PIECE: Duration = Duration::from_secs(1);
/// The same of times.
const TIME_PIECES: usize = 6;
const TIME_PIECE: Duration = Duration::from_secs(10);
/// Longer than this nothing is told apart.
const TIME_MAX_MICROS: u128 = 3_600_000_000;

/// Recent answers.
#[derive(Debug)]
pub(super) struct Window {
    answers: Ring<Answers>,
    times: Ring<Times>,
}

/// Answers by status.
#[derive(Debug, Default, Clone)]
struct Answers(BTreeMap<u16, u64>);

/// Answers by their time, in classes a hundredth apart.
#[derive(Debug, Default, Clone)]
struct Times(BTreeMap<u16, u64>);

/// Pieces in turn; what is older than all of them is forgotten.
#[derive(Debug)]
struct Ring<T> {
    pieces: Vec<T>,
    length: Duration,
    latest: u128,
}

impl Default for Window {
    fn default() -> Self {
        Self { answers: Ring::new(STATUS_PIECES, STATUS_PIECE), times: Ring::new(TIME_PIECES, TIME_PIECE) }
    }
}

impl Window {
    /// Counts an answer.
    pub(super) fn record(&mut self, status: u16, took: Duration, now: Duration) {
        *self.answers.at(now).0.entry(status).or_default() += 1;
        *self.times.at(now).0.entry(class_of(took)).or_default() += 1;
    }

    /// Forgets what is too old.
    pub(super) fn advance(&mut self, now: Duration) {
        self.answers.at(now);
        self.times.at(now);
    }

    /// Answers in the window.
    pub(super) fn total(&self) -> u64 {
        self.count(0..u16::MAX)
    }

    /// The share of answers that stand for a server that could not be reached, whoever gave them.
    pub(super) fn network_error_ratio(&self) -> f64 {
        ratio(self.count(502..503) + self.count(504..505), self.total())
    }

    /// The share of statuses in `part` among those in `whole`.
    pub(super) fn status_ratio(&self, part: Range<u16>, whole: Range<u16>) -> f64 {
        ratio(self.count(part), self.count(whole))
    }

    /// The time within which so many per cent were answered.
    pub(super) fn latency_millis(&self, percent: f64) -> u64 {
        let mut classes: BTreeMap<u16, u64> = BTreeMap::new();
        for (class, count) in self.times.pieces.iter().flat_map(|times| &times.0) {
            *classes.entry(*class).or_default() += count;
        }
        let total: u64 = classes.values().sum();
        let wanted = (percent / 100.0 * total as f64 + 0.5) as u64;
        let mut seen = 0;
        let found = classes.into_iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, |(class, _)| micros_of(class) / 1000)
    }

    fn count(&self, statuses: Range<u16>) -> u64 {
        if statuses.is_empty() {
            return 0;
        }
        self.answers.pieces.iter().flat_map(|answers| answers.0.range(statuses.clone())).map(|(_, count)| count).sum()
    }
}

impl<T: Default + Clone> Ring<T> {
    fn new(pieces: usize, length: Duration) -> Self {
        Self { pieces: vec![T::default(); pieces], length, latest: 0 }
    }

    /// The piece of `now`.
    fn at(&mut self, now: Duration) -> &mut T {
        let piece = now.as_nanos() / self.length.as_nanos();
        let count = self.pieces.len() as u128;
        for stale in (self.latest + 1..=piece).rev().take(self.pieces.len()) {
            self.pieces[(stale % count) as usize] = T::default();
        }
        self.latest = self.latest.max(piece);
        &mut self.pieces[(self.latest % count) as usize]
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Microseconds below 128 each have a class, above there are 64 classes to each power of two.
fn class_of(took: Duration) -> u16 {
    let micros = took.as_micros().min(TIME_MAX_MICROS) as u64;
    let shift = (64 - micros.leading_zeros()).saturating_sub(7);
    (u64::from(shift) * 64 + (micros >> shift)) as u16
}

/// The longest time of a class.
fn micros_of(class: u16) -> u64 {
    let class = u64::from(class);
    if class < 128 {
        return class;
    }
    let shift = class / 64 - 1;
    ((class % 64 + 65) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_answers_are_forgotten() {
        let mut window = Window::default();
        let second = Duration::from_secs;
        window.record(502, second(0), second(0));
        window.record(200, second(0), second(5));
        assert_eq!(window.network_error_ratio(), 0.5);
        window.advance(second(9));
        assert_eq!(window.total(), 2);
        window.advance(second(10));
        assert_eq!((window.total(), window.network_error_ratio()), (1, 0.0));
        window.advance(second(1_000_000));
        assert_eq!(window.total(), 0);
    }

    #[test]
    fn times_are_told_apart_by_a_hundredth_or_so() {
        for micros in [0, 1, 127, 128, 129, 255, 256, 1000, 99_999, 123_456_789, 3_600_000_000] {
            let shown = micros_of(class_of(Duration::from_micros(micros)));
            assert!(shown >= micros && shown <= micros + micros / 63, "{micros}: {shown}");
        }
        let classes: Vec<_> = (0..100_000).map(|micros| class_of(Duration::from_micros(micros))).collect();
        assert!(classes.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] <= 1));
        assert_eq!(class_of(Duration::from_secs(1 << 40)), class_of(Duration::from_secs(3600)));
    }

    #[test]
    fn quantiles_are_of_all_pieces() {
        let mut window = Window::default();
        for millis in 1..=100 {
            window.record(200, Duration::from_millis(millis), Duration::from_millis(millis * 500));
        }
        let near = |percent, millis: u64| (millis..=millis + 2).contains(&window.latency_millis(percent));
        assert!(near(50.0, 50) && near(99.0, 99) && near(1.0, 1), "{}", window.latency_millis(50.0));
        assert_eq!(Window::default().latency_millis(50.0), 0);
    }
}
