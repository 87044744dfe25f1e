//! The mistakes that a shell can make. The checks must find each of them, and tests ask for them one by one; a build
//! without the feature `flaws` cannot make any.

use zeromaster_zookeeper::SessionState;

/// One mistake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flaw {
    /// What is to be on disk is put there after the messages that depend on it were sent.
    SendsBeforePersist,
    /// The timer is armed once, and never again.
    ArmsTimerOnce,
    /// The end of a session is taken for a lost connection, and the next one for the same.
    KeepsOldSession,
    /// What comes from a connection that was given up is taken for news of the one in use.
    BelievesDeadConnections,
}

/// Whether this shell makes one, and where it stands with it.
#[cfg(feature = "flaws")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaws {
    made: Option<Flaw>,
    was_armed: bool,
    had_session: bool,
}

#[cfg(feature = "flaws")]
impl Flaws {
    pub(crate) fn of(flaw: Flaw) -> Flaws {
        Flaws { made: Some(flaw), ..Flaws::default() }
    }

    /// Whether what is to be on disk waits until everything else is done.
    pub(crate) fn sends_before_persist(&self) -> bool {
        self.made == Some(Flaw::SendsBeforePersist)
    }

    /// Whether the timer is left alone that is to be armed.
    pub(crate) fn leaves_timer(&mut self) -> bool {
        self.made == Some(Flaw::ArmsTimerOnce) && std::mem::replace(&mut self.was_armed, true)
    }

    /// Whether news are taken for those of the connection in use, wherever they come from.
    pub(crate) fn believes_dead_connections(&self) -> bool {
        self.made == Some(Flaw::BelievesDeadConnections)
    }

    /// The state of the session as the node is told of it.
    pub(crate) fn told(&mut self, state: SessionState) -> SessionState {
        if self.made != Some(Flaw::KeepsOldSession) {
            return state;
        }
        match state {
            SessionState::Lost => SessionState::Suspended,
            SessionState::Connected { session, .. } if std::mem::replace(&mut self.had_session, true) => {
                SessionState::Reconnected { session }
            }
            SessionState::Connected { .. }
            | SessionState::Suspended
            | SessionState::Reconnected { .. }
            | SessionState::AuthFailed
            | SessionState::Closed => state,
        }
    }
}

/// A shell that cannot make any.
#[cfg(not(feature = "flaws"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaws {}

#[cfg(not(feature = "flaws"))]
impl Flaws {
    pub(crate) fn sends_before_persist(&self) -> bool {
        false
    }

    pub(crate) fn leaves_timer(&mut self) -> bool {
        false
    }

    pub(crate) fn believes_dead_connections(&self) -> bool {
        false
    }

    pub(crate) fn told(&mut self, state: SessionState) -> SessionState {
        state
    }
}
