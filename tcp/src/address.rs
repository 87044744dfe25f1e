//! Where servers are: a connect string, and what its names stand for now.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

/// Where ZooKeeper listens when nothing else is said.
const PORT: u16 = 2181;

/// The places in a connect string, `host:port,host:port`, each with a port.
pub(crate) fn places(connect_string: &str) -> Vec<String> {
    let places = connect_string.split(',').map(str::trim).filter(|place| !place.is_empty());
    places.map(with_port).collect()
}

fn with_port(place: &str) -> String {
    // The colons of an address of version 6 stand in brackets, and then the port behind them.
    let after_brackets = place.rsplit_once(']').map_or(place, |(_, after)| after);
    if after_brackets.contains(':') { place.to_owned() } else { format!("{place}:{PORT}") }
}

/// What `place` stands for now. Of several addresses each attempt takes the next.
pub(crate) fn resolve(place: &str, attempt: u64) -> io::Result<SocketAddr> {
    let addresses: Vec<SocketAddr> = place.to_socket_addrs()?.collect();
    let number = u64::try_from(addresses.len()).expect("a list is not that long");
    let chosen = attempt.checked_rem(number).and_then(|chosen| addresses.get(usize::try_from(chosen).ok()?));
    chosen.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_string_names_places_and_the_usual_port_is_left_out() {
        assert_eq!(places("a:1, b ,[::1]:3,[::1]"), ["a:1", "b:2181", "[::1]:3", "[::1]:2181"]);
        assert_eq!(places(" ,"), Vec::<String>::new());
    }

    #[test]
    fn a_place_stands_for_an_address_or_for_none() {
        for attempt in 0..3 {
            assert_eq!(resolve("127.0.0.1:7", attempt).unwrap().to_string(), "127.0.0.1:7");
        }
        assert!(resolve("127.0.0.1", 0).is_err());
    }
}
