//! What a failed task wrote last: most programs say there why they ended.
//!
//! Input: allocations as their events carry them, and the clients of this process. Output: lines for a person. One ending
//! is told once.

use std::collections::HashMap;
use std::sync::Arc;

use baton_api::nomad::client::{ClientRoutes as _, LogRequest, Output, Start};
use baton_model::task::event::TERMINATED;
use baton_model::{AllocDesiredStatus, Allocation, Timestamp, id};
use futures::stream::StreamExt as _;

use crate::agent::clients::Clients;

/// Bytes of the end of a log in which the last line is looked for.
const TAIL_BYTES: u64 = 2048;
/// Characters of a line that are shown.
const LINE_CHARS_MAX: usize = 400;

/// Which endings have been told.
pub struct LastWords {
    clients: Arc<Clients>,
    told: HashMap<(String, String), Timestamp>,
}

impl LastWords {
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients, told: HashMap::new() }
    }

    /// A line for each task of `alloc` that has failed since the last call and wrote something to standard error.
    pub async fn of(&mut self, alloc: &Allocation) -> Vec<String> {
        let mut lines = Vec::new();
        for (task, code) in self.failed(alloc) {
            if let Some(words) = self.read(alloc, &task).await {
                lines.push(format!("{} {} {task}: exit code {code}: {words}", alloc.name, id::short(&alloc.id)));
            }
        }
        lines
    }

    /// Tasks that are to run and newly ended otherwise than with 0.
    fn failed(&mut self, alloc: &Allocation) -> Vec<(String, i64)> {
        if alloc.desired_status != AllocDesiredStatus::Run {
            return Vec::new();
        }
        let mut failed = Vec::new();
        for (task, state) in &alloc.task_states {
            let ends = state.events.iter().filter(|event| event.kind == TERMINATED);
            let Some(end) = ends.max_by_key(|event| event.time) else { continue };
            let known = self.told.insert((alloc.id.clone(), task.clone()), end.time);
            if end.exit_code != 0 && known != Some(end.time) {
                failed.push((task.clone(), end.exit_code));
            }
        }
        failed
    }

    async fn read(&self, alloc: &Allocation, task: &str) -> Option<String> {
        let request =
            LogRequest { task: task.to_owned(), output: Output::Stderr, start: Start::End(TAIL_BYTES), follow: false };
        let client = self.clients.local(&alloc.node_id)?;
        let mut frames = client.logs(&alloc.id, request).await.ok()?;
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            bytes.extend_from_slice(&frame.data);
        }
        last_line(&bytes)
    }
}

/// The last line with anything in it, fit for a terminal.
fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|character| !character.is_control()).take(LINE_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use baton_model::task::{TaskEvent, TaskState};

    use super::*;

    #[test]
    fn the_last_line_is_fit_for_a_terminal() {
        assert_eq!(last_line(b"one\nError: two\n\n").as_deref(), Some("Error: two"));
        assert_eq!(last_line(b"\x1b[31mred\x07\xff").as_deref(), Some("[31mred\u{fffd}"));
        assert_eq!(last_line(b" \n\n"), None);
        assert_eq!(last_line("é".repeat(1000).as_bytes()).unwrap().chars().count(), LINE_CHARS_MAX);
    }

    #[test]
    fn a_failure_is_told_once_and_an_asked_for_end_never() {
        let mut words = LastWords::new(Arc::default());
        let end = |time: i64, exit_code| TaskEvent {
            kind: TERMINATED.to_owned(),
            time: Timestamp(time),
            exit_code,
            ..TaskEvent::default()
        };
        let mut alloc = Allocation { id: "a".to_owned(), ..Allocation::default() };
        let mut events = vec![end(1, 0)];
        let mut told = |events: &[TaskEvent], wanted| {
            let state = TaskState { events: events.to_vec(), ..TaskState::default() };
            alloc.task_states = [("main".to_owned(), state)].into();
            alloc.desired_status = wanted;
            words.failed(&alloc)
        };
        assert_eq!(told(&events, AllocDesiredStatus::Run), []);
        events.push(end(2, 7));
        assert_eq!(told(&events, AllocDesiredStatus::Run), [("main".to_owned(), 7)]);
        assert_eq!(told(&events, AllocDesiredStatus::Run), []);
        events.push(end(3, 143));
        assert_eq!(told(&events, AllocDesiredStatus::Stop), []);
    }
}
