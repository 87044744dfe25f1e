//! Text that came from outside (arguments, names of files, keys and values) as a terminal may show it: a control
//! character would move the cursor, change colours, or hide what stands before it.

use std::borrow::Cow;

/// `text` as a part of one line: every control character is written as an escape.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// `text` of any number of lines: every control character but the ends of lines is written as an escape. JSON and TOML
/// read these escapes, in strings, as the character.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != '\n' && is_control(character))
}

/// The characters that a terminal obeys instead of showing them: those of ASCII and of Latin-1, line and paragraph
/// separators, and those that turn the direction of writing.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            plain if !is_escaped(plain) => out.push(plain),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control => out.push_str(&format!("\\u{:04x}", u32::from(control))),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left() {
        let all: String = ('\0'..='\u{3000}').collect();
        assert!(!line(&all).contains(|character: char| character.is_control()));
        assert_eq!(lines(&all).matches(|character: char| character.is_control()).collect::<Vec<_>>(), ["\n"]);
        for turning in ['\u{202e}', '\u{2066}', '\u{2028}'] {
            assert!(!lines(&all).contains(turning), "{turning:?}");
        }
    }

    #[test]
    fn what_is_no_control_character_stays() {
        let plain = "n1 · größer … 漢字 \\u001b";
        assert_eq!(line(plain), plain);
        assert_eq!(line("a\n\tb\r\u{1b}[31m\u{9b}c"), "a\\n\\tb\\r\\u001b[31m\\u009bc");
        assert_eq!(lines("a\n\tb"), "a\n\\tb");
    }

    #[test]
    fn json_reads_the_escapes() {
        let text = "\u{7f}\u{9b}\u{202e}";
        let json = serde_json::to_string(text).expect("it is text");
        assert_eq!(serde_json::from_str::<String>(&lines(&json)).ok().as_deref(), Some(text));
    }
}
