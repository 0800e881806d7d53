//! Clients that keep asking: every answer is looked at, every failure is kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use baton_testkit::eventually;

use crate::world::{HOST, LIMIT};

/// Between two requests of one client: leaves the processor to the others.
const PAUSE: Duration = Duration::from_millis(2);
/// An answer that takes longer has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A test that fails shows this many failures.
const SHOWN: usize = 10;

/// Clients with one connection each.
pub struct Clients {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
    started: Instant,
}

impl Clients {
    /// `each` clients for every proxy.
    pub fn start(proxies: &[SocketAddr], each: usize) -> Self {
        Self::with(proxies, each, true)
    }

    /// With another connection for every request.
    pub fn start_closing(proxies: &[SocketAddr], each: usize) -> Self {
        Self::with(proxies, each, false)
    }

    fn with(proxies: &[SocketAddr], each: usize, keep: bool) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = proxies
            .iter()
            .flat_map(|proxy| std::iter::repeat_n(*proxy, each))
            .map(|proxy| {
                let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
                std::thread::spawn(move || ask_until(proxy, keep, &stop, &answers))
            })
            .collect();
        let clients = Self { stop, answers, threads, started: Instant::now() };
        clients.await_answers(1);
        clients
    }

    /// Waits for so many further answers.
    #[track_caller]
    pub fn await_answers(&self, count: u64) {
        let goal = self.answers.load(Ordering::Relaxed) + count;
        eventually("answers", LIMIT, || match self.answers.load(Ordering::Relaxed) {
            answers if answers >= goal => Ok(()),
            answers => Err(answers),
        });
    }

    /// Goes on until it has run for [`full_time`].
    pub fn full_time(&self) {
        while self.started.elapsed() < full_time() {
            self.await_answers(1);
        }
    }

    /// Ends all clients: not one request may have failed.
    #[track_caller]
    pub fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let failures: Vec<String> = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let answers = self.answers.load(Ordering::Relaxed);
        let shown = &failures[..failures.len().min(SHOWN)];
        eprintln!("{} of {answers} requests failed", failures.len());
        assert!(failures.is_empty(), "{} of {answers} requests failed: {shown:#?}", failures.len());
        answers
    }
}

/// How long a load story takes: 10 s, 30 s with `BATON_TEST_LONG=1`.
pub fn full_time() -> Duration {
    let long = std::env::var("BATON_TEST_LONG").is_ok_and(|value| value == "1");
    Duration::from_secs(if long { 30 } else { 10 })
}

fn ask_until(proxy: SocketAddr, keep: bool, stop: &AtomicBool, answers: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut connection = None;
    let started = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match ask(proxy, &mut connection) {
            Ok(()) if keep => {}
            Ok(()) => connection = None,
            Err(failure) => {
                connection = None;
                failures.push(format!("{proxy} after {:?}: {failure}", started.elapsed()));
            }
        }
        answers.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
    failures
}

fn ask(proxy: SocketAddr, connection: &mut Option<BufReader<TcpStream>>) -> Result<(), String> {
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let stream = match connection.take() {
        Some(open) => connection.insert(open),
        None => {
            let stream = TcpStream::connect(proxy).map_err(told("connect"))?;
            stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(told("timeout"))?;
            connection.insert(BufReader::new(stream))
        }
    };
    let request = format!("GET /load HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).map_err(told("write"))?;
    let mut line = String::new();
    stream.read_line(&mut line).map_err(told("status line"))?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(format!("status line {line:?}"));
    }
    let (mut length, mut closes) = (None, false);
    loop {
        line.clear();
        stream.read_line(&mut line).map_err(told("headers"))?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        closes |= header == "connection: close";
    }
    let mut body = vec![0; length.ok_or("no content-length")?];
    stream.read_exact(&mut body).map_err(told("body"))?;
    if !body.starts_with(b"Name: ") {
        return Err(format!("body {:?}", String::from_utf8_lossy(&body)));
    }
    if closes {
        *connection = None;
    }
    Ok(())
}
