//! The line that shows a finding again, from the arguments that led to it.

use crate::args::RulesArgument;
use std::borrow::Cow;
use std::path::Path;

/// A command line in the making.
#[derive(Clone, Debug)]
pub struct Replay(String);

impl Replay {
    /// `zeromaster run`, of what is to come.
    pub fn new() -> Replay {
        Replay("zeromaster run".to_owned())
    }

    /// Adds a word.
    pub fn word(mut self, word: &str) -> Replay {
        self.0.push(' ');
        self.0.push_str(&quoted(word));
        self
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
        self.word(&path.to_string_lossy())
    }

    /// The line for a seed.
    pub fn line(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.0)
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:=@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let replay = Replay::new().path(Path::new("my cluster/it's.toml")).option("--until", Some("5 mins"));
        let overrides = ["leadership_cache = 2s", "auto_reconnect=UNKNOWN"].map(|rule| rule.parse().unwrap());
        let rules = RulesArgument { name: None, overrides: overrides.into() };
        let replay = replay.rules(&RulesArgument::default()).rules(&rules).option("--nodes", Some("3"));
        assert_eq!(
            replay.line(7),
            r"zeromaster run 'my cluster/it'\''s.toml' --until '5 mins' --rule 'leadership_cache = 2s' --rule auto_reconnect=UNKNOWN --nodes 3 --seed 7"
        );
    }
}
