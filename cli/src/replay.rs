//! The lines that show a finding again, or go on with a campaign, from the arguments that led to it.

use crate::args::RulesArgument;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

/// A command line in the making.
#[derive(Clone, Debug)]
pub struct Replay(String);

impl Replay {
    /// `zeromaster run`, of what is to come.
    pub fn run() -> Replay {
        Replay("zeromaster run".to_owned())
    }

    /// `zeromaster fuzz`, of what is to come.
    pub fn fuzz() -> Replay {
        Replay("zeromaster fuzz".to_owned())
    }

    /// Adds a word.
    pub fn word(self, word: &str) -> Replay {
        self.any_word(OsStr::new(word))
    }

    /// Adds an option and its value, if there is one.
    pub fn option(self, name: &str, value: Option<&str>) -> Replay {
        match value {
            Some(value) => self.word(name).word(value),
            None => self,
        }
    }

    /// Adds the rules.
    pub fn rules(self, rules: &RulesArgument) -> Replay {
        let named = self.option("--rules", rules.name.as_deref());
        rules.overrides.iter().fold(named, |replay, rule| replay.option("--rule", Some(&rule.to_string())))
    }

    /// Adds a file.
    pub fn path(self, path: &Path) -> Replay {
        // What begins like an option would be taken for one.
        match path.as_os_str().as_encoded_bytes() {
            [b'-', ..] => self.any_word(Path::new(".").join(path).as_os_str()),
            _ => self.any_word(path.as_os_str()),
        }
    }

    /// Adds an option and the file that is its value, if there is one.
    pub fn path_option(self, name: &str, path: Option<&Path>) -> Replay {
        match path {
            Some(path) => self.word(name).path(path),
            None => self,
        }
    }

    /// The line for a seed.
    pub fn line(&self, seed: u64) -> String {
        format!("{self} --seed {seed}")
    }

    fn any_word(mut self, word: &OsStr) -> Replay {
        self.0.push(' ');
        self.0.push_str(&quoted(word.as_encoded_bytes()));
        self
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word as a shell takes it. One with control characters, or with bytes that are no UTF-8, needs a form that all shells
/// but the smallest know.
fn quoted(word: &[u8]) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:=@%,".contains(&byte);
    match str::from_utf8(word) {
        Ok(text) if !text.is_empty() && text.bytes().all(plain) => text.into(),
        Ok(text) if crate::escape::line(text) == text => format!("'{}'", text.replace('\'', r"'\''")).into(),
        Ok(_) | Err(_) => {
            let mut out = "$'".to_owned();
            for &byte in word {
                match byte {
                    b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
                    b' '..=b'~' => out.push(char::from(byte)),
                    _ => {
                        let _ = write!(out, "\\{byte:03o}");
                    }
                }
            }
            out.push('\'');
            out.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        assert_eq!(Replay::fuzz().path(Path::new("-a")).to_string(), "zeromaster fuzz ./-a");
        let replay = Replay::run().path(Path::new("my cluster/it's.toml")).option("--until", Some("5 mins"));
        let overrides = ["leadership_cache = 2s", "auto_reconnect=UNKNOWN"].map(|rule| rule.parse().unwrap());
        let rules = RulesArgument { name: None, overrides: overrides.into() };
        let replay = replay.rules(&RulesArgument::default()).rules(&rules).option("--nodes", Some("3"));
        assert_eq!(
            replay.line(7),
            r"zeromaster run 'my cluster/it'\''s.toml' --until '5 mins' --rule 'leadership_cache = 2s' --rule auto_reconnect=UNKNOWN --nodes 3 --seed 7"
        );
    }

    #[test]
    fn a_word_that_a_terminal_would_obey_is_written_in_octal() {
        assert_eq!(quoted(b"it's\x1b[1m\\\n7"), r"$'it\'s\033[1m\\\0127'");
        assert_eq!(quoted(b"a\xff.toml"), r"$'a\377.toml'");
        assert_eq!(quoted("größe 1".as_bytes()), "'größe 1'");
        assert_eq!(quoted(b""), "''");
    }
}
