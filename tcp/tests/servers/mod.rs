//! Servers to try the client on: the model's, and real ones where there is ZooKeeper; and a client that remembers what
//! it heard.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeromaster_conformance::raw::four_letter_word;
use zeromaster_conformance::real::{Config, Distribution, Ensemble};
use zeromaster_embedded::{Embedded, EmbeddedConfig};
use zeromaster_tcp::{
    ClientConfig, ErrorCode, Notice, Operation, Reply, SessionState, TcpClient, WatchEvent,
};
use zeromaster_zookeeper::{ANY_VERSION, Create, CreateMode, SessionId};

/// How long something is waited for that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What sessions ask for here, and get.
pub const TIMEOUT: Duration = Duration::from_millis(2000);

/// Short, so that sessions may be short.
const TICK: Duration = Duration::from_millis(200);

/// Servers, of either kind.
#[derive(Debug)]
pub enum Servers {
    /// Of the model.
    Model(Embedded),
    /// Real ones.
    Real(Ensemble),
}

/// So many servers of the model.
pub fn model(servers: usize) -> Servers {
    let embedded =
        Embedded::start(EmbeddedConfig { tick: TICK, ..EmbeddedConfig::ensemble(servers) }).unwrap();
    assert!(embedded.wait_until_serving(PATIENCE), "the model's servers do not serve");
    Servers::Model(embedded)
}

/// So many real servers.
pub fn real(distribution: &Distribution, servers: usize) -> Servers {
    let tick_time_ms = u32::try_from(TICK.as_millis()).unwrap();
    let config = Config { tick_time_ms, ..Config::default() };
    Servers::Real(match servers {
        1 => Ensemble::standalone(distribution, &config).unwrap(),
        _ => Ensemble::start(distribution, &config, servers).unwrap(),
    })
}

/// A `main` with a test for each scenario and kind of server, and for each function that needs none. Only what is named in
/// it is run: the compiler leaves out functions with the attribute `test`, as these files bring their own `main`.
macro_rules! tests {
    ($($servers:literal: $scenario:ident;)+ $(without: $test:ident;)*) => {
        fn main() -> std::process::ExitCode {
            use libtest_mimic::{Arguments, Completion, Trial};
            use zeromaster_conformance::needed::with_original;
            let trials = vec![
                $(
                    Trial::test(concat!("on_model::", stringify!($scenario)), || {
                        $scenario(servers::model($servers));
                        Ok(())
                    }),
                    with_original(concat!("on_real::", stringify!($scenario)), |distribution| {
                        $scenario(servers::real(distribution, $servers));
                        Ok(Completion::Completed)
                    }),
                )+
                $(
                    Trial::test(stringify!($test), || {
                        $test();
                        Ok(())
                    }),
                )*
            ];
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    };
}
pub(crate) use tests;

#[allow(dead_code, reason = "each file of tests needs some of it")]
impl Servers {
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Servers::Model(embedded) => embedded.addresses().to_vec(),
            Servers::Real(ensemble) => ensemble.addresses(),
        }
    }

    pub fn connect_string(&self) -> String {
        self.addresses().iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    pub fn kill(&mut self, server: usize) {
        match self {
            Servers::Model(embedded) => embedded.crash(number(server)),
            Servers::Real(ensemble) => ensemble.server_mut(server).kill(),
        }
    }

    pub fn start(&mut self, server: usize) {
        match self {
            Servers::Model(embedded) => embedded.restart(number(server)).unwrap(),
            Servers::Real(ensemble) => ensemble.server_mut(server).start().unwrap(),
        }
    }

    pub fn pause(&self, server: usize) {
        match self {
            Servers::Model(embedded) => embedded.pause(number(server)),
            Servers::Real(ensemble) => ensemble.servers()[server].pause(),
        }
    }

    pub fn resume(&self, server: usize) {
        match self {
            Servers::Model(embedded) => embedded.resume(number(server)),
            Servers::Real(ensemble) => ensemble.servers()[server].resume(),
        }
    }

    /// The servers that follow, of an ensemble of which all serve.
    pub fn followers(&self) -> Vec<usize> {
        let follows = |address: SocketAddr| {
            let answer = four_letter_word(address, "srvr", PATIENCE).unwrap();
            answer.contains("Mode: follower")
        };
        let addresses = self.addresses().into_iter().enumerate();
        addresses.filter(|(_, address)| follows(*address)).map(|(server, _)| server).collect()
    }
}

/// The model's servers are numbered from 1.
fn number(server: usize) -> u32 {
    u32::try_from(server).unwrap() + 1
}

/// A client with what it has noticed and nobody has asked for yet.
#[derive(Debug)]
pub struct Client {
    pub client: TcpClient,
    notices: Receiver<Notice>,
    heard: Vec<Notice>,
}

