//! The keeper as async code sees it: calls, and the state of each task as a watch.
//!
//! One connection, made anew whenever it breaks; a keeper that is gone is started again. After each connection the whole
//! state is taken over, so that no end of a task is missed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_keeper::protocol::{
    Call, Decoder, EventKind, Exit, Message, PROTOCOL_VERSION, Phase, Reply, Request, StartSpec, TaskInfo, encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::KeeperConfig;

/// Calls that wait for the connection.
const CALLS_MAX: usize = 256;
/// How long a call waits for a keeper that is away.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// How long a keeper may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(200);

/// Why the keeper did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeeperCallError {
    #[error("{0}")]
    Refused(String),
    #[error("the keeper did not answer within {0:?}")]
    Silent(Duration),
}

/// A handle for all allocations of this node.
#[derive(Clone)]
pub(crate) struct Keeper {
    calls: mpsc::Sender<Pending>,
    tasks: Arc<Tasks>,
}

struct Pending {
    request: Request,
    answer: oneshot::Sender<Result<Reply, KeeperCallError>>,
}

type TaskWatch = watch::Sender<Option<TaskInfo>>;

/// Every task that somebody watches or the keeper has named.
#[derive(Default)]
struct Tasks {
    watches: Mutex<HashMap<String, TaskWatch>>,
    /// True once the keeper's first list is in.
    known: watch::Sender<bool>,
}

impl Keeper {
    /// Connects in the background.
    pub(crate) fn connect(config: KeeperConfig) -> Self {
        let (calls, pending) = mpsc::channel(CALLS_MAX);
        let tasks = Arc::new(Tasks::default());
        let connection =
            Connection { config, pending, tasks: tasks.clone(), open: HashMap::new(), next_id: 0, ending: false };
        tokio::spawn(connection.run());
        Self { calls, tasks }
    }

    /// Waits until the keeper has said which tasks there are.
    pub(crate) async fn known(&self) {
        let mut known = self.tasks.known.subscribe();
        let _ = known.wait_for(|known| *known).await;
    }

    /// The task's state now and from now on; `None` when the keeper does not know it.
    pub(crate) fn watch(&self, key: &str) -> watch::Receiver<Option<TaskInfo>> {
        self.tasks.lock().entry(key.to_owned()).or_default().subscribe()
    }

    /// Keys of all tasks that the keeper has.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.tasks.lock().iter().filter(|(_, watch)| watch.borrow().is_some()).map(|(key, _)| key.clone()).collect()
    }

    pub(crate) async fn start(&self, spec: StartSpec) -> Result<TaskInfo, KeeperCallError> {
        match self.call(Request::Start(Box::new(spec))).await? {
            // Its events came before this answer, and later ones may have come since: the answer is no news.
            Reply::Task(task) => Ok(*task),
            other => Err(KeeperCallError::Refused(format!("unexpected answer {other:?}"))),
        }
    }

    pub(crate) async fn signal(&self, key: &str, signal: i32) -> Result<(), KeeperCallError> {
        self.call(Request::Signal { key: key.to_owned(), signal, group: false }).await.map(|_| ())
    }

    /// To the task's whole group: its program may run behind a script.
    pub(crate) async fn signal_group(&self, key: &str, signal: i32) -> Result<(), KeeperCallError> {
        self.call(Request::Signal { key: key.to_owned(), signal, group: true }).await.map(|_| ())
    }

    pub(crate) async fn stop(&self, key: &str, signal: i32, timeout: Duration) -> Result<(), KeeperCallError> {
        let timeout_ms = timeout.as_millis() as u64;
        self.call(Request::Stop { key: key.to_owned(), signal, timeout_ms, group: false }).await.map(|_| ())
    }

    pub(crate) async fn forget(&self, key: &str) -> Result<(), KeeperCallError> {
        self.call(Request::Forget { key: key.to_owned() }).await.map(|_| ())
    }

    /// Ends the keeper with everything it has; returns once it is gone. Nothing can be asked of it afterwards.
    pub(crate) async fn end(&self) {
        let ended = async {
            if self.call(Request::Shutdown { end_tasks: true }).await.is_ok() {
                self.calls.closed().await;
            }
        };
        if tokio::time::timeout(END_LIMIT, ended).await.is_err() {
            tracing::error!("the keeper has not ended within {END_LIMIT:?}");
        }
    }

    async fn call(&self, request: Request) -> Result<Reply, KeeperCallError> {
        let silent = || KeeperCallError::Silent(CALL_LIMIT);
        let exchange = async {
            loop {
                let (answer, reply) = oneshot::channel();
                self.calls.send(Pending { request: request.clone(), answer }).await.map_err(|_| silent())?;
                // A dropped answer means that the connection broke: requests may be repeated safely.
                if let Ok(reply) = reply.await {
                    return reply;
                }
            }
        };
        tokio::time::timeout(CALL_LIMIT, exchange).await.unwrap_or_else(|_| Err(silent()))
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, TaskWatch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, task: TaskInfo) {
        let mut watches = self.lock();
        watches.entry(task.key.clone()).or_default().send_if_modified(|known| {
            // An older incarnation or an end taken back is never news.
            let stale = known.as_ref().is_some_and(|known| {
                known.incarnation > task.incarnation
                    || (known.incarnation == task.incarnation && known.exit().is_some() && task.exit().is_none())
            });
            let changed = !stale && known.as_ref() != Some(&task);
            if changed {
                *known = Some(task);
            }
            changed
        });
    }

    fn remove(&self, key: &str) {
        let mut watches = self.lock();
        if let Some(watch) = watches.get(key) {
            watch.send_replace(None);
            if watch.receiver_count() == 0 {
                watches.remove(key);
            }
        }
    }

    /// The whole truth after a connection: what is not in it is gone.
    fn replace(&self, tasks: Vec<TaskInfo>) {
        let mut now: BTreeMap<String, TaskInfo> = tasks.into_iter().map(|task| (task.key.clone(), task)).collect();
        for (key, watch) in self.lock().iter() {
            if let Some(known) = watch.borrow().clone()
                && !now.contains_key(key)
                && known.exit().is_none()
            {
                let reason = "the keeper lost its journal: the exit code is unknown".to_owned();
                let exit = Exit { code: None, signal: None, reason };
                now.insert(key.clone(), TaskInfo { phase: Phase::Exited(exit), ..known });
            }
        }
        for task in now.into_values() {
            self.set(task);
        }
        self.known.send_replace(true);
    }
}

