//! A blocking client of the keeper.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::KeeperError;
use crate::protocol::{Call, Decoder, Event, Message, PROTOCOL_VERSION, Reply, Request, StartSpec, TaskInfo, encode};

/// A keeper that does not greet within this time hangs.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    decoder: Decoder,
    events: VecDeque<Event>,
    next_id: u64,
    /// The keeper's process.
    pub keeper_pid: i32,
}

/// Changes after [`Client::subscribe`]; ends with an error when the keeper goes away.
#[derive(Debug)]
pub struct Events {
    client: Client,
}

impl Client {
    pub fn connect(socket: &Path) -> Result<Self, KeeperError> {
        let stream = UnixStream::connect(socket)
            .map_err(|source| KeeperError::Unreachable { path: socket.to_owned(), source })?;
        let timed = KeeperError::io("cannot set a time limit");
        stream.set_read_timeout(Some(HELLO_LIMIT)).map_err(timed)?;
        let mut client =
            Self { stream, decoder: Decoder::default(), events: VecDeque::new(), next_id: 0, keeper_pid: 0 };
        match client.call(Request::Hello { version: PROTOCOL_VERSION })? {
            Reply::Hello { version: PROTOCOL_VERSION, pid } => client.keeper_pid = pid,
            Reply::Hello { version, .. } => {
                return Err(KeeperError::ProtocolVersion { found: version, known: PROTOCOL_VERSION });
            }
            other => return Err(unexpected(&other)),
        }
        client.stream.set_read_timeout(None).map_err(KeeperError::io("cannot lift the time limit"))?;
        Ok(client)
    }

    pub fn start(&mut self, spec: StartSpec) -> Result<TaskInfo, KeeperError> {
        match self.call(Request::Start(Box::new(spec)))? {
            Reply::Task(task) => Ok(*task),
            other => Err(unexpected(&other)),
        }
    }

    pub fn signal(&mut self, key: &str, signal: i32, group: bool) -> Result<(), KeeperError> {
        self.done(Request::Signal { key: key.to_owned(), signal, group })
    }

    pub fn stop(&mut self, key: &str, signal: i32, timeout_ms: u64) -> Result<(), KeeperError> {
        self.done(Request::Stop { key: key.to_owned(), signal, timeout_ms, group: false })
    }

    pub fn forget(&mut self, key: &str) -> Result<(), KeeperError> {
        self.done(Request::Forget { key: key.to_owned() })
    }

    pub fn list(&mut self) -> Result<Vec<TaskInfo>, KeeperError> {
        match self.call(Request::List)? {
            Reply::Tasks(tasks) => Ok(tasks),
            other => Err(unexpected(&other)),
        }
    }

    pub fn upgrade(&mut self, program: &Path) -> Result<(), KeeperError> {
        self.done(Request::Upgrade { program: program.to_owned() })
    }

    pub fn shutdown(&mut self, end_tasks: bool) -> Result<(), KeeperError> {
        self.done(Request::Shutdown { end_tasks })
    }

    /// The tasks now, and everything that changes from now on.
    pub fn subscribe(mut self) -> Result<(Vec<TaskInfo>, Events), KeeperError> {
        match self.call(Request::Subscribe)? {
            Reply::Tasks(tasks) => Ok((tasks, Events { client: self })),
            other => Err(unexpected(&other)),
        }
    }

    fn done(&mut self, request: Request) -> Result<(), KeeperError> {
        match self.call(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn call(&mut self, request: Request) -> Result<Reply, KeeperError> {
        self.next_id += 1;
        let id = self.next_id;
        self.stream
            .write_all(&encode(&Call { id, request })?)
            .map_err(KeeperError::io("cannot write to the keeper"))?;
        loop {
            match self.next()? {
                Message::Reply { id: answered, reply: Reply::Refused(reason) } if answered == id => {
                    return Err(KeeperError::Refused(reason));
                }
                Message::Reply { id: answered, reply } if answered == id => return Ok(reply),
                Message::Reply { .. } => {}
                Message::Event(event) => self.events.push_back(event),
            }
        }
    }

    fn next(&mut self) -> Result<Message, KeeperError> {
        let mut buffer = [0u8; 16 << 10];
        loop {
            if let Some(message) = self.decoder.message()? {
                return Ok(message);
            }
            let count = self.stream.read(&mut buffer).map_err(KeeperError::io("cannot read from the keeper"))?;
            if count == 0 {
                return Err(KeeperError::Io {
                    what: "the keeper closed the connection",
                    source: std::io::ErrorKind::UnexpectedEof.into(),
                });
            }
            self.decoder.push(&buffer[..count]);
        }
    }
}

impl Events {
    /// Waits for the next change.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Event, KeeperError> {
        loop {
            if let Some(event) = self.client.events.pop_front() {
                return Ok(event);
            }
            if let Message::Event(event) = self.client.next()? {
                return Ok(event);
            }
        }
    }
}

fn unexpected(reply: &Reply) -> KeeperError {
    KeeperError::Protocol(format!("unexpected answer {reply:?}"))
}
