//! The cluster firewall: which hosts may join, as the lines of NiFi's firewall file say. Reading the file and resolving
//! names is left to the caller.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// The rules of a firewall file. The default has none and permits everything.
///
/// A name in the file is compared with the name of the host, ignoring case. NiFi resolves it once, when it starts, and
/// compares addresses; this crate does no lookups (docs/nifi-map.md).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Firewall {
    rules: Vec<Rule>,
}

/// One usable line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Rule {
    /// Every address whose bits under `mask` are those of `network`, the first and the last one included.
    Network { network: u32, mask: u32 },
    /// The host of this name, in lower case.
    Name(String),
}

/// A line of the firewall file that is skipped because it is no rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FirewallWarning {
    /// Where it stands, from 1.
    pub line: u32,
    /// The line without its comment.
    pub text: String,
    /// What could have stood there.
    pub expected: &'static str,
}

impl fmt::Display for FirewallWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: expected {}; the line is skipped", self.line, self.text, self.expected)
    }
}

impl Firewall {
    /// Reads the text of a firewall file: one rule a line, `#` begins a comment, blank lines mean nothing. A line that
    /// is neither an IPv4 address, nor a block such as `10.0.0.0/8`, nor a host name is skipped with a warning.
    #[must_use]
    pub fn parse(text: &str) -> (Firewall, Vec<FirewallWarning>) {
        let mut firewall = Firewall::default();
        let mut warnings = Vec::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            match parse_rule(content) {
                Ok(rule) => firewall.rules.push(rule),
                Err(expected) => warnings.push(FirewallWarning { line, text: content.to_owned(), expected }),
            }
        }
        (firewall, warnings)
    }

    /// Whether the host may join. `host` is its name or its IPv4 address in digits, `address` what the caller resolved
    /// the name to, if it could.
    ///
    /// Without a usable rule everybody may, even a host whose name has no address. With rules, a host without an
    /// address may only if its name is one of them.
    #[must_use]
    pub fn permits(&self, host: &str, address: Option<Ipv4Addr>) -> bool {
        let address = host.parse().ok().or(address);
        self.rules.is_empty() || self.rules.iter().any(|rule| rule.matches(host, address))
    }
}

impl Rule {
    fn matches(&self, host: &str, address: Option<Ipv4Addr>) -> bool {
        match self {
            Rule::Network { network, mask } => {
                address.is_some_and(|address| address.to_bits() & mask == *network)
            }
            Rule::Name(name) => name.eq_ignore_ascii_case(host),
        }
    }
}

/// Reads a line that is neither blank nor a comment; what was expected when it is no rule.
fn parse_rule(content: &str) -> Result<Rule, &'static str> {
    if let Some((address, bits)) = content.split_once('/') {
        // Java properties taught people to escape.
        let address = address.strip_suffix('\\').unwrap_or(address);
        return parse_block(address, bits).ok_or(A_BLOCK);
    }
    match content.parse::<Ipv4Addr>() {
        Ok(address) => Ok(Rule::Network { network: address.to_bits(), mask: u32::MAX }),
        Err(_) if is_host_name(content) => Ok(Rule::Name(content.to_ascii_lowercase())),
        Err(_) => Err(A_RULE),
    }
}

/// Reads a block of addresses. Bits of the address behind the prefix do not matter.
fn parse_block(address: &str, bits: &str) -> Option<Rule> {
    let address = address.parse::<Ipv4Addr>().ok()?;
    // A sign would pass for part of a number.
    let bits = bits.parse::<u32>().ok().filter(|count| *count <= 32 && !bits.starts_with('+'))?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Some(Rule::Network { network: address.to_bits() & mask, mask })
}

/// Whether `text` could be the name of a host: labels of letters, digits, `-` and `_` between dots, the last of which
/// is not a number (or a mistyped address such as 10.0.0.256 would pass for a name).
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

