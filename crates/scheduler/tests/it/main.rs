//! Stories of clusters, told in `tests/scenarios/*.txt`, and properties that hold in random ones.

mod job_text;
mod properties;
mod scenarios;
mod story;
mod telling;
mod world;
