//! A panic is a bug of ours. That of a run is a finding like any other: caught, with the words it died with. Any other is
//! said on standard error, where it may be lost without a second panic.

use crate::output;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

thread_local! {
    /// The last words on this thread.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };

    /// Whether this thread is in [`catch`].
    static CATCHES: Cell<bool> = const { Cell::new(false) };
}

/// From now on the words of a panic are kept for [`catch`], and those that nothing catches are said.
pub fn listen() {
    set_hook(Box::new(hear));
}

fn hear(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
    let words = format!("{}{place}", info.payload_as_str().unwrap_or("no words"));
    if CATCHES.get() {
        LAST_WORDS.with_borrow_mut(|last| *last = words);
    } else {
        output::error(in_words(&words));
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        output::say(&format!("{backtrace}\n"));
    }
}

/// A panic, for the person who sees it.
pub fn in_words(words: &str) -> String {
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    format!("panicked{words}; this is a bug of zeromaster")
}

/// What `work` returns, or the last words of its panic; empty if they were said already.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CATCHES.replace(true);
    // What the work has left in the middle of a change is dropped with it.
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHES.set(outer);
    done.map_err(|_| LAST_WORDS.take().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Tells a test of this file, started as a process of its own, that it is one.
    const CHILD: &str = "ZEROMASTER_TEST_OF_PANICS";

    /// How the process ends if all went well.
    const SURVIVED: i32 = 42;

    /// Does `work` in a process of its own, whose standard error is `stderr`; what it said, if that is piped. The hook is
    /// one for the whole process, and so it would be that of other tests too.
    #[track_caller]
    fn check_survives(name: &str, stderr: impl Into<Stdio>, work: impl FnOnce()) -> String {
        if std::env::var_os(CHILD).is_some() {
            listen();
            work();
            std::process::exit(SURVIVED);
        }
        let this = std::env::current_exe().expect("it has a name");
        let mut child = Command::new(this);
        child.args(["--exact", "--nocapture", &format!("panics::tests::{name}")]).env(CHILD, "1");
        child.env_remove("RUST_BACKTRACE").stdout(Stdio::null()).stderr(stderr);
        let output = child.output().expect("it can be started");
        let said = String::from_utf8(output.stderr).expect("it is text");
        assert_eq!(output.status.code(), Some(SURVIVED), "{said}");
        said
    }

    #[test]
    fn a_panic_is_caught_with_its_words_and_its_place() {
        let said = check_survives("a_panic_is_caught_with_its_words_and_its_place", Stdio::piped(), || {
            let caught: Result<(), String> = catch(|| panic!("a belief\nwas broken"));
            let words = caught.unwrap_err();
            assert!(words.starts_with("a belief was broken (") && words.contains("panics.rs:"), "{words}");
            assert_eq!(catch(|| 5), Ok(5));
        });
        assert_eq!(said, "");
    }

    #[test]
    fn a_panic_that_nothing_catches_is_said_in_one_line() {
        let said = check_survives("a_panic_that_nothing_catches_is_said_in_one_line", Stdio::piped(), || {
            let ended = std::thread::spawn(|| panic!("a \u{1b}[31mbelief\nwas broken")).join();
            assert!(ended.is_err());
        });
        assert!(said.starts_with("error: panicked: a \\u001b[31mbelief\\nwas broken ("), "{said}");
        assert!(said.ends_with("; this is a bug of zeromaster\n"), "{said}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_panic_that_cannot_be_said_is_no_second_one() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("there is /dev/full");
        check_survives("a_panic_that_cannot_be_said_is_no_second_one", full, || {
            let ended = std::thread::spawn(|| panic!("a belief was broken")).join();
            assert!(ended.is_err());
        });
    }
}
