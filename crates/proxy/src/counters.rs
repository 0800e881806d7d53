//! Counts of requests, cheap where they are made and summed where they are read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cells per counter; cores beyond that share.
const CELLS: usize = 8;

/// Requests by the first digit of their status.
#[derive(Debug, Default)]
pub struct Counter {
    cells: [Cell; CELLS],
}

/// One core's share, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cell {
    classes: [AtomicU64; 6],
    bytes_out: AtomicU64,
}

/// A reading of a [`Counter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Index 1–5: answers of that class; index 0: anything else.
    pub classes: [u64; 6],
    /// Body bytes sent to clients.
    pub bytes_out: u64,
}

impl Counter {
    /// Counts one answer given by `core`.
    pub fn add(&self, core: usize, status: u16, bytes_out: u64) {
        let cell = &self.cells[core % CELLS];
        let class = usize::from(status / 100);
        cell.classes[if class < 6 { class } else { 0 }].fetch_add(1, Ordering::Relaxed);
        if bytes_out > 0 {
            cell.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> Reading {
        let sum =
            |pick: &dyn Fn(&Cell) -> &AtomicU64| self.cells.iter().map(|cell| pick(cell).load(Ordering::Relaxed)).sum();
        Reading {
            classes: std::array::from_fn(|class| sum(&|cell| &cell.classes[class])),
            bytes_out: sum(&|cell| &cell.bytes_out),
        }
    }
}

impl Reading {
    /// All answers.
    pub fn total(&self) -> u64 {
        self.classes.iter().sum()
    }
}
