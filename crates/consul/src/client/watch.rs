//! Following something in Consul with blocking queries, by the rules that keep both sides well.
//!
//! - The index asked for is never 0 after the first answer, and starts over when it goes back (a server was restored).
//! - An answer whose index moved but whose content did not is swallowed.
//! - A server that answers blocking queries at once without news is slowed down: at most one query per [`MIN_PERIOD`].
//! - Errors are told once each and followed by a pause that doubles up to a limit, with jitter. What was last seen stays.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Answered, Error, Read};

/// First pause after an error; doubles with each further one.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Shortest time from one query that brought no news to the next.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// What [`Watch::next`] yields.
#[derive(Debug)]
pub enum Changed<T> {
    /// The first content, or different from the one before.
    To(T),
    /// Consul cannot be asked now; the watch goes on, the content before stays valid as the last known.
    Lost(Error),
}

/// A loop of blocking queries as a stream of changes.
///
/// ```no_run
/// # async fn example(client: baton_consul::Client) {
/// use baton_consul::client::{Changed, Watch};
/// let mut services = Watch::new(|read| {
///     let client = client.clone();
///     async move { client.catalog_services(&read).await }
/// });
/// while let Changed::To(services) = services.next().await {
///     println!("{services:?}");
/// }
/// # }
/// ```
pub struct Watch<T, Q> {
    query: Q,
    read: Read,
    last: Option<T>,
    pause: Duration,
    next_try: Option<Instant>,
}

impl<T, Q, F> Watch<T, Q>
where
    T: PartialEq + Clone,
    Q: FnMut(Read) -> F,
    F: Future<Output = Result<Answered<T>, Error>>,
{
    /// `query` makes one read with the index and wait it is given.
    pub fn new(query: Q) -> Self {
        Self::with(Read::default(), query)
    }

    /// As [`Watch::new`], with options for every read; its index is ignored.
    pub fn with(read: Read, query: Q) -> Self {
        Self { query, read: Read { index: 0, ..read }, last: None, pause: FIRST_PAUSE, next_try: None }
    }

    /// The index of the last answer; 0 before the first and after a loss.
    pub fn index(&self) -> u64 {
        self.read.index
    }

    /// Waits for the next change or loss. Cancel-safe: dropping the future loses nothing but the running query.
    pub async fn next(&mut self) -> Changed<T> {
        loop {
            if let Some(at) = self.next_try {
                sleep_until(at).await;
            }
            let started = Instant::now();
            match (self.query)(self.read.clone()).await {
                Ok(answer) => {
                    self.pause = FIRST_PAUSE;
                    // Going back means another history; its indexes say nothing about ours.
                    self.read.index = if answer.index < self.read.index { 0 } else { answer.index };
                    if self.last.as_ref() != Some(&answer.data) {
                        self.next_try = None;
                        self.last = Some(answer.data.clone());
                        return Changed::To(answer.data);
                    }
                    self.next_try = Some(started + MIN_PERIOD);
                }
                Err(error) => {
                    // The next answer must come at once, to end the loss.
                    self.read.index = 0;
                    self.next_try = Some(Instant::now() + self.pause.mul_f64(0.5 + rand::random::<f64>() / 2.0));
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    return Changed::Lost(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;

    type Scripted = Result<(u64, &'static str), ()>;

    /// Runs a watch against scripted answers; returns what it yielded and the index of each query.
    async fn follow(script: &[Scripted], changes: usize) -> (Vec<Option<&'static str>>, Vec<u64>, Duration) {
        let script = RefCell::new(script.iter().copied().collect::<VecDeque<_>>());
        let asked = RefCell::new(Vec::new());
        let started = Instant::now();
        let mut watch = Watch::new(|read: Read| {
            asked.borrow_mut().push(read.index);
            let next = script.borrow_mut().pop_front().expect("the script is long enough");
            async move {
                match next {
                    Ok((index, data)) => Ok(Answered { data, index, known_leader: true, last_contact: Duration::ZERO }),
                    Err(()) => Err(Error::Tls("scripted".into())),
                }
            }
        });
        let mut yielded = Vec::new();
        for _ in 0..changes {
            yielded.push(match watch.next().await {
                Changed::To(data) => Some(data),
                Changed::Lost(_) => None,
            });
        }
        let asked = asked.borrow().clone();
        (yielded, asked, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_index_that_goes_back_starts_over() {
        let (yielded, asked, _) = follow(&[Ok((7, "a")), Ok((3, "b")), Ok((3, "b")), Ok((4, "c"))], 3).await;
        assert_eq!(yielded, [Some("a"), Some("b"), Some("c")]);
        assert_eq!(asked, [0, 7, 0, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn moves_without_news_are_swallowed_and_slowed() {
        let script: Vec<Scripted> = (1..=50).map(|index| Ok((index, "same"))).chain([Ok((51, "new"))]).collect();
        let (yielded, asked, took) = follow(&script, 2).await;
        assert_eq!(yielded, [Some("same"), Some("new")]);
        assert_eq!(asked.len(), 51);
        assert!(took >= MIN_PERIOD * 49, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn errors_back_off_and_keep_the_last_content() {
        let mut script: Vec<Scripted> = vec![Ok((5, "a"))];
        script.extend([Err(()); 10]);
        script.extend([Ok((5, "a")), Ok((6, "b"))]);
        let (yielded, asked, took) = follow(&script, 12).await;
        assert_eq!(yielded.iter().filter(|data| data.is_none()).count(), 10);
        assert_eq!(yielded.last(), Some(&Some("b")), "the same content again is no news");
        assert_eq!(asked[2..12], [0; 10]);
        assert!(took >= Duration::from_secs(20) && took <= LONGEST_PAUSE * 10, "{took:?}");
    }
}