pub fn config() -> ClientConfig {
    ClientConfig { session_timeout: TIMEOUT, ..ClientConfig::default() }
}

#[allow(dead_code, reason = "each file of tests needs some of it")]
impl Client {
    pub fn start(connect_string: &str, config: ClientConfig) -> Client {
        let (client, notices) = TcpClient::start(connect_string, config).unwrap();
        Client { client, notices, heard: Vec::new() }
    }

    /// A client that has a session.
    pub fn connected(connect_string: &str, config: ClientConfig) -> Client {
        let mut client = Client::start(connect_string, config);
        client.session();
        client
    }

    /// Waits for the first notice that `wanted` makes something of; takes it, and leaves the others.
    #[track_caller]
    pub fn await_notice<T>(&mut self, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        let within = self.notice_within(PATIENCE, &wanted);
        within.unwrap_or_else(|| panic!("it did not come; what came: {:?}", self.heard))
    }

    /// As `await_notice`, if it comes in that time.
    pub fn notice_within<T>(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Notice) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut looked_at = 0;
        loop {
            while let Some(notice) = self.heard.get(looked_at) {
                if let Some(found) = wanted(notice) {
                    self.heard.remove(looked_at);
                    return Some(found);
                }
                looked_at += 1;
            }
            match self.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(notice) => self.heard.push(notice),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits until there is a session.
    #[track_caller]
    pub fn session(&mut self) -> SessionId {
        self.await_notice(|notice| match notice {
            Notice::State { state: SessionState::Connected { session, .. }, .. } => Some(*session),
            _ => None,
        })
    }

    /// Waits until the session is attached again; to which server, by its place.
    #[track_caller]
    pub fn reconnected(&mut self) -> (SessionId, u32) {
        self.await_notice(|notice| match notice {
            Notice::State { state: SessionState::Reconnected { session }, server } => {
                Some((*session, (*server)?))
            }
            _ => None,
        })
    }

    #[track_caller]
    pub fn state(&mut self, expected: SessionState) {
        self.await_notice(|notice| {
            matches!(notice, Notice::State { state, .. } if *state == expected).then_some(())
        });
    }

    /// Waits for an event.
    #[track_caller]
    pub fn event(&mut self) -> WatchEvent {
        self.await_notice(|notice| match notice {
            Notice::Event(event) => Some(event.clone()),
            _ => None,
        })
    }

    /// Waits for the next outcome of what was submitted.
    #[track_caller]
    pub fn completed(&mut self) -> (u64, Result<Reply, ErrorCode>) {
        self.await_notice(|notice| match notice {
            Notice::Completed { tag, result } => Some((*tag, result.clone())),
            _ => None,
        })
    }

    /// What has come since, in order, but for leases.
    pub fn since(&mut self) -> Vec<Notice> {
        self.heard.extend(self.notices.try_iter());
        self.heard.retain(|notice| !matches!(notice, Notice::Lease { .. }));
        std::mem::take(&mut self.heard)
    }

    #[track_caller]
    pub fn create(&self, path: &str, mode: CreateMode) -> String {
        let create = Create::open(path.into(), (*b"first").into(), mode);
        match self.client.call(Operation::Create(create.into())) {
            Ok(Reply::CreatedWithStat { path, .. }) => path.to_string(),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn set(&self, path: &str, data: &[u8]) {
        let result = self.client.call(set_data(path, data));
        assert!(matches!(result, Ok(Reply::DataSet { .. })), "{path}: {result:?}");
    }

    pub fn exists(&self, path: &str) -> bool {
        match self.client.call(Operation::Exists { path: path.into(), watch: false }) {
            Ok(_) => true,
            Err(ErrorCode::NoNode) => false,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    #[track_caller]
    pub fn children(&self, path: &str) -> Vec<String> {
        match self.client.call(Operation::GetChildren { path: path.into(), watch: false }) {
            Ok(Reply::Children { children }) => {
                let mut children: Vec<String> = children.iter().map(|child| child.to_string()).collect();
                children.sort_unstable();
                children
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Makes this server wait for all others, so that what they have done is read.
    #[track_caller]
    pub fn sync(&self) {
        let result = self.client.call(Operation::Sync { path: Some("/".into()) });
        assert!(matches!(result, Ok(Reply::Synced { .. })), "{result:?}");
    }
}

pub fn set_data(path: &str, data: &[u8]) -> Operation {
    Operation::SetData { path: path.into(), data: Some(data.into()), version: ANY_VERSION }
}

#[allow(dead_code, reason = "each file of tests needs some of it")]
pub fn event(kind: zeromaster_zookeeper::EventKind, path: &str) -> WatchEvent {
    WatchEvent { kind, path: path.into() }
}
