//! Mutations drawn from a seed: the same seed gives the same input.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::{INPUT_BYTES_MAX, Target};

/// Changes to one seed.
const CHANGES_MAX: usize = 8;
/// No input of this size may take longer; a parser that needs more has a hole.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `target` on its seeds and on `cases` mutations of them.
///
/// # Panics
/// When the target does, after the input was printed; and when one input takes too long.
pub fn exercise(target: &Target, seed: u64, cases: usize) {
    for text in target.seeds {
        try_one(target, text.as_bytes(), seed);
    }
    let mut random = Random(seed | 1);
    for _ in 0..cases {
        let input = random.input(target);
        try_one(target, &input, seed);
    }
}

fn try_one(target: &Target, input: &[u8], seed: u64) {
    let since = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if let Err(panic) = outcome {
        eprintln!("{} failed (seed {seed}) on {}", target.name, shown(input));
        resume_unwind(panic);
    }
    let took = since.elapsed();
    assert!(took < PATIENCE, "{} took {took:?} (seed {seed}) on {}", target.name, shown(input));
}

/// Input as a Rust literal.
fn shown(input: &[u8]) -> String {
    format!("b\"{}\"", input.escape_ascii())
}

/// xorshift64*: small, and good enough to choose places.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a [u8] {
        texts.get(self.below(texts.len())).map_or(b"", |text| text.as_bytes())
    }

    fn input(&mut self, target: &Target) -> Vec<u8> {
        let mut input = self.pick(target.seeds).to_vec();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input, target);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(input.len() + 1);
        let end = start + self.below((input.len() - start).min(64) + 1);
        start..end
    }

    fn change(&mut self, input: &mut Vec<u8>, target: &Target) {
        let at = self.below(input.len() + 1);
        match self.below(10) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => input.insert(at, self.next() as u8),
            2 => drop(input.drain(self.range(input))),
            3 => {
                let piece = input[self.range(input)].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let (word, range) = (self.pick(target.words), self.range(input));
                input.splice(range, word.iter().copied());
            }
            5 | 6 => {
                let word = self.pick(target.words);
                input.splice(at..at, word.iter().copied());
            }
            7 => {
                // The same thing very often: depth and length.
                let times = 1 << self.below(13);
                let piece = self.pick(target.words).repeat(times);
                input.splice(at..at, piece);
            }
            8 => {
                let other = self.pick(target.seeds);
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.truncate(at),
        }
    }
}
