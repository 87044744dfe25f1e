//! How an embedded ensemble is configured; what it does is left to the engine.

use std::fmt::{self, Write as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeromaster_zookeeper::server::ServerConfig;
use zeromaster_zookeeper::{Release, SessionId};

/// How the servers of an embedded ensemble are configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmbeddedConfig {
    /// Where the servers listen, one address for each of them: so many servers there are. With port 0 the system chooses.
    pub listen: Vec<SocketAddr>,
    /// Which release the servers behave like.
    pub release: Release,
    /// `tickTime`: above zero. 2 s by default.
    pub tick: Duration,
    /// `minSessionTimeout`; two ticks when `None`.
    pub session_timeout_min: Option<Duration>,
    /// `maxSessionTimeout`; twenty ticks when `None`.
    pub session_timeout_max: Option<Duration>,
    /// `initLimit`, in ticks. 10 by default.
    pub init_limit: u32,
    /// `syncLimit`, in ticks. 5 by default.
    pub sync_limit: u32,
    /// `znode.container.checkIntervalMs`: above zero. 60 s by default.
    pub container_check: Duration,
    /// `extendedTypesEnabled`: whether nodes with a time to live may be created.
    pub extended_types: bool,
    /// `DigestAuthenticationProvider.superDigest`: whose digest may do everything. As `super:` and the hash.
    pub super_digest: Option<String>,
    /// `zookeeper.nio.sessionlessCnxnTimeout`: how long a client may take to show its handshake. 10 s by default.
    pub sessionless_timeout: Duration,
    /// The first session of the first server; those of the others follow in blocks of 2⁵⁶, which is the place of the
    /// server's number in a session. `None` takes the clock, as ZooKeeper does, so that no two runs hand out the same.
    pub first_session: Option<SessionId>,
}

impl Default for EmbeddedConfig {
    /// One server on a port of 127.0.0.1 that the system chooses, configured as ZooKeeper is when nothing is said.
    fn default() -> Self {
        let server = ServerConfig::default();
        EmbeddedConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            release: server.release,
            tick: server.tick,
            session_timeout_min: server.session_timeout_min,
            session_timeout_max: server.session_timeout_max,
            init_limit: server.init_limit,
            sync_limit: server.sync_limit,
            container_check: server.container_check,
            extended_types: server.extended_types,
            super_digest: server.super_digest,
            sessionless_timeout: Duration::from_secs(10),
            first_session: None,
        }
    }
}

/// The most servers an ensemble can have: their number has eight bits in a session.
pub const SERVERS_MAX: usize = 255;

/// Where the servers of real ensembles listen for each other by custom.
const QUORUM_PORT: u16 = 2888;
const ELECTION_PORT: u16 = 3888;

impl EmbeddedConfig {
    /// So many servers on ports of 127.0.0.1 that the system chooses.
    #[must_use]
    pub fn ensemble(servers: usize) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        EmbeddedConfig { listen: vec![anywhere; servers], ..EmbeddedConfig::default() }
    }

    /// What is wrong with the values, if anything is.
    pub(crate) fn complaint(&self) -> Option<StartError> {
        if self.listen.is_empty() || self.listen.len() > SERVERS_MAX {
            return Some(StartError::Servers(self.listen.len()));
        }
        let zero = |duration: Option<Duration>| duration.is_some_and(|duration| duration.is_zero());
        let names = [
            ("tick", Some(self.tick)),
            ("container_check", Some(self.container_check)),
            ("sessionless_timeout", Some(self.sessionless_timeout)),
            ("session_timeout_min", self.session_timeout_min),
            ("session_timeout_max", self.session_timeout_max),
        ];
        if let Some((name, _)) = names.into_iter().find(|(_, value)| zero(*value)) {
            return Some(StartError::Zero(name));
        }
        match (self.session_timeout_min, self.session_timeout_max) {
            (Some(min), Some(max)) if min > max => Some(StartError::Timeouts { min, max }),
            (Some(_), Some(_)) | (None, _) | (_, None) => None,
        }
    }

    /// What each server is told, with what a real one takes from its clock. They listen at `addresses`.
    pub(crate) fn servers(&self, now: SystemTime, addresses: &[SocketAddr]) -> Vec<ServerConfig> {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_clock_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        let phase = since_1970.as_nanos() % self.tick.as_nanos();
        let servers = u32::try_from(self.listen.len()).expect("there are at most 255 servers");
        let server = |id: u32| ServerConfig {
            id,
            servers,
            members: Some(members(addresses)),
            release: self.release,
            tick: self.tick,
            init_limit: self.init_limit,
            sync_limit: self.sync_limit,
            session_timeout_min: self.session_timeout_min,
            session_timeout_max: self.session_timeout_max,
            container_check: self.container_check,
            extended_types: self.extended_types,
            super_digest: self.super_digest.clone(),
            wall_clock_ms,
            first_session: self.first_session_of(id, wall_clock_ms),
            bucket_phase: Duration::from_nanos(u64::try_from(phase).unwrap_or(0)),
            choices: 0,
        };
        (1..=servers).map(server).collect()
    }

    /// The number of the server in the upper eight bits, the clock in the next forty, and a counter in the rest.
    fn first_session_of(&self, id: u32, wall_clock_ms: i64) -> SessionId {
        let number = |id: u32| u64::from(id) << 56;
        match self.first_session {
            Some(SessionId(first)) => SessionId(first.wrapping_add(number(id - 1))),
            None => SessionId(number(id) | (wall_clock_ms.cast_unsigned() << 24) >> 8),
        }
    }
}

