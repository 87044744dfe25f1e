//! What the four-letter words are answered, in the form in which scripts and exporters expect it from ZooKeeper.

use crate::connection::Connection;
use crate::figures::{Figures, Traffic};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_zookeeper::server::Role;
use zeromaster_zookeeper::wire::FourLetterWord;
use zeromaster_zookeeper::{Server, ServerConfig, SessionId};

/// What a real server traces if it is not told otherwise (`ZooTrace.getTextTraceLevel`). Nothing is traced here.
const TRACE_MASK: &str = "306";

/// What is said in place of everything else by a server that looks for a leader.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Of what is spoken.
pub(crate) struct Subject<'a> {
    pub(crate) server: &'a Server,
    pub(crate) config: &'a ServerConfig,
    pub(crate) address: SocketAddr,
    pub(crate) uptime: Duration,
    pub(crate) figures: &'a Figures,
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
            FourLetterWord::Gtmk => TRACE_MASK.into(),
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
            // The engine has done so.
            FourLetterWord::Crst => "Connection stats reset.\n".into(),
            FourLetterWord::Srst => "Server stats reset.\n".into(),
            FourLetterWord::Dirs => "datadir_size: 0\nlogdir_size: 0\n".into(),
            FourLetterWord::Dump => self.sessions(),
            // As with a server that makes no digests (`zookeeper.digest.enabled=false`).
            FourLetterWord::Hash => String::new(),
            FourLetterWord::Wchc => self.watches_by_session(),
            FourLetterWord::Wchp => self.watches_by_path(),
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
        self.server.tree().len() + 1
    }

    fn summary(&self) -> String {
        let Figures { traffic: Traffic { received, sent }, latency, .. } = self.figures;
        format!(
            "Latency min/avg/max: {}/{}/{}\nReceived: {received}\nSent: {sent}\nConnections: {}\nOutstanding: {}\n\
             Zxid: {}\nMode: {}\nNode count: {}\n",
            latency.min(),
            latency.average(),
            latency.max(),
            self.connections.len(),
            self.server.outstanding(),
            self.server.visible_zxid(),
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
            lines.add("peerType", 0);
            lines.text += "membership: \n";
            lines.text += self.config.members.as_deref().unwrap_or_default();
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
        let owners: BTreeSet<_> = tree.ephemeral_owners().collect();
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
        let owners: BTreeSet<_> = tree.ephemeral_owners().collect();
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
        let Figures { traffic: Traffic { received, sent }, latency, .. } = self.figures;
        lines.add("avg_latency", latency.average());
        lines.add("min_latency", latency.min());
        lines.add("max_latency", latency.max());
        lines.add("outstanding_requests", self.server.outstanding());
        lines.add("znode_count", self.node_count());
        lines.add("global_sessions", self.server.sessions().count());
        lines.add("local_sessions", 0);
        lines.add("packets_received", received);
        lines.add("packets_sent", sent);
        lines.add("watch_count", self.server.watch_count());
        lines.add("approximate_data_size", tree.paths().map(|path| bytes_of(path)).sum::<usize>());
        lines.add("uptime", self.uptime.as_millis());
        if self.config.servers > 1 {
            lines.add("quorum_size", self.config.servers);
        }
        if let Some(followers) = self.server.synced_followers() {
            lines.add("synced_followers", followers);
        }
        lines.text
    }

    /// Of data alone, as `WatchManager` lists them: `DataTree.dumpWatches` leaves out those of children.
    fn watches(&self) -> String {
        let (mut sessions, mut paths, mut watches) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (path, session) in self.server.data_watches() {
            sessions.insert(session);
            paths.insert(path);
            watches += 1;
        }
        let (sessions, paths) = (sessions.len(), paths.len());
        format!("{sessions} connections watching {paths} paths\nTotal watches:{watches}\n")
    }

    fn watches_by_session(&self) -> String {
        let mut paths_of = BTreeMap::<SessionId, Vec<&Arc<str>>>::new();
        for (path, session) in self.server.data_watches() {
            paths_of.entry(session).or_default().push(path);
        }
        listing(paths_of)
    }

    fn watches_by_path(&self) -> String {
        let mut sessions_of = BTreeMap::<&Arc<str>, Vec<SessionId>>::new();
        for (path, session) in self.server.data_watches() {
            sessions_of.entry(path).or_default().push(session);
        }
        listing(sessions_of)
    }
}

/// Each key on a line, and what belongs to it on lines below.
fn listing<K: Display, V: Display>(entries: BTreeMap<K, Vec<V>>) -> String {
    let mut text = String::new();
    for (key, values) in entries {
        writeln!(text, "{key}").expect("memory can be written");
        for value in values {
            writeln!(text, "\t{value}").expect("memory can be written");
        }
    }
    text + "\n"
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
