//! Arguments from words, and what clap says of words that are none: the help on standard output, errors on standard
//! error, with nothing in them that a terminal obeys but clap's own colours.

use crate::complaint::Complaint;
use crate::escape;
use crate::exit::Exit;
use crate::output::{say, written};
use clap::Parser;
use clap::builder::Styles;
use std::ffi::OsString;
use std::io::{Write as _, stdout};

/// Why there are no arguments: something is wrong with them, or they ask for the help or the version.
#[derive(Debug)]
pub enum Unusable {
    /// Clap's words, in which every word of the user's is escaped.
    Clean(clap::Error),
    /// The same, without colours, so that all of it can be escaped.
    Plain(String),
}

/// Reads the arguments from these words, of which the first is the program's name.
///
/// # Errors
/// When they are none, or ask for the help or the version.
pub fn parse<P: Parser>(words: Vec<OsString>) -> Result<P, Unusable> {
    P::try_parse_from(&words).map_err(|error| {
        let shown: Vec<_> = words.iter().map(escaped).collect();
        if shown == words {
            return Unusable::Clean(error);
        }
        // Clap repeats the words of the user. It does so with escaped ones too, as long as they are wrong in the same way.
        match P::try_parse_from(shown) {
            Err(clean) if clean.kind() == error.kind() => Unusable::Clean(clean),
            Err(_) | Ok(_) => {
                let plain = P::command().styles(Styles::plain()).try_get_matches_from(words);
                let text = plain.err().map(|error| error.render().ansi().to_string());
                Unusable::Plain(text.unwrap_or_else(|| "error: the arguments are wrong\n".to_owned()))
            }
        }
    })
}

fn escaped(word: &OsString) -> OsString {
    escape::line(&word.to_string_lossy()).into_owned().into()
}

impl Unusable {
    /// Says it, or prints the help that was asked for.
    ///
    /// # Errors
    /// When the help cannot be written.
    pub fn explain(&self) -> Result<Exit, Complaint> {
        match self {
            Unusable::Plain(text) => say(text),
            Unusable::Clean(error) if error.use_stderr() => {
                // That it cannot be heard changes nothing.
                let _ = error.print();
            }
            Unusable::Clean(help) => {
                written(help.print().and_then(|()| stdout().flush()))?;
                return Ok(Exit::Passed);
            }
        }
        Ok(Exit::Usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;

    /// Everything that is said of these words.
    fn said(words: &[&str]) -> String {
        let words = ["zeromaster"].iter().chain(words).map(OsString::from).collect();
        match parse::<Arguments>(words).expect_err("they are wrong") {
            Unusable::Clean(error) => error.render().ansi().to_string(),
            Unusable::Plain(text) => text,
        }
    }

    #[test]
    fn the_words_of_the_user_are_escaped() {
        for words in [
            &["ru\u{1b}[35mn"][..],
            &["run", "--no\u{1b}[35mdes"],
            &["run", "--seed", "1\u{1b}[35m"],
            &["run", "--nodes", "\u{1b}[35m"],
            &["run", "--rules", "\u{1b}[35m"],
            &["run", "--rule", "\u{1b}[35m"],
            &["run", "--rule", "\u{1b}[35m=3"],
            &["run", "--rule", "act_under_lease=\u{1b}[35m"],
            &["run", "--until", "\u{1b}[35m"],
            &["run", "a", "\u{1b}[35m"],
            &["fuzz", "--seeds", "\u{1b}[35m"],
            &["fuzz", "--jobs", "\u{1b}[35m"],
            &["zookeeper", "--release", "\u{1b}[35m"],
            &["zookeeper", "\u{1b}[35m"],
        ] {
            let said = said(words);
            // Clap's own colours are others.
            assert!(said.contains("error:") && !said.contains("\u{1b}[35m"), "{words:?}: {said:?}");
            assert!(said.contains("\\u001b[35m"), "{words:?}: {said}");
        }
    }

    #[test]
    fn a_word_that_is_right_once_it_is_escaped_is_escaped_all_the_same() {
        /// Takes what is escaped, and nothing else.
        #[derive(Parser, Debug)]
        struct Odd {
            #[arg(value_parser = |text: &str| if text.is_ascii() { Ok(text.to_owned()) } else { Err("odd") })]
            _word: String,
        }
        let unusable = parse::<Odd>(vec!["odd".into(), "\u{9b}31m".into()]).expect_err("it is wrong");
        assert!(matches!(&unusable, Unusable::Plain(text) if text.starts_with("error: ")), "{unusable:?}");
    }
}
