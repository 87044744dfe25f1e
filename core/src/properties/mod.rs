//! `nifi.properties` as text: keys and values with the lines they stand on. What the values mean is read by
//! [`ClusterProperties`]; opening the file is left to the caller.

mod cluster;
mod duration;
pub mod key;

pub use cluster::{
    ClusterProperties, DURATION_MAX, PropertyError, RemoteInputProperties, WebProperties, ZooKeeperAuth,
    ZooKeeperProperties,
};
pub use duration::{NifiDuration, parse_duration};

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The keys and values of a properties file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NifiProperties {
    entries: BTreeMap<String, Entry>,
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Entry {
    /// The line its key begins on, from 1; 0 when it was [set](NifiProperties::set).
    line: u32,
    value: String,
}

impl NifiProperties {
    /// Reads the text of a properties file: Java's syntax, as far as NiFi's files use it, and every text is some file.
    ///
    /// A key ends at the first `=`, `:` or space. Lines that begin with `#` or `!` are comments. A backslash at the
    /// end joins the next line, elsewhere it takes the next character as it is or begins `\t`, `\n`, `\r`, `\f` or
    /// `\u0041`. Space around keys and values is dropped, as NiFi does, and the last value of a key counts (newer NiFi
    /// refuses a file that gives a key two values).
    #[must_use]
    pub fn parse(text: &str) -> NifiProperties {
        let mut properties = NifiProperties::default();
        let mut lines = (1..).zip(natural_lines(text));
        while let Some((line, natural)) = lines.next() {
            let natural = natural.trim_start_matches(is_space);
            if natural.is_empty() || natural.starts_with(['#', '!']) {
                continue;
            }
            let logical = join_continued(natural, lines.by_ref().map(|(_, next)| next));
            let (key, value) = split(&logical);
            properties
                .entries
                .insert(unescape(key).into_owned(), Entry { line, value: trim(&unescape(value)).to_owned() });
        }
        properties
    }

    /// The value of `key`, which may be blank; `None` when it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// The line `key` stands on, from 1; `None` when it is absent or was [set](Self::set).
    #[must_use]
    pub fn line(&self, key: &str) -> Option<u32> {
        self.entries.get(key).map(|entry| entry.line).filter(|line| *line > 0)
    }

    /// Gives `key` another value than the file does. Space around `value` is dropped, nothing is unescaped.
    pub fn set(&mut self, key: &str, value: &str) {
        self.entries.insert(key.to_owned(), Entry { line: 0, value: trim(value).to_owned() });
    }

    /// All keys and their values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry.value.as_str()))
    }
}

/// Prints a line for each key, by key. Reading it gives the same keys and values, on other lines.
impl fmt::Display for NifiProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(key, value)| writeln!(f, "{}={}", escape(key, true), escape(value, false)))
    }
}

/// The lines of `text` as Java sees them: `\n`, `\r` and `\r\n` end one.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, tail) = text.split_at(end);
        rest = Some(tail.strip_prefix("\r\n").unwrap_or(&tail[1..]));
        Some(line)
    })
}

/// `first`, and the lines from `following` that it and they continue on.
fn join_continued<'a>(first: &'a str, mut following: impl Iterator<Item = &'a str>) -> Cow<'a, str> {
    let mut logical = Cow::Borrowed(first);
    while ends_in_open_escape(&logical) {
        logical.to_mut().pop();
        match following.next() {
            Some(next) => logical.to_mut().push_str(next.trim_start_matches(is_space)),
            None => break,
        }
    }
    logical
}

/// Whether the last backslash of `line` has nothing left to escape.
fn ends_in_open_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Cuts a logical line into its key and its value, both still escaped.
fn split(logical: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = logical.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || is_space(c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = logical.split_at(end.unwrap_or(logical.len()));
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_space))
}

