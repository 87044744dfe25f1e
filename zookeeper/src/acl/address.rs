//! Addresses in entries of the scheme `ip`: which are legal, and which hosts they stand for.

use crate::types::Release;
use alloc::vec::Vec;

const V4_BYTES: usize = 4;
const V6_BYTES: usize = 16;
const V6_SEGMENTS: usize = 8;
const V6_DIGITS_MAX: usize = 4;

/// Whether an entry names a host, or a network as an address, a slash and the number of its leading bits.
pub(super) fn is_legal(entry: &str, release: Release) -> bool {
    network(entry, release).is_some()
}

/// Whether the host at `address` is the one that the entry names, or in its network.
pub(super) fn matches(address: &str, entry: &str, release: Release) -> bool {
    let Some((network, bits)) = network(entry, release) else { return false };
    let Some(address) = bytes_of(address, release) else { return false };
    address.len() == network.len() && leading(&address, bits).eq(leading(&network, bits))
}

/// The first `bits` of an address, byte by byte, and zeros behind them.
fn leading(address: &[u8], bits: usize) -> impl Iterator<Item = u8> {
    address.iter().enumerate().map(move |(index, byte)| match bits.saturating_sub(index * 8) {
        0 => 0,
        bits @ 1..8 => byte & !(0xff >> bits),
        8.. => *byte,
    })
}

fn network(entry: &str, release: Release) -> Option<(Vec<u8>, usize)> {
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (entry, None),
    };
    let address = bytes_of(address, release)?;
    let bits_max = address.len() * 8;
    let bits = match bits {
        Some(bits) => usize::try_from(integer(bits, 10)?).ok().filter(|bits| *bits <= bits_max)?,
        None => bits_max,
    };
    Some((address, bits))
}

/// 3.8 knows addresses of four bytes only.
fn bytes_of(address: &str, release: Release) -> Option<Vec<u8>> {
    match release {
        Release::V3_9_5 if address.contains(':') => v6(address),
        Release::V3_8_0 | Release::V3_9_5 => v4(address),
    }
}

fn v4(address: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> =
        address.split('.').map(|part| u8::try_from(integer(part, 10)?).ok()).collect();
    bytes.filter(|bytes| bytes.len() == V4_BYTES)
}

fn v6(address: &str) -> Option<Vec<u8>> {
    let mut halves = address.split("::");
    let (head, tail) = (segments(halves.next()?)?, halves.next());
    let tail = match tail {
        None if head.len() == V6_BYTES => return Some(head),
        None => return None,
        Some(tail) => segments(tail)?,
    };
    let zeros = V6_BYTES.checked_sub(head.len() + tail.len())?;
    let fits = zeros >= V6_BYTES / V6_SEGMENTS && halves.next().is_none();
    let mut bytes = head;
    bytes.extend(core::iter::repeat_n(0, zeros));
    bytes.extend(tail);
    fits.then_some(bytes)
}

fn segments(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for segment in text.split(':').filter(|_| !text.is_empty()) {
        if segment.is_empty() || segment.encode_utf16().count() > V6_DIGITS_MAX {
            return None;
        }
        // A sign is a digit too many to be a mistake of a person, but ZooKeeper takes it.
        let [.., high, low] = integer(segment, 16)?.to_be_bytes();
        bytes.extend([high, low]);
    }
    Some(bytes)
}

/// A number as Java reads it: with a sign if you like, and with as many zeros in front.
fn integer(text: &str, radix: u32) -> Option<i32> {
    i32::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Release::{V3_8_0, V3_9_5};

    #[test]
    fn an_entry_is_an_address_of_four_bytes_and_perhaps_a_number_of_bits() {
        for release in [V3_8_0, V3_9_5] {
            for entry in [
                "1.2.3.4",
                "0.0.0.0",
                "255.255.255.255",
                "1.2.3.4/0",
                "1.2.3.4/32",
                "01.002.3.4",
                "+1.2.3.4/+8",
                "-0.0.0.0",
            ] {
                assert!(is_legal(entry, release), "{entry:?}");
            }
            for entry in [
                "",
                "1",
                "1.2.3",
                "1.2.3.4.5",
                "1.2.3.256",
                "1.2.3.-1",
                "1.2.3.",
                "a.b.c.d",
                "1.2.3.4/33",
                "1.2.3.4/-1",
                "1.2.3.4/",
                "1.2.3.4/x",
                "1.2.3.4/8/8",
                "/8",
                "1.2.3.4 ",
                "99999999999.0.0.0",
            ] {
                assert!(!is_legal(entry, release), "{entry:?}");
            }
        }
    }

    #[test]
    fn only_3_9_knows_addresses_of_sixteen_bytes() {
        for entry in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2::7:8/128",
            "fe80::/10",
            "FFFF::1",
            "::-1",
            "1:2:3:4:5:6:7::",
        ] {
            assert!(is_legal(entry, V3_9_5), "{entry:?}");
            assert!(!is_legal(entry, V3_8_0), "{entry:?}");
        }
        for entry in [
            ":",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4::5:6:7:8",
            "12345::",
            "g::",
            "::/129",
            "::1.2.3.4",
            "1:::2",
            ":1:2:3:4:5:6:7:8",
            "1:",
            ":1",
        ] {
            assert!(!is_legal(entry, V3_9_5), "{entry:?}");
        }
    }

    #[test]
    fn an_entry_stands_for_the_hosts_that_share_its_leading_bits() {
        for (address, entry, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.1.2.3", "10.9.9.9/8", true),
            ("11.1.2.3", "10.9.9.9/8", false),
            ("10.0.0.130", "10.0.0.128/25", true),
            ("10.0.0.127", "10.0.0.128/25", false),
            ("1.2.3.4", "9.9.9.9/0", true),
            ("10.0.0.1", "10.0.0.1/32", true),
            ("10.0.0.0", "10.0.0.1/31", true),
            ("::1", "10.0.0.1", false),
            ("10.0.0.1", "::1", false),
            ("10.0.0.1", "nonsense", false),
            ("nonsense", "10.0.0.1", false),
            ("fe80:0:0:0:0:0:0:1", "fe80::/10", true),
            ("fec0:0:0:0:0:0:0:1", "fe80::/10", false),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("0:0:0:0:0:0:0:1", "::ffff/112", true),
            ("::ffff", "::-1", true),
        ] {
            assert_eq!(matches(address, entry, V3_9_5), expected, "{address} {entry}");
            let known = !address.contains(':') && !entry.contains(':');
            assert_eq!(matches(address, entry, V3_8_0), expected && known, "{address} {entry}");
        }
    }
}
