//! Whose turn it is: round robin, weighted by earliest deadline first where weights differ.
//!
//! The weighted order is that of Traefik: each member's next turn is due `1/weight` after its last; the earliest is
//! taken, ties in the order of a binary heap. Weights 3:1 give a a b a a a a b.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An order of turns over members 0…n-1.
#[derive(Debug)]
pub struct Rotation {
    turns: Turns,
    members: usize,
}

#[derive(Debug)]
enum Turns {
    Even(AtomicUsize),
    Weighted(Mutex<Deadlines>),
}

#[derive(Debug)]
struct Deadlines {
    now: f64,
    heap: Vec<Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    index: usize,
    deadline: f64,
    weight: f64,
}

impl Rotation {
    /// A rotation with these weights, none of them 0.
    pub fn new(weights: &[u32]) -> Self {
        let turns = if weights.windows(2).all(|pair| pair[0] == pair[1]) {
            Turns::Even(AtomicUsize::new(0))
        } else {
            let mut deadlines = Deadlines { now: 0.0, heap: Vec::with_capacity(weights.len()) };
            for (index, weight) in weights.iter().enumerate() {
                deadlines.push(Member { index, deadline: 1.0 / f64::from(*weight), weight: f64::from(*weight) });
            }
            Turns::Weighted(Mutex::new(deadlines))
        };
        Self { turns, members: weights.len() }
    }

    /// The next member that `available` accepts.
    pub fn next(&self, available: impl Fn(usize) -> bool) -> Option<usize> {
        match &self.turns {
            Turns::Even(turn) => {
                let candidates = (0..self.members).filter(|index| available(*index)).count();
                if candidates == 0 {
                    return None;
                }
                let nth = turn.fetch_add(1, Ordering::Relaxed) % candidates;
                (0..self.members).filter(|index| available(*index)).nth(nth)
            }
            Turns::Weighted(deadlines) => {
                if !(0..self.members).any(&available) {
                    return None;
                }
                let mut deadlines = deadlines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                // Members that are passed over keep taking turns, so that they find their place when they return.
                let tries = deadlines.heap.len().saturating_mul(1024);
                (0..tries)
                    .map(|_| deadlines.turn())
                    .find(|index| available(*index))
                    .or_else(|| (0..self.members).find(|index| available(*index)))
            }
        }
    }
}

impl Deadlines {
    fn turn(&mut self) -> usize {
        let mut member = self.pop();
        self.now = member.deadline;
        member.deadline += 1.0 / member.weight;
        self.push(member);
        member.index
    }

    fn push(&mut self, member: Member) {
        self.heap.push(member);
        let mut at = self.heap.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[at].deadline >= self.heap[parent].deadline {
                break;
            }
            self.heap.swap(at, parent);
            at = parent;
        }
    }

    fn pop(&mut self) -> Member {
        let last = self.heap.len() - 1;
        self.heap.swap(0, last);
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= last {
                break;
            }
            let right = left + 1;
            let child = if right < last && self.heap[right].deadline < self.heap[left].deadline { right } else { left };
            if self.heap[child].deadline >= self.heap[at].deadline {
                break;
            }
            self.heap.swap(at, child);
            at = child;
        }
        self.heap.swap_remove(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_order_is_traefiks() {
        let rotation = Rotation::new(&[3, 1]);
        let order: Vec<_> = (0..8).map(|_| rotation.next(|_| true).unwrap()).collect();
        assert_eq!(order, [0, 0, 1, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_share_of_a_missing_member_is_spread() {
        let rotation = Rotation::new(&[1, 1, 1]);
        let mut counts = [0; 3];
        for _ in 0..100 {
            counts[rotation.next(|index| index != 1).unwrap()] += 1;
        }
        assert_eq!(counts, [50, 0, 50]);
        assert_eq!(rotation.next(|_| false), None);
    }

    #[test]
    fn weights_hold_without_one_member() {
        let rotation = Rotation::new(&[3, 1, 2]);
        let mut counts = [0; 3];
        for _ in 0..500 {
            counts[rotation.next(|index| index != 2).unwrap()] += 1;
        }
        assert_eq!(counts[2], 0);
        assert!((370..=380).contains(&counts[0]), "{counts:?}");
    }
}