/// Resolves backslashes. Java's units are UTF-16, so half a character may be escaped; a lone half becomes U+FFFD. A
/// `\u` without four hexadecimal digits, for which Java gives up, means the letter u.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        match rest.next().unwrap_or('\\') {
            't' => push(&mut units, '\t'),
            'n' => push(&mut units, '\n'),
            'r' => push(&mut units, '\r'),
            'f' => push(&mut units, '\u{c}'),
            'u' => match parse_unit(rest.as_str()) {
                Some(unit) => {
                    units.push(unit);
                    rest = rest.as_str()[4..].chars();
                }
                None => push(&mut units, 'u'),
            },
            other => push(&mut units, other),
        }
    }
    String::from_utf16_lossy(&units).into()
}

/// The UTF-16 unit written in the first four characters.
fn parse_unit(text: &str) -> Option<u16> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

fn push(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

/// Writes `text` so that it reads back: what would end a line, and in a key also what would end the key or begin a
/// comment.
fn escape(text: &str, is_key: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\u{c}' => escaped.push_str("\\f"),
            '\\' => escaped.push_str("\\\\"),
            ' ' | '=' | ':' | '#' | '!' if is_key => escaped.extend(['\\', c]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What Java's properties call white space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Drops what Java's `trim` drops: space and every control character below it.
fn trim(value: &str) -> &str {
    value.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let properties = NifiProperties::parse(text);
        assert_eq!(properties.iter().collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn a_key_ends_at_an_equals_sign_a_colon_or_a_space() {
        for text in ["key=value", "key:value", "key value", "  key \t= value  ", "key : value\t"] {
            check(text, &[("key", "value")]);
        }
        check("key==value", &[("key", "=value")]);
        check("key = = value", &[("key", "= value")]);
        check("a=h1:2181,h2:2181", &[("a", "h1:2181,h2:2181")]);
    }

    #[test]
    fn a_value_may_be_blank_or_missing() {
        for text in ["key=", "key", "key =   ", "key:"] {
            check(text, &[("key", "")]);
        }
        assert_eq!(NifiProperties::parse("key=").get("key"), Some(""));
        assert_eq!(NifiProperties::parse("key=").get("other"), None);
    }

    #[test]
    fn comments_and_blank_lines_mean_nothing() {
        check("# a=1\n  ! b=2\n\n \t\n# not continued \\\nc=3 # kept", &[("c", "3 # kept")]);
    }

    #[test]
    fn a_backslash_at_the_end_joins_the_next_line() {
        check("a=h1,\\\n    h2,\\\r\n\th3\nb=2", &[("a", "h1,h2,h3"), ("b", "2")]);
        check("a=ends\\\\\nb=2", &[("a", "ends\\"), ("b", "2")]);
        check("a=1\\\n# no comment here", &[("a", "1# no comment here")]);
        check("a=1\\\n\nb=2", &[("a", "1"), ("b", "2")]);
        check("a=1\\", &[("a", "1")]);
    }

    #[test]
    fn escapes_are_resolved() {
        check("a\\=b\\ c = \\\\x\\ty\\q", &[("a=b c", "\\x\tyq")]);
        check("a=\\u0041\\u00e9 \\ud83d\\ude00", &[("a", "A\u{e9} \u{1f600}")]);
        check("a=\\u00 \\ud83d", &[("a", "u00 \u{fffd}")]);
        check("firewall=10.0.0.0\\/8", &[("firewall", "10.0.0.0/8")]);
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_knows_its_line() {
        let properties = NifiProperties::parse("a=1\rb=\\\n2\r\n\na=3");
        assert_eq!((properties.get("a"), properties.line("a")), (Some("3"), Some(5)));
        assert_eq!((properties.get("b"), properties.line("b")), (Some("2"), Some(2)));
    }

    #[test]
    fn a_value_that_was_set_stands_on_no_line() {
        let mut properties = NifiProperties::parse("a=1");
        properties.set("a", " 2 ");
        assert_eq!((properties.get("a"), properties.line("a")), (Some("2"), None));
    }

    proptest! {
        #[test]
        fn any_text_is_some_file(text in "(?s).{0,200}", near in "[a=: \\\\u0#!\r\n\u{c}]{0,80}") {
            for text in [text, near] {
                let properties = NifiProperties::parse(&text);
                let printed = NifiProperties::parse(&properties.to_string());
                prop_assert!(properties.iter().eq(printed.iter()), "{} from {:?}", properties, text);
            }
        }
    }
}
