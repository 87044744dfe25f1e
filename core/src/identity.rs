//! Who a node is: its identifier, its addresses, and which run of its process is meant.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The UUID of a node, proposed by the node itself and kept on its disk (NiFi's state key "Node UUID").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u128);

impl NodeId {
    /// Reads the printed form back; `None` when it is not 32 hexadecimal digits in groups of 8-4-4-4-12.
    #[must_use]
    pub fn parse(text: &str) -> Option<NodeId> {
        let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut id: u128 = 0;
        for (place, letter) in text.iter().enumerate() {
            let digit = match (place, letter) {
                (8 | 13 | 18 | 23, b'-') => continue,
                (8 | 13 | 18 | 23, _) => return None,
                (_, b'0'..=b'9') => letter - b'0',
                (_, b'a'..=b'f') => letter - b'a' + 10,
                (_, b'A'..=b'F') => letter - b'A' + 10,
                (_, _) => return None,
            };
            id = (id << 4) | u128::from(digit);
        }
        Some(NodeId(id))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each process that starts prints its id several times, and numbers of 128 bits are printed slowly.
        let mut text = [b'-'; 36];
        let places = (0..text.len()).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
        for (place, digit) in places.zip((0..32).rev()) {
            text[place] = b"0123456789abcdef"[(self.0 >> (4 * digit)) as usize & 0xf];
        }
        f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Which run of a node's process: greater after every restart on the same machine.
///
/// NiFi carries only the process start time, and only in the heartbeat; a restart is what brings a removed or
/// user-disconnected node back, so here every claim of a node says which run makes it (docs/nifi-map.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// A host (name or IP) and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address {
    /// Host name or IP address, never blank.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// The address `host:port`.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Address { host: host.into(), port }
    }

    /// Reads `host:port`; `None` when there is no host or no port (NIFI-15655: an empty leader is no leader).
    #[must_use]
    pub fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Address::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where a node receives FlowFiles of remote process groups.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SiteToSite {
    /// Host name, or the node's address when `nifi.remote.input.host` is blank.
    pub host: Arc<str>,
    /// Port of the raw protocol, if it is on.
    pub raw_port: Option<u16>,
    /// Port of the HTTP protocol, if it is on.
    pub http_port: Option<u16>,
    /// Whether transfers are encrypted.
    pub secure: bool,
}

/// The port of load balancing where none is configured (`nifi.cluster.load.balance.port`).
const LOAD_BALANCE_PORT: u16 = 6342;

/// Everything that identifies a node towards the others (spec: node identifier).
///
/// Two identifiers are the same node when their ids are equal; they are *logically equal* when they claim the same
/// API and cluster protocol addresses, whatever the id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeIdentifier {
    /// The node's UUID.
    pub id: NodeId,
    /// Where its web API listens.
    pub api: Address,
    /// Where its cluster protocol listens.
    pub socket: Address,
    /// Where it accepts load-balanced FlowFiles. Not part of the logical identity (NIFI-5672).
    pub load_balance: Option<Address>,
    /// Where it accepts site-to-site transfers. Not part of the logical identity.
    pub site_to_site: Option<SiteToSite>,
}

impl NodeIdentifier {
    /// An identifier with nothing but the two addresses that matter to the cluster.
    #[must_use]
    pub fn new(id: NodeId, api: Address, socket: Address) -> Self {
        NodeIdentifier { id, api, socket, load_balance: None, site_to_site: None }
    }

    /// Every field, as NiFi prints it (`NodeIdentifier.getFullDescription`). Where there is no address of its own, load
    /// balancing has that of the cluster protocol and NiFi's port, and site-to-site no port.
    #[must_use]
    pub fn full_description(&self) -> String {
        let host = &self.socket.host;
        let (balance, balance_port) = self
            .load_balance
            .as_ref()
            .map_or((host, LOAD_BALANCE_PORT), |address| (&address.host, address.port));
        let (remote, [raw, http], secure) = match &self.site_to_site {
            Some(site) => (&site.host, [site.raw_port, site.http_port], site.secure),
            None => (host, [None, None], false),
        };
        let port = |port: Option<u16>| port.map_or_else(|| String::from("null"), |port| port.to_string());
        format!(
            "NodeIdentifier[UUID={}, API Address = {}, Cluster Socket Address = {}, Load Balance Address = \
             {balance}:{balance_port}, Site-to-Site Raw Address = {remote}:{}, Site-to-Site HTTP Address = {remote}:{}, \
             Site-to-Site Secure = {secure}, Node Identities = []]",
            self.id,
            self.api,
            self.socket,
            port(raw),
            port(http)
        )
    }

    /// Whether both claim the same API and cluster protocol addresses.
    #[must_use]
    pub fn is_logically_equal(&self, other: &NodeIdentifier) -> bool {
        self.api == other.api && self.socket == other.socket
    }
}

/// NiFi prints a node as its API address.
impl fmt::Display for NodeIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_node_id_reads_back() {
        for id in [0, 1, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, u128::MAX] {
            assert_eq!(NodeId::parse(&NodeId(id).to_string()), Some(NodeId(id)));
        }
    }

    #[test]
    fn a_node_id_is_printed_as_a_uuid() {
        let text = NodeId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210).to_string();
        assert_eq!(text, "01234567-89ab-cdef-fedc-ba9876543210");
    }

    #[test]
    fn what_is_no_uuid_is_no_node_id() {
        for text in ["", "1", "00000000-0000-0000-0000-00000000000g", "+0000000-0000-0000-0000-000000000000"]
        {
            assert_eq!(NodeId::parse(text), None, "{text:?}");
        }
        assert_eq!(NodeId::parse("00000000-0000-0000-0000-000000000000-"), None);
    }

    #[test]
    fn an_address_needs_a_host_and_a_port() {
        assert_eq!(Address::parse("n1:11443"), Some(Address::new("n1", 11443)));
        for text in ["", ":1", "n1", "n1:", "n1:x", "n1:65536"] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_full_description_has_every_field_in_nifi_s_form() {
        let mut node = NodeIdentifier::new(NodeId(1), Address::new("n1", 8443), Address::new("n1", 11443));
        assert_eq!(
            node.full_description(),
            "NodeIdentifier[UUID=00000000-0000-0000-0000-000000000001, API Address = n1:8443, Cluster Socket Address = \
             n1:11443, Load Balance Address = n1:6342, Site-to-Site Raw Address = n1:null, Site-to-Site HTTP Address = \
             n1:null, Site-to-Site Secure = false, Node Identities = []]"
        );
        node.load_balance = Some(Address::new("b", 1));
        let host = "s".into();
        node.site_to_site = Some(SiteToSite { host, raw_port: Some(2), http_port: Some(3), secure: true });
        let description = node.full_description();
        assert!(
            description.contains("Load Balance Address = b:1, Site-to-Site Raw Address = s:2, "),
            "{description}"
        );
        assert!(
            description.contains("Site-to-Site HTTP Address = s:3, Site-to-Site Secure = true"),
            "{description}"
        );
    }

    #[test]
    fn logical_equality_ignores_the_id_and_the_data_plane() {
        let one = NodeIdentifier::new(NodeId(1), Address::new("a", 1), Address::new("a", 2));
        let mut two = one.clone();
        two.id = NodeId(2);
        two.load_balance = Some(Address::new("a", 6342));
        assert!(one.is_logically_equal(&two));
        two.socket.port = 3;
        assert!(!one.is_logically_equal(&two));
    }
}
