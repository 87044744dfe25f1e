//! The original: finds Java and ZooKeeper's jars, and starts a server or an ensemble of them. Talking to them is left to
//! `raw`.

use crate::process::{Directory, Process};
use crate::raw::four_letter_word;
use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The variable that names a directory with the jars of another version.
pub const JARS_VARIABLE: &str = "ZOOKEEPER_JARS";

/// Where Debian's package puts its jar; the manifest names the others.
const DEBIAN_JAR: &str = "/usr/share/java/zookeeper.jar";

/// Debian's package lacks a binding for its log; without one it says nothing.
const DEBIAN_LOG_JAR: &str = "/usr/share/java/slf4j-simple.jar";

/// A server that does not serve after this time never will.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one question to a starting server may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait between two questions.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// How often a start is tried again when somebody else took a port first.
const PORT_ATTEMPTS: u32 = 5;

/// Why there is no real server here, and how to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    reason: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; to have ZooKeeper here: `apt-get install zookeeper default-jre-headless` (Debian, version 3.8.0), or \
             set {JARS_VARIABLE} to a directory with the jars of another version",
            self.reason
        )
    }
}

impl std::error::Error for Absent {}

/// ZooKeeper as it is installed: what Java needs to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    class_path: String,
}

impl Distribution {
    /// Debian's package `zookeeper`.
    ///
    /// # Errors
    ///
    /// If it or Java is not installed.
    pub fn debian() -> Result<Distribution, Absent> {
        if !Path::new(DEBIAN_JAR).exists() {
            return Err(Absent { reason: format!("there is no {DEBIAN_JAR}") });
        }
        let log = if Path::new(DEBIAN_LOG_JAR).exists() { DEBIAN_LOG_JAR } else { "" };
        Distribution::with_java(format!("{DEBIAN_JAR}:{log}"))
    }

    /// The jars in a directory: ZooKeeper's own and all that it needs.
    ///
    /// # Errors
    ///
    /// If there is no such jar, or no Java.
    pub fn in_directory(directory: &Path) -> Result<Distribution, Absent> {
        let names = fs::read_dir(directory)
            .map_err(|error| Absent { reason: format!("cannot read {}: {error}", directory.display()) })?;
        let is_server = |name: &str| name.starts_with("zookeeper-") && name.ends_with(".jar");
        if !names.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_server)) {
            let reason = format!("there is no zookeeper-….jar in {}", directory.display());
            return Err(Absent { reason });
        }
        Distribution::with_java(format!("{}/*", directory.display()))
    }

    /// The directory in the environment's `ZOOKEEPER_JARS`; without it, Debian's package.
    ///
    /// # Errors
    ///
    /// If there is no ZooKeeper, or no Java.
    pub fn from_environment() -> Result<Distribution, Absent> {
        match std::env::var_os(JARS_VARIABLE) {
            Some(directory) => Distribution::in_directory(Path::new(&directory)),
            None => Distribution::debian(),
        }
    }

    fn with_java(class_path: String) -> Result<Distribution, Absent> {
        let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match java {
            Ok(status) if status.success() => Ok(Distribution { class_path }),
            Ok(_) | Err(_) => Err(Absent { reason: "there is no `java` that runs".to_owned() }),
        }
    }
}

