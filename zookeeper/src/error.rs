//! The error codes of ZooKeeper's protocol, their numbers, and words for people.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $words:literal;)+) => {
        /// Why an operation did not succeed. The numbers are those of the wire.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[repr(i32)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)+
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),+];

            const fn words(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $words,)+
                }
            }
        }
    };
}

error_codes! {
    /// No error. Only inside the results of a multi that failed.
    Ok = 0, "no error";
    /// The server failed in a way that is not told apart here. Clients say it for every number without a code.
    SystemError = -1, "the server failed";
    /// A multi failed before this operation was looked at; or the server broke a belief of its own.
    RuntimeInconsistency = -2, "not looked at, because an earlier operation failed";
    /// The connection broke, or there was none. What was on its way may have happened, may still happen, or never
    /// will. Clients say it; it is never on the wire.
    ConnectionLoss = -4, "connection lost, outcome unknown";
    /// The body of the request could not be read.
    MarshallingError = -5, "the request could not be read";
    /// The request is not served.
    Unimplemented = -6, "not implemented";
    /// The path, the flag, the version or the time to live is not legal here.
    BadArguments = -8, "not a legal path or argument";
    /// A reconfiguration was asked for where none is enabled.
    ReconfigDisabled = -123, "reconfiguration is disabled";
    /// There is no such node, or no parent to create it under.
    NoNode = -101, "no such node";
    /// The ACL does not allow it.
    NoAuth = -102, "not allowed";
    /// The data, or the ACL, has another version than was asked for.
    BadVersion = -103, "another version of the data";
    /// The parent is ephemeral.
    NoChildrenForEphemerals = -108, "an ephemeral node has no children";
    /// There is such a node already.
    NodeExists = -110, "the node exists";
    /// The node has children.
    NotEmpty = -111, "the node has children";
    /// The session is over.
    SessionExpired = -112, "the session expired";
    /// The ACL is empty or names nobody.
    InvalidAcl = -114, "not a legal ACL";
    /// The credentials were not accepted.
    AuthFailed = -115, "authentication failed";
    /// The session has moved to another connection. No client ever sees it: the connection is closed instead.
    SessionMoved = -118, "the session has moved";
    /// There is no such watch.
    NoWatcher = -121, "no such watch";
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The code of that number, if there is one.
    #[must_use]
    pub fn of(number: i32) -> Option<Self> {
        ErrorCode::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl core::error::Error for ErrorCode {}