/// The members of the ensemble, as `/zookeeper/config` lists them. Servers of one process have no ports for each other:
/// they are said to have the usual ones. An address that stands for all of the machine's leads nowhere from another one,
/// and is not told.
fn members(addresses: &[SocketAddr]) -> String {
    let mut text = String::new();
    for (address, number) in addresses.iter().zip(1..) {
        let host = SocketAddr::new(address.ip(), QUORUM_PORT);
        write!(text, "server.{number}={host}:{ELECTION_PORT}:participant").expect("memory can be written");
        if !address.ip().is_unspecified() {
            write!(text, ";{address}").expect("memory can be written");
        }
        text.push('\n');
    }
    text + "version=0"
}

/// Why an ensemble cannot be started.
#[derive(Debug)]
pub enum StartError {
    /// So many servers cannot be.
    Servers(usize),
    /// The least session timeout is above the greatest.
    Timeouts {
        /// The least.
        min: Duration,
        /// The greatest.
        max: Duration,
    },
    /// A time that must be above zero is not.
    Zero(&'static str),
    /// Nobody can listen at this address.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The system gives no means to wait for sockets.
    Poll(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Servers(servers) => {
                write!(f, "an ensemble of {servers} servers, expected 1 to {SERVERS_MAX}")
            }
            StartError::Timeouts { min, max } => write!(
                f,
                "the least session timeout is {min:?}, expected at most the greatest, which is {max:?}"
            ),
            StartError::Zero(name) => write!(f, "{name} is zero, expected a time above it"),
            StartError::Listen { address, error } => {
                write!(
                    f,
                    "cannot listen at {address}: {error}; take another address, or port 0 for any that is free"
                )
            }
            StartError::Poll(error) => write!(f, "cannot wait for sockets: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { error, .. } | StartError::Poll(error) => Some(error),
            StartError::Servers(_) | StartError::Timeouts { .. } | StartError::Zero(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_two_servers_and_of_two_runs_differ() {
        let config = EmbeddedConfig::ensemble(3);
        let at = |ms| config.servers(UNIX_EPOCH + Duration::from_millis(ms), &config.listen);
        let firsts: Vec<u64> =
            at(0x0102_0304_0506_0708 & 0xff_ffff_ffff).iter().map(|s| s.first_session.0).collect();
        assert_eq!(firsts, [0x0104_0506_0708_0000, 0x0204_0506_0708_0000, 0x0304_0506_0708_0000]);
        assert_ne!(at(1_700_000_000_000)[0].first_session, at(1_700_000_000_001)[0].first_session);
    }

    #[test]
    fn a_test_may_say_which_sessions_it_gets() {
        let config = EmbeddedConfig { first_session: Some(SessionId(7)), ..EmbeddedConfig::ensemble(2) };
        let servers = config.servers(SystemTime::now(), &config.listen);
        assert_eq!(servers[0].first_session, SessionId(7));
        assert_eq!(servers[1].first_session, SessionId(7 + (1 << 56)));
    }

    #[test]
    fn the_members_are_listed_with_the_addresses_that_clients_can_use() {
        let addresses =
            ["127.0.0.1:2181", "[::1]:7", "0.0.0.0:9"].map(|text| text.parse().expect("an address"));
        assert_eq!(
            members(&addresses),
            "server.1=127.0.0.1:2888:3888:participant;127.0.0.1:2181\n\
             server.2=[::1]:2888:3888:participant;[::1]:7\n\
             server.3=0.0.0.0:2888:3888:participant\n\
             version=0"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_words() {
        let check = |config: EmbeddedConfig, words: &str| {
            assert_eq!(config.complaint().map(|error| error.to_string()).as_deref(), Some(words));
        };
        check(EmbeddedConfig::ensemble(0), "an ensemble of 0 servers, expected 1 to 255");
        check(EmbeddedConfig::ensemble(256), "an ensemble of 256 servers, expected 1 to 255");
        let config = EmbeddedConfig { tick: Duration::ZERO, ..EmbeddedConfig::default() };
        check(config, "tick is zero, expected a time above it");
        let (min, max) = (Duration::from_secs(10), Duration::from_secs(1));
        let timeouts = |min, max| EmbeddedConfig {
            session_timeout_min: Some(min),
            session_timeout_max: Some(max),
            ..EmbeddedConfig::default()
        };
        check(
            timeouts(min, max),
            "the least session timeout is 10s, expected at most the greatest, which is 1s",
        );
        assert!(timeouts(max, min).complaint().is_none() && timeouts(max, max).complaint().is_none());
        assert!(EmbeddedConfig::ensemble(255).complaint().is_none());
    }
}
