//! The keeper as a real process with real tasks. The test binary plays keeper and tasks itself, see [`roles`].

mod handover;
mod hostile;
mod logs;
mod roles;
mod survive;
mod tasks;
mod world;
