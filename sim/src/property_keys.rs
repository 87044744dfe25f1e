//! The keys of nifi.properties that have an effect in the simulation, and warnings about the others.

use crate::scenario::nearest::{did_you_mean, nearest};
use std::fmt;
use zeromaster_core::properties::{NifiProperties, key};

/// The keys about the cluster that have an effect, sorted.
const WITH_EFFECT: [&str; 17] = [
    key::FIREWALL_FILE,
    key::FLOW_ELECTION_MAX_CANDIDATES,
    key::FLOW_ELECTION_MAX_WAIT_TIME,
    key::IS_NODE,
    key::LEADER_ELECTION_IMPLEMENTATION,
    key::NODE_CONNECTION_TIMEOUT,
    key::NODE_PROTOCOL_PORT,
    key::NODE_READ_TIMEOUT,
    key::HEARTBEAT_INTERVAL,
    key::HEARTBEAT_MISSABLE_MAX,
    key::EMBEDDED_ZOOKEEPER_START,
    key::ZOOKEEPER_CONNECT_STRING,
    key::ZOOKEEPER_CONNECT_TIMEOUT,
    key::ZOOKEEPER_ROOT_NODE,
    key::ZOOKEEPER_SESSION_TIMEOUT,
    key::WEB_HTTP_PORT,
    key::WEB_HTTPS_PORT,
];

/// A key that NiFi does not know, in a group in which it knows every key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// The known key that was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownKey { key, nearest } = self;
        write!(f, "{key}: NiFi has no such key, and its value has no effect")?;
        nearest.map_or(Ok(()), |nearest| write!(f, "; did you mean {nearest}?"))
    }
}

/// The keys about the cluster in `properties` that NiFi does not know, by line. Among them are those that begin almost as
/// such a key does, and the first of a file with a byte order mark, which belongs to the key for Java.
pub(crate) fn unknown(properties: &NifiProperties) -> Vec<UnknownKey> {
    let unknown = |key: &str| {
        if key::CLUSTER_KEYS.contains(&key) {
            return None;
        }
        let nearest = match group(key) {
            Some(_) => nearest_key(key),
            None => Some(key::CLUSTER_KEYS.into_iter().find(|known| is_almost(key, known))?),
        };
        Some(UnknownKey { key: key.to_owned(), nearest })
    };
    let mut found: Vec<UnknownKey> = properties.iter().filter_map(|(key, _)| unknown(key)).collect();
    found.sort_by_key(|unknown| properties.line(&unknown.key));
    found
}

/// Whether a key outside the groups is one of them but for a slip of the hand, or for a byte order mark.
fn is_almost(found: &str, known: &str) -> bool {
    let marked = found.strip_prefix('\u{feff}').or_else(|| found.strip_prefix("\u{ef}\u{bb}\u{bf}"));
    marked == Some(known)
        || (found.len().abs_diff(known.len()) <= 2 && strsim::damerau_levenshtein(found, known) <= 2)
}

/// The keys about the cluster that NiFi knows, that have a value in `properties`, and that have no effect here.
pub(crate) fn without_effect(properties: &NifiProperties) -> Vec<&'static str> {
    let has_value = |key: &&str| properties.get(key).is_some_and(|value| !value.is_empty());
    let known = key::CLUSTER_KEYS.into_iter().filter(has_value);
    known.filter(|key| !WITH_EFFECT.contains(key)).collect()
}

/// Refuses a key that a scenario overrides to no effect.
pub(crate) fn check_override(found: &str) -> Result<(), String> {
    if WITH_EFFECT.contains(&found) || key::CLUSTER_KEYS.contains(&found) {
        return Ok(());
    }
    match group(found) {
        Some(_) => {
            let meant = nearest_key(found).map_or_else(String::new, |key| format!("; did you mean {key}?"));
            Err(format!("NiFi has no such key{meant}"))
        }
        None => {
            let meant = did_you_mean(found, WITH_EFFECT.into_iter());
            let groups = key::CLUSTER_GROUPS.map(|group| format!("{group}*")).join(", ");
            let ports = [key::WEB_HTTP_PORT, key::WEB_HTTPS_PORT].join(", ");
            Err(format!("this key has no effect here, expected one of {groups}, {ports}{meant}"))
        }
    }
}

/// The group of keys about the cluster that `key` is in.
fn group(key: &str) -> Option<&'static str> {
    key::CLUSTER_GROUPS.into_iter().find(|group| key.starts_with(group))
}

/// The nearest of the keys in the same group. Their common beginning says nothing about how near they are.
fn nearest_key(found: &str) -> Option<&'static str> {
    let group = group(found)?;
    let rests = key::CLUSTER_KEYS.into_iter().filter_map(|key| key.strip_prefix(group));
    let rest = nearest(found.strip_prefix(group)?, rests)?;
    key::CLUSTER_KEYS.into_iter().find(|key| key.strip_prefix(group) == Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_cluster_that_nifi_does_not_know_is_named_with_the_one_that_was_meant() {
        let text = "nifi.cluster.node.protcol.port=1\nnifi.zookeeper.conect.string=h\nnifi.zookeeper.bogus=2\n\
                    nifi.cluster.is.node=true\nnifi.content.anything=3\n";
        let unknown = unknown(&NifiProperties::parse(text));
        let found: Vec<_> = unknown.iter().map(|unknown| (unknown.key.as_str(), unknown.nearest)).collect();
        assert_eq!(
            found,
            [
                ("nifi.cluster.node.protcol.port", Some(key::NODE_PROTOCOL_PORT)),
                ("nifi.zookeeper.conect.string", Some(key::ZOOKEEPER_CONNECT_STRING)),
                ("nifi.zookeeper.bogus", None),
            ]
        );
    }

    #[test]
    fn a_slip_in_the_name_of_a_group_and_a_byte_order_mark_are_seen() {
        for (text, expected) in [
            ("nifi.zookeper.session.timeout=4 secs", Some(key::ZOOKEEPER_SESSION_TIMEOUT)),
            ("\u{feff}nifi.cluster.is.node=true", Some(key::IS_NODE)),
            ("nifi.web.http.port=8080", None),
        ] {
            let unknown = unknown(&NifiProperties::parse(text));
            assert_eq!(unknown.first().and_then(|unknown| unknown.nearest), expected, "{text}");
        }
    }

    #[test]
    fn known_keys_with_a_value_and_without_an_effect_are_listed() {
        let text = "nifi.cluster.load.balance.port=6342\nnifi.cluster.load.balance.host=\n\
                    nifi.zookeeper.session.timeout=4 secs\nnifi.zookeeper.auth.type=sasl\n";
        let keys = without_effect(&NifiProperties::parse(text));
        assert_eq!(keys, [key::LOAD_BALANCE_PORT, key::ZOOKEEPER_AUTH_TYPE]);
    }

    #[test]
    fn every_key_with_an_effect_may_be_overridden_and_no_invented_one() {
        assert!(WITH_EFFECT.iter().all(|key| check_override(key).is_ok()));
        for (found, expected) in [
            ("nifi.cluster.heartbeat", "NiFi has no such key"),
            (
                "nifi.zookeeper.sesion.timeout",
                "NiFi has no such key; did you mean nifi.zookeeper.session.timeout?",
            ),
            (
                "nifi.web.https.prt",
                "this key has no effect here, expected one of nifi.cluster.*, nifi.zookeeper.*, \
                 nifi.state.management.*, nifi.web.http.port, nifi.web.https.port; did you mean nifi.web.https.port?",
            ),
        ] {
            assert_eq!(check_override(found), Err(expected.to_owned()), "{found}");
        }
    }
}
