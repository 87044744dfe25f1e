//! What ZooKeeper leaves open, and what therefore is not compared. This is the whole list: what is not here must be
//! equal.

/// Something that two correct servers may do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unspecified {
    /// Numbers of sessions.
    SessionIds,
    /// Passwords of sessions.
    Passwords,
    /// What the clock said.
    WallClock,
    /// The order in which children are listed.
    ChildOrder,
    /// The order in which the ephemerals of one session are listed.
    EphemeralOrder,
    /// The order in which the ephemerals of one session go when it ends.
    EndingOrder,
    /// The order in which a connection's authentications are listed.
    AuthenticationOrder,
    /// What the original does not survive.
    Fatal,
    /// Persistent watches on no path at all.
    NullWatch,
    /// Requests that only servers make.
    ServersOnly,
    /// What a connection is told that stops sending before it listens.
    HalfClosed,
    /// Texts for people.
    Prose,
}

impl Unspecified {
    /// All of them.
    pub const ALL: &[Unspecified] = &[
        Unspecified::SessionIds,
        Unspecified::Passwords,
        Unspecified::WallClock,
        Unspecified::ChildOrder,
        Unspecified::EphemeralOrder,
        Unspecified::EndingOrder,
        Unspecified::AuthenticationOrder,
        Unspecified::Fatal,
        Unspecified::NullWatch,
        Unspecified::ServersOnly,
        Unspecified::HalfClosed,
        Unspecified::Prose,
    ];

    /// Why it is not compared, and what is compared in its place.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Unspecified::SessionIds => {
                "an id holds the server's number and its clock; sessions are compared by the order in which they began, \
                 also where they own nodes"
            }
            Unspecified::Passwords => {
                "a password is a function of the id that each server chooses; compared: that it has 16 bytes, and that \
                 resuming gives it again"
            }
            Unspecified::WallClock => {
                "ctime and mtime are the clock's; compared: that every transaction has one time, that times of later \
                 transactions are not earlier, and that they are near the time of the test"
            }
            Unspecified::ChildOrder => {
                "children come out of a hash table; compared as a set (getChildren, getChildren2, multiRead)"
            }
            Unspecified::EphemeralOrder => "they come out of a hash table; compared as a set (getEphemerals)",
            Unspecified::EndingOrder => {
                "they go in the order of a hash table, all with one zxid; the events of such a step are compared as a \
                 set for each connection"
            }
            Unspecified::AuthenticationOrder => "they come out of a hash table; compared as a set (whoAmI)",
            Unspecified::Fatal => {
                "createTTL with the flags of another kind and a negative ttl passes the checks and kills the original \
                 when it is applied; never sent"
            }
            Unspecified::NullWatch => {
                "addWatch with a null path, also through setWatches2, succeeds, but then 3.8.0 cannot close that \
                 connection any more; never sent"
            }
            Unspecified::ServersOnly => {
                "createSession (opcode -10) sent by a client makes the original shake hands again in the middle of a \
                 session; never sent"
            }
            Unspecified::HalfClosed => {
                "whether an answer still goes out to a client that has stopped sending is a race; such a client says \
                 nothing that changes anything"
            }
            Unspecified::Prose => {
                "of `srvr` only the lines Zxid, Mode and Node count are compared; other four-letter words are only \
                 compared where their whole text is fixed (ruok, isro)"
            }
        }
    }
}

/// A list whose order `because` leaves open, put into one order.
#[must_use]
pub fn in_one_order<T: Ord>(because: Unspecified, mut list: Vec<T>) -> Vec<T> {
    match because {
        Unspecified::ChildOrder
        | Unspecified::EphemeralOrder
        | Unspecified::EndingOrder
        | Unspecified::AuthenticationOrder => list.sort(),
        Unspecified::SessionIds
        | Unspecified::Passwords
        | Unspecified::WallClock
        | Unspecified::Fatal
        | Unspecified::NullWatch
        | Unspecified::ServersOnly
        | Unspecified::HalfClosed
        | Unspecified::Prose => unreachable!("{because:?} leaves no order open"),
    }
    list
}