const A_BLOCK: &str = "a block of IPv4 addresses such as 10.0.0.0/8, with 0 to 32 bits";
const A_RULE: &str = "an IPv4 address, a block such as 10.0.0.0/8, or a host name";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    /// Rules without a mistake in them.
    #[track_caller]
    fn firewall(text: &str) -> Firewall {
        let (firewall, warnings) = Firewall::parse(text);
        assert_eq!(warnings, [], "{text:?}");
        firewall
    }

    #[track_caller]
    fn check(text: &str, host: &str, permitted: bool) {
        assert_eq!(firewall(text).permits(host, None), permitted, "{host} under {text:?}");
    }

    #[track_caller]
    fn check_warning(line: &str, expected: &str) {
        let (firewall, warnings) = Firewall::parse(&alloc::format!("# rules\n{line}\n"));
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let told = alloc::format!("line 2: {line}: expected {expected}; the line is skipped");
        assert_eq!(warnings, [told]);
        assert!(firewall.permits("anybody", None), "a file without a usable rule permits everything");
    }

    #[test]
    fn without_a_usable_rule_everything_is_permitted() {
        for text in ["", "\n\n", "# nothing\n  # at all\r\n\t\n"] {
            check(text, "10.0.0.1", true);
            check(text, "a-name-without-address", true);
        }
        assert!(Firewall::default().permits("anybody", None));
    }

    #[test]
    fn an_address_matches_itself_only() {
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
    }

    #[test]
    fn a_comment_may_follow_a_rule() {
        check("10.0.0.1 # node 1\n10.0.0.2#node 2\r\n", "10.0.0.1", true);
        check("10.0.0.1 # node 1\n10.0.0.2#node 2\r\n", "10.0.0.2", true);
        check("# 10.0.0.3\n10.0.0.1", "10.0.0.3", false);
    }

    #[test]
    fn a_block_includes_its_network_and_broadcast_address() {
        for inside in ["10.0.1.0", "10.0.1.77", "10.0.1.255"] {
            check("10.0.1.0/24", inside, true);
        }
        check("10.0.1.0/24", "10.0.0.255", false);
        check("10.0.1.0/24", "10.0.2.0", false);
        check("10.0.1.77/24", "10.0.1.0", true);
    }

    #[test]
    fn blocks_of_every_size_hold_their_ends() {
        check("0.0.0.0/0", "255.255.255.255", true);
        check("128.0.0.0/1", "127.255.255.255", false);
        check("128.0.0.0/1", "128.0.0.0", true);
        check("10.0.0.6/31", "10.0.0.7", true);
        check("10.0.0.6/32", "10.0.0.7", false);
    }

    #[test]
    fn a_backslash_before_the_slash_is_tolerated() {
        check("10.0.0.0\\/8", "10.255.0.1", true);
        check("10.0.0.0\\/8", "11.0.0.1", false);
    }

    #[test]
    fn a_name_is_compared_with_the_host_name_whatever_its_case() {
        check("node1.Example.org", "NODE1.example.ORG", true);
        check("node1.example.org", "node2.example.org", false);
        check("node_1", "node_1", true);
    }

    #[test]
    fn with_rules_a_host_without_an_address_is_blocked() {
        check("10.0.0.0/8", "no-such-name", false);
        check("node1", "no-such-name", false);
    }

    #[test]
    fn a_resolved_name_is_checked_by_its_address() {
        let rules = firewall("node1\n10.0.0.0/8");
        assert!(rules.permits("node9", Some(Ipv4Addr::new(10, 1, 2, 3))));
        assert!(!rules.permits("node9", Some(Ipv4Addr::new(11, 1, 2, 3))));
        assert!(rules.permits("node1", Some(Ipv4Addr::new(11, 1, 2, 3))));
    }

    #[test]
    fn a_host_given_in_digits_is_its_own_address() {
        assert!(!firewall("10.0.0.1").permits("10.0.0.2", Some(Ipv4Addr::new(10, 0, 0, 1))));
    }

    #[test]
    fn a_line_that_is_no_rule_is_skipped_with_a_warning() {
        for line in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "node1/24", "/8", "10.0.0.0/8/8"]
        {
            check_warning(line, A_BLOCK);
        }
        for line in ["10.0.0.256", "10.0.0", "010.0.0.1", "::1", "node one", "node..org", ".", "n\u{f6}de"] {
            check_warning(line, A_RULE);
        }
    }

    #[test]
    fn the_rules_beside_a_skipped_line_still_hold() {
        let (rules, warnings) = Firewall::parse("10.0.0.1\n10.0.0.0/99\n");
        assert_eq!(warnings.len(), 1);
        assert!(rules.permits("10.0.0.1", None));
        assert!(!rules.permits("10.0.0.2", None));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}", host in ".{0,20}", line in "[0-9./\\\\#a-z \n]{0,60}") {
            let _ = Firewall::parse(&text).0.permits(&host, None);
            let _ = Firewall::parse(&line).0.permits(&host, Some(Ipv4Addr::LOCALHOST));
        }

        #[test]
        fn a_block_holds_the_addresses_that_share_its_prefix(network: u32, other: u32, bits in 0u32..=32) {
            let rules = firewall(&alloc::format!("{}/{bits}", Ipv4Addr::from_bits(network)));
            let shared = (network ^ other).leading_zeros() >= bits;
            prop_assert_eq!(rules.permits("n", Some(Ipv4Addr::from_bits(other))), shared);
        }
    }
}
