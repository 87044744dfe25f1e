//! What the four-letter words are answered, in the form in which scripts and exporters expect it from ZooKeeper.

use crate::connection::{Connection, Traffic};
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::time::Duration;
use zeromaster_zookeeper::server::Role;
use zeromaster_zookeeper::wire::FourLetterWord;
use zeromaster_zookeeper::{Server, ServerConfig};

/// What is said in place of everything else by a server that looks for a leader.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Of what is spoken.
pub(crate) struct Subject<'a> {
    pub(crate) server: &'a Server,
    pub(crate) config: &'a ServerConfig,
    pub(crate) address: SocketAddr,
    pub(crate) uptime: Duration,
    /// Of all connections, those that are closed too.
    pub(crate) traffic: Traffic,
    pub(crate) connections: Vec<&'a Connection>,
}

impl Subject<'_> {
    /// The answer to a word.
    pub(crate) fn answer(&self, word: FourLetterWord) -> String {
        let serving = self.server.is_serving();
        match word {
            FourLetterWord::Ruok => "imok".into(),
            FourLetterWord::Isro => if serving { "rw" } else { "null" }.into(),
            FourLetterWord::Envi => self.environment(),
            FourLetterWord::Gtmk => "0".into(),
            FourLetterWord::Conf
            | FourLetterWord::Cons
            | FourLetterWord::Crst
            | FourLetterWord::Dirs
            | FourLetterWord::Dump
            | FourLetterWord::Hash
            | FourLetterWord::Mntr
            | FourLetterWord::Srst
            | FourLetterWord::Srvr
            | FourLetterWord::Stat
            | FourLetterWord::Wchc
            | FourLetterWord::Wchp
            | FourLetterWord::Wchs
                if !serving =>
            {
                NOT_SERVING.into()
            }
            FourLetterWord::Conf => self.configuration(),
            FourLetterWord::Cons => format!("{}\n", self.clients(true)),
            // The figures are not started anew: what is counted here is counted from the start.
            FourLetterWord::Crst => "Connection stats reset.\n".into(),
            FourLetterWord::Srst => "Server stats reset.\n".into(),
            FourLetterWord::Dirs => "datadir_size: 0\nlogdir_size: 0\n".into(),
            FourLetterWord::Dump => self.sessions(),
            // Nothing is digested, and watches are told of in figures alone.
            FourLetterWord::Hash | FourLetterWord::Wchc | FourLetterWord::Wchp => "\n".into(),
            FourLetterWord::Mntr => self.figures(),
            FourLetterWord::Srvr => format!("{}{}", self.version_line(), self.summary()),
            FourLetterWord::Stat => {
                format!("{}Clients:\n{}\n{}", self.version_line(), self.clients(false), self.summary())
            }
            FourLetterWord::Wchs => self.watches(),
        }
    }

    fn version(&self) -> String {
        format!("{}-zeromaster-{}, in memory", self.config.release, env!("CARGO_PKG_VERSION"))
    }

    fn version_line(&self) -> String {
        format!("Zookeeper version: {}\n", self.version())
    }

    fn mode(&self) -> &'static str {
        match self.server.role() {
            _ if self.config.servers == 1 => "standalone",
            Role::Leading { .. } => "leader",
            Role::Following { .. } => "follower",
            Role::Looking => "looking",
        }
    }

    /// The original has the root under two names, and counts both.
    fn node_count(&self) -> usize {
        self.server.tree().paths().count() + 1
    }

    fn summary(&self) -> String {
        let Traffic { received, sent } = self.traffic;
        format!(
            "Latency min/avg/max: 0/0.0/0\nReceived: {received}\nSent: {sent}\nConnections: {}\nOutstanding: 0\n\
             Zxid: {}\nMode: {}\nNode count: {}\n",
            self.connections.len(),
            self.server.last_zxid(),
            self.mode(),
            self.node_count(),
        )
    }

    fn clients(&self, in_detail: bool) -> String {
        let line = |connection: &&Connection| {
            let Traffic { received, sent } = connection.traffic;
            let session = match connection.session {
                Some((session, timeout)) if in_detail => format!(",sid={session},to={}", timeout.as_millis()),
                Some(_) | None => String::new(),
            };
            format!(" /{}[1](queued=0,recved={received},sent={sent}{session})\n", connection.peer)
        };
        self.connections.iter().map(line).collect()
    }

    fn configuration(&self) -> String {
        let mut lines = Lines { separator: "=", ..Lines::default() };
        let negotiated = |asked| self.config.negotiate(asked).as_millis();
        lines.add("clientPort", self.address.port());
        lines.add("secureClientPort", -1);
        lines.add("tickTime", self.config.tick.as_millis());
        lines.add("maxClientCnxns", 0);
        lines.add("minSessionTimeout", negotiated(Duration::ZERO));
        lines.add("maxSessionTimeout", negotiated(Duration::MAX));
        lines.add("clientPortListenBacklog", -1);
        lines.add("serverId", if self.config.servers == 1 { 0 } else { self.config.id });
        if self.config.servers > 1 {
            lines.add("initLimit", self.config.init_limit);
            lines.add("syncLimit", self.config.sync_limit);
        }
        lines.text
    }

    fn environment(&self) -> String {
        let mut lines = Lines { separator: "=", text: "Environment:\n".into(), ..Lines::default() };
        lines.add("zookeeper.version", self.version());
        lines.add("host.name", self.address.ip());
        lines.add("os.name", std::env::consts::OS);
        lines.add("os.arch", std::env::consts::ARCH);
        lines.text
    }

    fn sessions(&self) -> String {
        let tree = self.server.tree();
        let mut text = "SessionTracker dump:\n".to_owned();
        for (session, timeout) in self.server.sessions() {
            writeln!(text, "{session}\t{}ms", timeout.as_millis()).expect("memory can be written");
        }
        text += "ephemeral nodes dump:\n";
        let owners: std::collections::BTreeSet<_> = tree.ephemeral_owners().collect();
        writeln!(text, "Sessions with Ephemerals ({}):", owners.len()).expect("memory can be written");
        for owner in owners {
            writeln!(text, "{owner}:").expect("memory can be written");
            for path in tree.ephemerals(owner) {
                writeln!(text, "\t{path}").expect("memory can be written");
            }
        }
        text
    }

    fn figures(&self) -> String {
        let tree = self.server.tree();
        let owners: std::collections::BTreeSet<_> = tree.ephemeral_owners().collect();
        let bytes_of = |path: &str| {
            let data = tree.stat(path).map_or(0, |stat| stat.data_length);
            path.len() + usize::try_from(data).unwrap_or(0)
        };
        let mut lines = Lines { prefix: "zk_", separator: "\t", ..Lines::default() };
        lines.add("version", self.version());
        lines.add("server_state", self.mode());
        lines.add(
            "ephemerals_count",
            owners.iter().map(|owner| tree.ephemerals(*owner).count()).sum::<usize>(),
        );
        lines.add("num_alive_connections", self.connections.len());
        lines.add("avg_latency", "0.0");
        lines.add("min_latency", 0);
        lines.add("max_latency", 0);
        lines.add("outstanding_requests", 0);
        lines.add("znode_count", self.node_count());
        lines.add("global_sessions", self.server.sessions().count());
        lines.add("local_sessions", 0);
        lines.add("packets_received", self.traffic.received);
        lines.add("packets_sent", self.traffic.sent);
        lines.add("approximate_data_size", tree.paths().map(|path| bytes_of(path)).sum::<usize>());
        lines.add("uptime", self.uptime.as_millis());
        if let (Role::Leading { .. }, 2..) = (self.server.role(), self.config.servers) {
            lines.add("quorum_size", self.config.servers);
        }
        lines.text
    }

    fn watches(&self) -> String {
        "0 connections watching 0 paths\nTotal watches:0\n".into()
    }
}

/// Names with their values, one in each line.
#[derive(Default)]
struct Lines {
    prefix: &'static str,
    separator: &'static str,
    text: String,
}

impl Lines {
    fn add(&mut self, name: &str, value: impl Display) {
        let Lines { prefix, separator, text } = self;
        writeln!(text, "{prefix}{name}{separator}{value}").expect("memory can be written");
    }
}
