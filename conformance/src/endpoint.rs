//! Where a server to be compared comes from: started for the occasion, or running already.

use crate::real::{Absent, Config, Distribution, Ensemble, StartError};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Containers and nodes with a time to live would otherwise go when a timer says so, which is nowhere near the same step.
const NEVER_MS: u32 = 24 * 60 * 60 * 1000;

/// A running server; dropping it ends what was started.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What has to live as long as the server does.
    pub held: Option<Ensemble>,
}

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Debian's ZooKeeper.
    Real,
    /// The ZooKeeper whose jars are in this directory.
    Jars(PathBuf),
    /// A shell's command line, with `{port}` for the port to listen on.
    Command(String),
    /// It runs already, and is fresh.
    Address(SocketAddr),
}

/// A server cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It is not installed.
    Absent(Absent),
    /// It does not start.
    Start(StartError),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::Absent(absent) => write!(f, "{absent}"),
            Unavailable::Start(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Unavailable {}

impl Endpoint {
    /// Starts a fresh server.
    ///
    /// # Errors
    ///
    /// If it is not installed or does not start.
    pub fn start(&self) -> Result<Running, Unavailable> {
        let config = Config { container_check_interval_ms: Some(NEVER_MS), ..Config::default() };
        let ensemble = match self {
            Endpoint::Address(address) => return Ok(Running { address: *address, held: None }),
            Endpoint::Command(line) => Ensemble::by_command(line),
            Endpoint::Real => {
                let distribution = Distribution::debian().map_err(Unavailable::Absent)?;
                Ensemble::standalone(&distribution, &config)
            }
            Endpoint::Jars(directory) => {
                let distribution = Distribution::in_directory(directory).map_err(Unavailable::Absent)?;
                Ensemble::standalone(&distribution, &config)
            }
        };
        let ensemble = ensemble.map_err(Unavailable::Start)?;
        Ok(Running { address: ensemble.servers()[0].address(), held: Some(ensemble) })
    }

    /// Whether every start gives a fresh server.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        match self {
            Endpoint::Real | Endpoint::Jars(_) | Endpoint::Command(_) => true,
            Endpoint::Address(_) => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Real => f.write_str("real"),
            Endpoint::Jars(directory) => write!(f, "real:{}", directory.display()),
            Endpoint::Command(line) => write!(f, "command:{line}"),
            Endpoint::Address(address) => write!(f, "{address}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        if text == "real" {
            return Ok(Endpoint::Real);
        }
        if let Some(directory) = text.strip_prefix("real:") {
            return Ok(Endpoint::Jars(PathBuf::from(directory)));
        }
        if let Some(line) = text.strip_prefix("command:") {
            return if line.contains("{port}") {
                Ok(Endpoint::Command(line.to_owned()))
            } else {
                Err(format!("`{line}` does not say {{port}} where the server is to be told its port"))
            };
        }
        text.parse().map(Endpoint::Address).map_err(|_| {
            format!("`{text}` is no server; expected real, real:DIRECTORY, command:LINE, or an address like 127.0.0.1:2181")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_as_it_is_written() {
        for text in ["real", "real:/jars", "command:serve {port}", "127.0.0.1:2181"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert!("command:serve".parse::<Endpoint>().unwrap_err().contains("{port}"));
        assert!("localhost".parse::<Endpoint>().unwrap_err().contains("127.0.0.1:2181"));
    }
}
