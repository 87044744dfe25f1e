//! Tests that need what is not on every machine: without it they are reported as ignored, with the reason, and where it is
//! required they fail.

use crate::real::{Absent, Distribution};
use libtest_mimic::{Completion, Failed, Trial};
use std::env::var_os;
use std::fmt;
use std::sync::OnceLock;

/// The variable that, when it is set, makes tests fail that would be ignored.
pub const REQUIRED_VARIABLE: &str = "ZOOKEEPER_REQUIRED";

/// A test that needs a real server.
pub fn with_original(
    name: impl Into<String>,
    test: impl FnOnce(&Distribution) -> Result<Completion, Failed> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match original() {
        Ok(distribution) => test(distribution),
        Err(absent) => missing(absent),
    })
}

/// How a test ends that lacks something, for this reason.
///
/// # Errors
/// When it is required.
pub fn missing(reason: impl fmt::Display) -> Result<Completion, Failed> {
    end_without(reason, var_os(REQUIRED_VARIABLE).is_some())
}

fn end_without(reason: impl fmt::Display, is_required: bool) -> Result<Completion, Failed> {
    if is_required {
        Err(format!("{reason}; {REQUIRED_VARIABLE} is set, so this test must not be ignored").into())
    } else {
        Ok(Completion::ignored_with(reason))
    }
}

/// Looked for once: to ask Java takes longer than some tests.
fn original() -> Result<&'static Distribution, &'static Absent> {
    static ORIGINAL: OnceLock<Result<Distribution, Absent>> = OnceLock::new();
    ORIGINAL.get_or_init(Distribution::from_environment).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_ignored_unless_it_is_required() {
        let ignored = end_without("there is no java", false);
        assert!(matches!(
            ignored,
            Ok(Completion::Ignored { reason: Some(reason) }) if reason == "there is no java"
        ));
        let failed = end_without("there is no java", true).err().expect("it fails");
        let message = failed.message().unwrap_or_default();
        assert!(message.contains("there is no java; ZOOKEEPER_REQUIRED is set"), "{message}");
    }
}