/// How a server is set up. `None` leaves ZooKeeper's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `tickTime`, in milliseconds.
    pub tick_time_ms: u32,
    /// `minSessionTimeout`, in milliseconds.
    pub min_session_timeout_ms: Option<u32>,
    /// `maxSessionTimeout`, in milliseconds.
    pub max_session_timeout_ms: Option<u32>,
    /// `initLimit`, in ticks; only ensembles have it.
    pub init_limit: u32,
    /// `syncLimit`, in ticks; only ensembles have it.
    pub sync_limit: u32,
    /// `znode.container.checkIntervalMs`.
    pub container_check_interval_ms: Option<u32>,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`, as `super:` and the hash in base 64.
    pub super_digest: Option<String>,
    /// `jute.maxbuffer`, in bytes.
    pub jute_max_buffer: Option<u32>,
    /// Further lines of the configuration file, as `key=value`.
    pub lines: Vec<String>,
    /// Further system properties, as `name=value`.
    pub system_properties: Vec<String>,
}

impl Default for Config {
    /// ZooKeeper's defaults.
    fn default() -> Config {
        Config {
            tick_time_ms: 2000,
            min_session_timeout_ms: None,
            max_session_timeout_ms: None,
            init_limit: 10,
            sync_limit: 5,
            container_check_interval_ms: None,
            super_digest: None,
            jute_max_buffer: None,
            lines: Vec::new(),
            system_properties: Vec::new(),
        }
    }
}

impl Config {
    /// The configuration file of one server; `peers` is empty for a standalone server.
    fn file(&self, data: &Path, port: u16, peers: &[Ports]) -> String {
        let mut lines = vec![
            format!("tickTime={}", self.tick_time_ms),
            format!("dataDir={}", data.display()),
            "clientPortAddress=127.0.0.1".to_owned(),
            format!("clientPort={port}"),
            "admin.enableServer=false".to_owned(),
            "4lw.commands.whitelist=*".to_owned(),
            "maxClientCnxns=0".to_owned(),
            "extendedTypesEnabled=true".to_owned(),
        ];
        lines.extend(self.min_session_timeout_ms.map(|ms| format!("minSessionTimeout={ms}")));
        lines.extend(self.max_session_timeout_ms.map(|ms| format!("maxSessionTimeout={ms}")));
        if !peers.is_empty() {
            lines.push(format!("initLimit={}", self.init_limit));
            lines.push(format!("syncLimit={}", self.sync_limit));
            lines.push("standaloneEnabled=false".to_owned());
            lines.extend((1..).zip(peers).map(|(id, ports)| {
                format!("server.{id}=127.0.0.1:{}:{}:participant", ports.quorum, ports.election)
            }));
        }
        lines.extend(self.lines.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn java(&self, distribution: &Distribution, file: &Path) -> Command {
        let mut java = Command::new("java");
        // Small, quick to start; files are not forced to the disk, since only processes are killed here, not machines.
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=1024"]);
        let container = self.container_check_interval_ms;
        java.args(container.map(|ms| format!("-Dznode.container.checkIntervalMs={ms}")));
        let digest = self.super_digest.as_ref();
        java.args(digest.map(|it| format!("-Dzookeeper.DigestAuthenticationProvider.superDigest={it}")));
        java.args(self.jute_max_buffer.map(|bytes| format!("-Djute.maxbuffer={bytes}")));
        java.args(self.system_properties.iter().map(|property| format!("-D{property}")));
        java.arg("-cp").arg(&distribution.class_path);
        java.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(file);
        java
    }
}

/// A server could not be started, with what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    what: String,
    log: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.log.is_empty() { Ok(()) } else { write!(f, "; the last it said:\n{}", self.log) }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError { what: format!("cannot start a server: {error}"), log: String::new() }
    }
}

/// Which part a server plays, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is alone.
    Standalone,
    /// It leads the ensemble.
    Leader,
    /// It follows the leader.
    Follower,
}

/// One server: a process that can be killed and started again with what it had on its disk.
#[derive(Debug)]
pub struct Server {
    command: CommandLine,
    address: SocketAddr,
    directory: PathBuf,
    process: Option<Process>,
}

impl Server {
    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process' id, if it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills the process without a warning (SIGKILL). What is on its disk stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the process, if it does not run, without waiting for it to serve.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(&mut self) -> Result<(), StartError> {
        if self.process.is_none() {
            self.process = Some(Process::start(&mut self.command.build(), &self.log_path())?);
        }
        Ok(())
    }

    /// Stops the process where it stands (SIGSTOP): connections stay open and silent.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.pause();
        }
    }

    /// Lets a paused process go on (SIGCONT).
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// The part it plays, or `None` while it does not serve.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match word_after(&self.srvr()?, "Mode:")?.as_str() {
            "standalone" => Some(Mode::Standalone),
            "leader" => Some(Mode::Leader),
            "follower" => Some(Mode::Follower),
            _ => None,
        }
    }

    /// The version that it says it is, like `3.8.0`; `None` while it does not serve.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let word = word_after(&self.srvr()?, "Zookeeper version:")?;
        word.split(['-', ',']).next().map(str::to_owned)
    }

    /// Waits until it serves.
    ///
    /// # Errors
    ///
    /// If it ends, or does not serve in time.
    pub fn wait_until_serving(&mut self) -> Result<Mode, StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(mode) = self.mode() {
                return Ok(mode);
            }
            let running = self.process.as_mut().is_some_and(Process::is_running);
            if !running || Instant::now() > deadline {
                let what =
                    if running { "a server did not serve in time" } else { "a server ended by itself" };
                return Err(StartError { what: what.to_owned(), log: self.last_log_lines() });
            }
            thread::sleep(PROBE_INTERVAL);
        }
    }

    /// The end of what it has printed.
    #[must_use]
    pub fn last_log_lines(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn srvr(&self) -> Option<String> {
        self.process.as_ref()?;
        four_letter_word(self.address, "srvr", PROBE_TIMEOUT).ok()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("output.log")
    }
}

/// A command line that can be started again.
#[derive(Clone, Debug)]
enum CommandLine {
    Real(Box<Config>, Distribution, PathBuf),
    Shell(String),
}

impl CommandLine {
    fn build(&self) -> Command {
        match self {
            CommandLine::Real(config, distribution, file) => config.java(distribution, file),
            CommandLine::Shell(line) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("exec {line}"));
                shell
            }
        }
    }
}

/// Servers that belong together: one alone, or several that elect a leader. Dropping it kills them and removes what they
/// wrote.
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<Server>,
    // After the servers, so that it is removed after they are dead.
    _directory: Directory,
}

impl Ensemble {
    /// Starts one real server that is alone, and waits until it serves.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn standalone(distribution: &Distribution, config: &Config) -> Result<Ensemble, StartError> {
        attempts(|| Ensemble::start_once(distribution, config, 1, false))
    }

    /// Starts real servers that elect a leader, and waits until all of them serve.
    ///
    /// # Errors
    ///
    /// If one of them cannot be started.
    pub fn start(
        distribution: &Distribution,
        config: &Config,
        servers: usize,
    ) -> Result<Ensemble, StartError> {
        attempts(|| Ensemble::start_once(distribution, config, servers, true))
    }

    /// Starts any server by a shell's command line, in which `{port}` stands for the port it is to listen on and
    /// `{directory}` for a directory of its own; waits until it answers `srvr`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn by_command(line: &str) -> Result<Ensemble, StartError> {
        attempts(|| {
            let directory = Directory::create()?;
            let port = free_ports(1)?[0];
            let line = line
                .replace("{port}", &port.to_string())
                .replace("{directory}", &directory.path().display().to_string());
            let server = Server {
                command: CommandLine::Shell(line),
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                directory: directory.path().to_owned(),
                process: None,
            };
            Ensemble { servers: vec![server], _directory: directory }.serving()
        })
    }

    /// The servers, in the order of their numbers in the configuration.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// One of the servers, to do something to it.
    ///
    /// # Panics
    ///
    /// If there is no such server.
    pub fn server_mut(&mut self, index: usize) -> &mut Server {
        &mut self.servers[index]
    }

    /// Where clients connect, for each server.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// Which server leads, by its own word.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        self.servers.iter().position(|server| server.mode() == Some(Mode::Leader))
    }

    /// Waits until some server says that it leads, at most `timeout`. A leader that has just been killed no longer says so,
    /// but its followers may go on following it for a moment.
    #[must_use]
    pub fn wait_for_leader(&self, timeout: Duration) -> Option<usize> {
        let deadline = Instant::now() + timeout;
        loop {
            let leader = self.leader();
            if leader.is_some() || Instant::now() > deadline {
                return leader;
            }
            thread::sleep(PROBE_INTERVAL);
        }
    }

    fn start_once(
        distribution: &Distribution,
        config: &Config,
        count: usize,
        quorum: bool,
    ) -> Result<Ensemble, StartError> {
        let directory = Directory::create()?;
        let free = free_ports(3 * count)?;
        let ports: Vec<Ports> = free
            .chunks_exact(3)
            .map(|three| Ports { client: three[0], quorum: three[1], election: three[2] })
            .collect();
        let peers = if quorum { ports.as_slice() } else { &[] };
        let mut servers = Vec::new();
        for (id, ports) in (1..).zip(&ports) {
            servers.push(prepare(distribution, config, directory.path(), id, ports.client, peers)?);
        }
        Ensemble { servers, _directory: directory }.serving()
    }

    fn serving(mut self) -> Result<Ensemble, StartError> {
        self.servers.iter_mut().try_for_each(Server::start)?;
        for server in &mut self.servers {
            server.wait_until_serving()?;
        }
        Ok(self)
    }
}

/// The ports of one server.
#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    quorum: u16,
    election: u16,
}

/// Writes what one server needs below `directory`.
fn prepare(
    distribution: &Distribution,
    config: &Config,
    directory: &Path,
    id: usize,
    port: u16,
    peers: &[Ports],
) -> Result<Server, StartError> {
    let own = directory.join(id.to_string());
    let data = own.join("data");
    fs::create_dir_all(&data)?;
    fs::write(data.join("myid"), format!("{id}\n"))?;
    let file = own.join("zoo.cfg");
    fs::write(&file, config.file(&data, port, peers))?;
    Ok(Server {
        command: CommandLine::Real(Box::new(config.clone()), distribution.clone(), file),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        directory: own,
        process: None,
    })
}

/// Free ports are only free when they are looked for: whoever loses one to somebody else starts over with new ones.
fn attempts(mut start: impl FnMut() -> Result<Ensemble, StartError>) -> Result<Ensemble, StartError> {
    let mut left = PORT_ATTEMPTS;
    loop {
        left -= 1;
        match start() {
            Err(error) if left > 0 && error.log.contains("Address already in use") => {}
            done => return done,
        }
    }
}

fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn word_after(text: &str, label: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensembles_file_names_all_servers_and_a_lone_ones_none() {
        let config = Config { min_session_timeout_ms: Some(100), ..Config::default() };
        let ports = Ports { client: 1, quorum: 2, election: 3 };
        let alone = config.file(Path::new("data"), 1, &[]);
        assert!(alone.contains("tickTime=2000\n") && alone.contains("minSessionTimeout=100\n"), "{alone}");
        assert!(!alone.contains("server.") && !alone.contains("maxSessionTimeout"), "{alone}");
        let together = config.file(Path::new("data"), 1, &[ports, ports]);
        assert!(together.contains("server.2=127.0.0.1:2:3:participant\n"), "{together}");
    }

    #[test]
    fn a_directory_without_the_jar_says_what_to_do() {
        let absent = Distribution::in_directory(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(absent.contains("/nonexistent") && absent.contains("apt-get install zookeeper"), "{absent}");
    }
}
