//! A panic of a run is a bug of ours, and a finding like any other: caught, with the words it died with.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    /// The last words on this thread.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on panics are not printed where they happen, but kept for [`catch`].
pub fn keep_quiet() {
    set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        let words = info.payload_as_str().unwrap_or("no words");
        let words = format!("{}{place}", words.replace('\n', " "));
        LAST_WORDS.with_borrow_mut(|last| *last = words);
    }));
}

/// What `work` returns, or the last words of its panic; empty if they were printed already.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // What the work has left in the middle of a change is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| LAST_WORDS.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_its_place() {
        keep_quiet();
        let caught = catch(|| panic!("a belief\nwas broken"));
        drop(std::panic::take_hook());
        let words: Result<(), String> = caught;
        let words = words.unwrap_err();
        assert!(words.starts_with("a belief was broken (") && words.contains("panics.rs:"), "{words}");
        assert_eq!(catch(|| 5), Ok(5));
    }
}
