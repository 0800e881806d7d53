//! The events of a task with the texts that users of Nomad know.

use std::time::Duration;

use baton_keeper::protocol::Exit;
use baton_model::task::{TASK_EVENTS_MAX, TaskEvent, TaskState, event};
use baton_model::{Nanos, Timestamp};

/// Now, for events and trackers.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// An event with its text.
pub(crate) fn new(kind: &str, message: impl Into<String>) -> TaskEvent {
    let message = message.into();
    TaskEvent { kind: kind.to_owned(), time: now(), display_message: message.clone(), message, ..TaskEvent::default() }
}

/// Keeps the newest.
pub(crate) fn push(state: &mut TaskState, event: TaskEvent) {
    state.events.push(event);
    let surplus = state.events.len().saturating_sub(TASK_EVENTS_MAX);
    state.events.drain(..surplus);
}

pub(crate) fn terminated(exit: &Exit) -> TaskEvent {
    let code = i64::from(exit.code.unwrap_or(if exit.signal.is_some() { 128 + exit.signal.unwrap_or(0) } else { -1 }));
    let signal = i64::from(exit.signal.unwrap_or(0));
    let mut parts = vec![format!("Exit Code: {code}")];
    if signal != 0 {
        parts.push(format!("Signal: {signal}"));
    }
    if !exit.reason.is_empty() {
        parts.push(format!("Exit Message: {:?}", exit.reason));
    }
    TaskEvent {
        exit_code: code,
        signal,
        ..with_details(
            new(event::TERMINATED, parts.join(", ")),
            &[("exit_code", code.to_string()), ("signal", signal.to_string()), ("exit_message", exit.reason.clone())],
        )
    }
}

pub(crate) fn restarting(delay: Nanos, reason: &str) -> TaskEvent {
    let when = format!("Task restarting in {delay}");
    let text = if reason.is_empty() || reason == "Restart within policy" { when } else { format!("{reason} - {when}") };
    with_details(
        new(event::RESTARTING, text),
        &[("restart_reason", reason.to_owned()), ("start_delay", delay.0.to_string())],
    )
}

pub(crate) fn not_restarting(reason: &str) -> TaskEvent {
    let event = new(event::NOT_RESTARTING, reason);
    TaskEvent { fails_task: true, ..with_details(event, &[("restart_reason", reason.to_owned())]) }
}

pub(crate) fn killing(timeout: Duration) -> TaskEvent {
    let timeout = Nanos::from_std(timeout);
    let text = format!("Sent interrupt. Waiting {timeout} before force killing");
    with_details(new(event::KILLING, text), &[("kill_timeout", timeout.to_string())])
}

pub(crate) fn signaling(signal: &str, reason: &str) -> TaskEvent {
    let text = if reason.is_empty() {
        format!("Task being sent signal {signal}")
    } else {
        format!("Task being sent signal {signal}: {reason}")
    };
    with_details(new(event::SIGNALING, text), &[("signal", signal.to_owned())])
}

pub(crate) fn failure(kind: &str, message: impl Into<String>) -> TaskEvent {
    TaskEvent { fails_task: true, ..new(kind, message) }
}

fn with_details(mut event: TaskEvent, details: &[(&str, String)]) -> TaskEvent {
    event.details.extend(details.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_nomads() {
        let exit = Exit { code: None, signal: Some(9), reason: String::new() };
        assert_eq!(terminated(&exit).display_message, "Exit Code: 137, Signal: 9");
        assert_eq!(
            restarting(Nanos::millis(15_500), "Restart within policy").display_message,
            "Task restarting in 15.5s"
        );
        assert_eq!(killing(Duration::from_secs(5)).display_message, "Sent interrupt. Waiting 5s before force killing");
    }

    #[test]
    fn only_the_newest_events_are_kept() {
        let mut state = TaskState::default();
        for number in 0..20 {
            push(&mut state, new(event::STARTED, number.to_string()));
        }
        assert_eq!(state.events.len(), TASK_EVENTS_MAX);
        assert_eq!(state.events[0].message, "10");
    }
}