struct Connection {
    config: KeeperConfig,
    pending: mpsc::Receiver<Pending>,
    tasks: Arc<Tasks>,
    open: HashMap<u64, oneshot::Sender<Result<Reply, KeeperCallError>>>,
    next_id: u64,
    /// The keeper was told to end: it is not started again.
    ending: bool,
}

impl Connection {
    async fn run(mut self) {
        loop {
            match self.establish().await {
                Ok(stream) => {
                    let began = tokio::time::Instant::now();
                    let served = self.serve(stream).await;
                    if self.ending {
                        return;
                    }
                    if let Err(reason) = served {
                        tracing::warn!(%reason, "the connection to the keeper broke");
                        if began.elapsed() < RETRY {
                            tokio::time::sleep(RETRY).await;
                        }
                    } else {
                        return;
                    }
                }
                Err(reason) => {
                    tracing::warn!(%reason, "no keeper");
                    tokio::time::sleep(RETRY).await;
                }
            }
            self.open.clear();
        }
    }

    async fn establish(&self) -> Result<UnixStream, String> {
        let config = self.config.clone();
        // Starting a keeper takes a process and some waiting.
        let up = tokio::task::spawn_blocking(move || {
            baton_keeper::launch::connect_or_start(&config.socket, || (config.command)(), &config.log).map(|_| ())
        });
        up.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        UnixStream::connect(&self.config.socket).await.map_err(|error| error.to_string())
    }

    /// `Ok` when nobody needs the keeper any more.
    async fn serve(&mut self, mut stream: UnixStream) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut decoder = Decoder::default();
        let mut buffer = vec![0u8; 64 << 10];
        for request in [Request::Hello { version: PROTOCOL_VERSION }, Request::Subscribe] {
            self.next_id += 1;
            let frame = encode(&Call { id: self.next_id, request }).map_err(|error| text(&error))?;
            stream.write_all(&frame).await.map_err(|error| text(&error))?;
        }
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => {
                    let count = read.map_err(|error| text(&error))?;
                    if count == 0 {
                        return Err("closed by the keeper".to_owned());
                    }
                    decoder.push(&buffer[..count]);
                    while let Some(message) = decoder.message::<Message>().map_err(|error| text(&error))? {
                        self.message(message)?;
                    }
                }
                pending = self.pending.recv() => {
                    let Some(Pending { request, answer }) = pending else { return Ok(()) };
                    self.next_id += 1;
                    self.ending |= matches!(request, Request::Shutdown { end_tasks: true });
                    match encode(&Call { id: self.next_id, request }) {
                        Ok(frame) => {
                            self.open.insert(self.next_id, answer);
                            stream.write_all(&frame).await.map_err(|error| text(&error))?;
                        }
                        Err(error) => drop(answer.send(Err(KeeperCallError::Refused(error.to_string())))),
                    }
                }
            }
        }
    }

    fn message(&mut self, message: Message) -> Result<(), String> {
        match message {
            Message::Event(event) if event.kind == EventKind::Forgotten => self.tasks.remove(&event.task.key),
            Message::Event(event) => self.tasks.set(event.task),
            Message::Reply { id, reply } => match (self.open.remove(&id), reply) {
                (Some(answer), Reply::Refused(reason)) => drop(answer.send(Err(KeeperCallError::Refused(reason)))),
                (Some(answer), reply) => drop(answer.send(Ok(reply))),
                (None, Reply::Tasks(tasks)) => self.tasks.replace(tasks),
                (None, Reply::Refused(reason)) => return Err(reason),
                (None, _) => {}
            },
        }
        Ok(())
    }
}
