//! Serves a ZooKeeper until a signal ends it: its addresses to standard output, what happens on it to standard error.

use crate::args::ZookeeperArguments;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;
use zeromaster_embedded::{Embedded, EmbeddedConfig, ServerEvent};

/// Serves until it is ended.
pub fn serve(arguments: &ZookeeperArguments) -> Result<Exit, Complaint> {
    let verbose = arguments.verbose;
    let observer = move |server, event: &ServerEvent| {
        let is_limit = match event {
            ServerEvent::Record(_) => false,
            ServerEvent::Closed { reason, .. } => reason.is_limit(),
        };
        if verbose || is_limit {
            output::say(&format!("server {server}: {event}\n"));
        }
    };
    let embedded = Embedded::start_with(config(arguments)?, observer).map_err(Complaint::new)?;
    let stopper = embedded.stopper();
    ctrlc::set_handler(move || stopper.stop())
        .map_err(|error| Complaint::new(format_args!("signals cannot be handled: {error}")))?;
    if embedded.wait_until_serving(Duration::MAX) {
        // That nobody reads it is no reason not to serve.
        output::print(&format!("ready {}\n", embedded.connect_string()))?;
    }
    embedded.wait().map_err(|error| Complaint::new(format_args!("cannot wait for clients: {error}")))?;
    Ok(Exit::Passed)
}

fn config(arguments: &ZookeeperArguments) -> Result<EmbeddedConfig, Complaint> {
    Ok(EmbeddedConfig {
        listen: addresses(arguments)?,
        release: arguments.release,
        tick: arguments.tick,
        session_timeout_min: arguments.min_session_timeout,
        session_timeout_max: arguments.max_session_timeout,
        container_check: arguments.container_check,
        extended_types: arguments.extended_types,
        super_digest: arguments.super_digest.clone(),
        ..EmbeddedConfig::default()
    })
}

/// One address for each server.
fn addresses(arguments: &ZookeeperArguments) -> Result<Vec<SocketAddr>, Complaint> {
    let listen = arguments.listen.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    match (listen.as_slice(), arguments.servers) {
        ([first], Some(servers)) => consecutive(*first, servers),
        (_, Some(servers)) if usize::try_from(servers) != Ok(listen.len()) => {
            let expected =
                format!("expected {servers} addresses for {servers} servers, or one to count up from");
            Err(Complaint::new(format_args!("--listen has {}: {expected}", listen.len())))
        }
        (_, Some(_) | None) => Ok(listen),
    }
}

fn address(text: &str) -> Result<SocketAddr, Complaint> {
    let expected = "expected a host and a port such as 127.0.0.1:2181";
    let found = text.to_socket_addrs();
    let mut found =
        found.map_err(|error| Complaint::new(format_args!("--listen {text}: {error}; {expected}")))?;
    found.next().ok_or_else(|| Complaint::new(format_args!("--listen {text}: the host has no address")))
}

/// As many addresses, each with a port above the one before; with port 0, any ports.
fn consecutive(first: SocketAddr, servers: u32) -> Result<Vec<SocketAddr>, Complaint> {
    let port = |above: u32| match first.port() {
        0 => Some(0),
        port => u16::try_from(u32::from(port) + above).ok(),
    };
    let address = |above| port(above).map(|port| SocketAddr::new(first.ip(), port));
    (0..servers).map(address).collect::<Option<Vec<_>>>().ok_or_else(|| {
        Complaint::new(format_args!("--listen {first}: there are no {servers} ports from there up to 65535"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;

    fn listened(arguments: &str) -> Result<Vec<String>, String> {
        let words = ["zeromaster", "zookeeper"].into_iter().chain(arguments.split_ascii_whitespace());
        let Command::Zookeeper(arguments) =
            Arguments::try_parse_from(words).expect("they can be read").command
        else {
            panic!("another command");
        };
        let addresses = addresses(&arguments).map_err(|complaint| complaint.to_string())?;
        Ok(addresses.into_iter().map(|address| address.to_string()).collect())
    }

    #[test]
    fn every_server_has_an_address() {
        let check = |arguments, expected: &[&str]| {
            let expected = expected.iter().map(|address| (*address).to_owned()).collect();
            assert_eq!(listened(arguments), Ok(expected), "{arguments}");
        };
        check("", &["127.0.0.1:2181"]);
        check("--servers 3", &["127.0.0.1:2181", "127.0.0.1:2182", "127.0.0.1:2183"]);
        check("--servers 2 --listen [::1]:0", &["[::1]:0", "[::1]:0"]);
        check("--listen 127.0.0.1:5,127.0.0.1:9", &["127.0.0.1:5", "127.0.0.1:9"]);
        check("--listen 127.0.0.1:5,127.0.0.1:9 --servers 2", &["127.0.0.1:5", "127.0.0.1:9"]);
        check("--listen 127.0.0.1:65534 --servers 2", &["127.0.0.1:65534", "127.0.0.1:65535"]);
    }

    #[test]
    fn addresses_that_do_not_fit_are_refused_with_words() {
        let check = |arguments, expected: &str| {
            let said = listened(arguments).unwrap_err();
            assert!(said.contains(expected), "{arguments}\nsaid: {said}");
        };
        check("--listen 127.0.0.1:5,127.0.0.1:9 --servers 3", "expected 3 addresses for 3 servers");
        check("--listen 127.0.0.1:65534 --servers 3", "no 3 ports from there up to 65535");
        check("--listen nonsense", "expected a host and a port");
    }
}
