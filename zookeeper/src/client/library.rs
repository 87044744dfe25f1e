//! Which client library a client behaves like: what it does when it hears nothing, and when its session is over.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The habits in which the libraries differ. Everything else is Java's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Library {
    /// How many hundredths of the negotiated timeout `Suspended` may last before the session is given up: Curator's
    /// `simulatedSessionExpirationPercent`. `None`: for ever.
    pub suspended_percent_max: Option<u32>,
    /// Whether the session is given up when for four thirds of the negotiated timeout nothing was heard and no
    /// connection could be opened: Java's client since 3.9.3 (ZOOKEEPER-4508).
    pub expires_unheard: bool,
    /// Whether a new session follows one that is lost. Without it `Closed` follows.
    pub renews_session: bool,
    /// Whether what is asked without a connection waits for the outcome of the next attempt to connect. Without it,
    /// it fails at once.
    pub keeps_requests: bool,
}

impl Library {
    /// ZooKeeper's own client before 3.9.3: it learns of the end of its session from a server, and then it has ended.
    pub const JAVA_3_8: Library = Library {
        suspended_percent_max: None,
        expires_unheard: false,
        renews_session: false,
        keeps_requests: true,
    };

    /// ZooKeeper's own client since 3.9.3.
    pub const JAVA_3_9_3: Library = Library { expires_unheard: true, ..Library::JAVA_3_8 };

    /// Curator, as it is configured by default, on ZooKeeper's client before 3.9.3. The wait for a connection that
    /// Curator's retries bring with them is left to the caller.
    pub const CURATOR: Library = Library {
        suspended_percent_max: Some(100),
        expires_unheard: false,
        renews_session: true,
        keeps_requests: false,
    };

    /// Curator, as it is configured by default, on ZooKeeper's client since 3.9.3.
    pub const CURATOR_ON_JAVA_3_9_3: Library = Library { expires_unheard: true, ..Library::CURATOR };

    /// When a session with this negotiated timeout is given up that was last heard of at `heard_at`, and was suspended
    /// at `suspended_at`.
    pub(super) fn gives_up_at(
        &self,
        timeout: Duration,
        heard_at: Duration,
        suspended_at: Option<Duration>,
    ) -> Option<Duration> {
        let unheard =
            self.expires_unheard.then(|| heard_at.saturating_add(timeout).saturating_add(timeout / 3));
        let suspended = match (suspended_at, self.suspended_percent_max) {
            (Some(since), Some(percent)) => Some(since.saturating_add(timeout.saturating_mul(percent) / 100)),
            (None, _) | (_, None) => None,
        };
        unheard.into_iter().chain(suspended).min()
    }
}

impl Default for Library {
    /// [`Library::CURATOR`].
    fn default() -> Self {
        Library::CURATOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(library: Library, suspended_at: Option<u64>, expected: Option<u64>) {
        let timeout = Duration::from_secs(6);
        let heard_at = Duration::from_secs(10);
        let gives_up_at = library.gives_up_at(timeout, heard_at, suspended_at.map(Duration::from_secs));
        assert_eq!(gives_up_at, expected.map(Duration::from_secs));
    }

    #[test]
    fn each_library_gives_up_when_it_does() {
        check(Library::JAVA_3_8, None, None);
        check(Library::JAVA_3_8, Some(14), None);
        check(Library::JAVA_3_9_3, None, Some(18));
        check(Library::JAVA_3_9_3, Some(14), Some(18));
        check(Library::CURATOR, None, None);
        check(Library::CURATOR, Some(11), Some(17));
        check(Library::CURATOR, Some(14), Some(20));
        check(Library::CURATOR_ON_JAVA_3_9_3, None, Some(18));
        check(Library::CURATOR_ON_JAVA_3_9_3, Some(11), Some(17));
        check(Library::CURATOR_ON_JAVA_3_9_3, Some(14), Some(18));
        check(Library { suspended_percent_max: Some(50), ..Library::CURATOR }, Some(14), Some(17));
    }

    #[test]
    fn the_longest_timeout_is_never_over() {
        let far =
            Library::CURATOR_ON_JAVA_3_9_3.gives_up_at(Duration::MAX, Duration::MAX, Some(Duration::MAX));
        assert!(far.is_some_and(|far| far > Duration::from_secs(1 << 50)));
    }
}
