//! Java's strings: how it reads bytes that are not UTF-8, and how ZooKeeper writes characters that need two of Java's.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// What surrogates are when they are read, each of which is three bytes that UTF-8 forbids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Surrogates {
    /// Replaced one by one, as Java does.
    Replaced,
    /// Two of them are the character they stand for: what ZooKeeper's `writeString` makes of it.
    Paired,
}

/// Reads bytes as text. What is no UTF-8 is replaced as Java does: as everybody does, but for surrogates, of which
/// each is replaced as a whole.
pub(super) fn read(bytes: &[u8], surrogates: Surrogates) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(mend(bytes, surrogates)),
    }
}

fn mend(mut bytes: &[u8], surrogates: Surrogates) -> String {
    let mut text = String::with_capacity(bytes.len());
    while let Err(error) = str::from_utf8(bytes) {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        text.push_str(str::from_utf8(good).expect("it was read as UTF-8 up to there"));
        let (character, length) = match (surrogates, pair(bad), surrogate_length(bad)) {
            (Surrogates::Paired, Some(character), _) => (character, 6),
            (_, _, Some(length)) => (char::REPLACEMENT_CHARACTER, length),
            (_, _, None) => (char::REPLACEMENT_CHARACTER, error.error_len().unwrap_or(bad.len())),
        };
        text.push(character);
        bytes = &bad[length..];
    }
    text.push_str(str::from_utf8(bytes).expect("the loop has ended because it can be read"));
    text
}

/// The character that the first six bytes stand for, if they are a high and a low surrogate.
fn pair(bytes: &[u8]) -> Option<char> {
    let [first, second] = [bytes.get(..3)?, bytes.get(3..6)?].map(surrogate);
    let units = [first?, second?];
    char::decode_utf16(units).next()?.ok()
}

/// The surrogate that three bytes are, if they are one.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match *bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf] => {
            Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
        }
        _ => None,
    }
}

/// How many of the first bytes are a surrogate, or the beginning of one.
fn surrogate_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => Some(3),
        [0xed, 0xa0..=0xbf, ..] => Some(2),
        _ => None,
    }
}

/// Appends text as ZooKeeper's servers write it: characters that are two in Java are written as two, three bytes each.
pub(super) fn write_as_java(text: &str, bytes: &mut Vec<u8>) {
    for character in text.chars() {
        let mut buffer = [0; 4];
        if character.len_utf16() == 1 {
            bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let [high, low] = unit.to_be_bytes();
            bytes.extend([0xe0 | high >> 4, 0x80 | (high & 0xf) << 2 | low >> 6, 0x80 | low & 0x3f]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], java: &str) {
        assert_eq!(read(bytes, Surrogates::Replaced), java);
    }

    /// The expected texts are what servers of 3.8.0 and 3.9.5 answer to `sync` with such a path.
    #[test]
    fn what_is_no_utf8_is_replaced_as_java_does() {
        check(b"/plain", "/plain");
        check("/\u{e9}\u{6f22}\u{1f600}".as_bytes(), "/\u{e9}\u{6f22}\u{1f600}");
        check(b"/\xff\xc3(\xe2\x82x\xf0\x9f\x98y", "/\u{fffd}\u{fffd}(\u{fffd}x\u{fffd}y");
        check(b"\xc0\x80\xf8\x88\x80\x80\x80z", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}z");
        check(b"/\xed\xa0\xbd\xed\xb8\x80", "/\u{fffd}\u{fffd}");
        check(b"\xed\xa0", "\u{fffd}");
        check(b"\xed\xa0A", "\u{fffd}A");
    }

    #[test]
    fn a_character_of_two_surrogates_survives_the_way_to_a_client() {
        for text in ["", "/", "/\u{0}", "/\u{7ff}\u{800}\u{ffff}", "\u{10000}", "a\u{1f600}b\u{10ffff}"] {
            let mut bytes = Vec::new();
            write_as_java(text, &mut bytes);
            assert_eq!(read(&bytes, Surrogates::Paired), text);
        }
        let mut bytes = Vec::new();
        write_as_java("\u{1f600}", &mut bytes);
        assert_eq!(bytes, b"\xed\xa0\xbd\xed\xb8\x80");
    }

    #[test]
    fn a_surrogate_alone_is_replaced_even_where_pairs_are_read() {
        let alone = [&b"\xed\xa0\xbd"[..], b"\xed\xb8\x80", b"\xed\xb8\x80\xed\xa0\xbd", b"\xed\xa0\xbdx"];
        let expected = ["\u{fffd}", "\u{fffd}", "\u{fffd}\u{fffd}", "\u{fffd}x"];
        for (bytes, expected) in alone.into_iter().zip(expected) {
            assert_eq!(read(bytes, Surrogates::Paired), expected);
        }
    }
}
