//! A catalog with a clock and an index that the test moves.

use std::time::Duration;

use baton_catalog::{Applied, CatalogError, Command, KvCommand, KvVerb, Outcome, State};
use baton_consul::wire::{Base64, CheckRegistration, Node, ServiceRegistration, Session, SessionRequest, Text};
use baton_model::Nanos;

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: Duration,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self { state: State::new("dc1"), now: Duration::ZERO };
        world.node_up("n1");
        world
    }

    pub(crate) fn node_up(&mut self, name: &str) {
        self.run(Command::NodeUp(Node { node: name.into(), address: "127.0.0.1".into(), ..Node::default() }));
    }

    pub(crate) fn apply(&mut self, command: Command) -> Result<Applied, CatalogError> {
        let index = self.state.index() + 1;
        self.state.apply(command, self.now, index)
    }

    #[track_caller]
    pub(crate) fn run(&mut self, command: Command) -> Outcome {
        self.apply(command).expect("the command is valid").outcome
    }

    /// Lets time pass and does what is due.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.run(Command::Tick);
    }

    #[track_caller]
    pub(crate) fn register(&mut self, registration: ServiceRegistration) {
        self.run(Command::RegisterService {
            node: "n1".into(),
            registration: Box::new(registration),
            replace_checks: false,
        });
    }

    #[track_caller]
    pub(crate) fn session(&mut self, id: &str, request: SessionRequest) -> Session {
        match self.run(Command::CreateSession { id: id.into(), node: "n1".into(), request }) {
            Outcome::Session(session) => *session,
            other => panic!("not a session: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn kv(&mut self, verb: KvVerb, key: &str, session: &str) -> bool {
        let value = Base64(b"v".to_vec());
        let command = KvCommand { verb, key: key.into(), value, session: session.into(), ..KvCommand::default() };
        match self.run(Command::Kv(command)) {
            Outcome::Flag(flag) => flag,
            other => panic!("not a flag: {other:?}"),
        }
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let value = Base64(value.as_bytes().to_vec());
        self.run(Command::Kv(KvCommand { key: key.into(), value, ..KvCommand::default() }));
    }
}

pub(crate) fn service(name: &str, checks: Vec<CheckRegistration>) -> ServiceRegistration {
    ServiceRegistration { name: name.into(), port: 80, checks, ..ServiceRegistration::default() }
}

pub(crate) fn ttl_check(seconds: i64) -> CheckRegistration {
    CheckRegistration { ttl: Text(Nanos::secs(seconds)), ..CheckRegistration::default() }
}

pub(crate) fn http_check() -> CheckRegistration {
    let interval = Text(Nanos::secs(10));
    CheckRegistration { http: "http://127.0.0.1:1/".into(), interval, ..CheckRegistration::default() }
}
