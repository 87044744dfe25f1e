//! Who may do what with a node: identities, permissions and lists of them; which operation needs which is left to the tree.

mod address;

use crate::error::ErrorCode;
use crate::types::Release;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use serde::{Deserialize, Serialize};

/// May read data and list children.
pub const READ: i32 = 1;
/// May set data.
pub const WRITE: i32 = 2;
/// May create children.
pub const CREATE: i32 = 4;
/// May delete children.
pub const DELETE: i32 = 8;
/// May set the ACL.
pub const ADMIN: i32 = 16;
/// May do everything.
pub const ALL: i32 = 31;

/// The scheme of an entry over which servers stumble, because it has a null where they look at it. No scheme that a client
/// names begins with this; what does is read as another that nobody knows.
pub(crate) const STUMBLING: &str = "\0";

/// Somebody, in the words of an authentication scheme.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// `world`, `auth`, `digest`, `ip` or `super`; any other is refused where it matters.
    pub scheme: String,
    /// Who, in the words of the scheme.
    pub id: String,
}

impl Identity {
    /// The identity `id` in the words of `scheme`.
    #[must_use]
    pub fn new(scheme: &str, id: &str) -> Self {
        Identity { scheme: scheme.into(), id: id.into() }
    }

    /// The identity as `whoAmI` shows it: of a digest the name alone, of `super` nothing.
    pub(crate) fn as_user(&self) -> Identity {
        let user = match Scheme::of(&self.scheme) {
            Some(Scheme::Digest) => self.id.split(':').next().unwrap_or_default(),
            Some(Scheme::Ip) => &self.id,
            None => "",
        };
        Identity::new(&self.scheme, user)
    }

    fn is_anyone(&self) -> bool {
        self.scheme == "world" && self.id == "anyone"
    }
}

/// One entry of an access control list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Acl {
    /// What is allowed: a sum of [`READ`], [`WRITE`], [`CREATE`], [`DELETE`] and [`ADMIN`]. Others may be set, and mean
    /// nothing.
    pub permissions: i32,
    /// To whom.
    pub identity: Identity,
}

impl Acl {
    /// Everybody may do everything: ZooKeeper's `OPEN_ACL_UNSAFE`.
    #[must_use]
    pub fn open() -> Vec<Acl> {
        vec![Acl { permissions: ALL, identity: Identity::new("world", "anyone") }]
    }

    /// Everybody may read: ZooKeeper's `READ_ACL_UNSAFE`.
    #[must_use]
    pub fn readable() -> Vec<Acl> {
        vec![Acl { permissions: READ, identity: Identity::new("world", "anyone") }]
    }
}

/// The schemes in which an entry can name somebody. `world` has nobody but `anyone`, and `auth` and `super` are no
/// schemes of entries that are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Digest,
    Ip,
}

impl Scheme {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "digest" => Some(Scheme::Digest),
            "ip" => Some(Scheme::Ip),
            _ => None,
        }
    }

    fn is_legal(self, id: &str, release: Release) -> bool {
        match self {
            Scheme::Digest => is_user_and_hash(id),
            Scheme::Ip => address::is_legal(id, release),
        }
    }

    fn matches(self, id: &str, entry: &str, release: Release) -> bool {
        match self {
            Scheme::Digest => id == entry,
            Scheme::Ip => address::matches(id, entry, release),
        }
    }
}

/// Whether `id` falls into exactly two parts at its colons, where empty parts at the end do not count.
fn is_user_and_hash(id: &str) -> bool {
    let id = id.trim_end_matches(':');
    !id.is_empty() && id.matches(':').count() == 1
}

/// Whether the list allows one of `permissions` to somebody with these identities. An empty list allows everything.
pub(crate) fn permits(release: Release, acl: &[Acl], permissions: i32, identities: &[Identity]) -> bool {
    let names = |entry: &Acl| {
        entry.identity.is_anyone()
            || Scheme::of(&entry.identity.scheme).is_some_and(|scheme| {
                identities
                    .iter()
                    .filter(|identity| identity.scheme == entry.identity.scheme)
                    .any(|identity| scheme.matches(&identity.id, &entry.identity.id, release))
            })
    };
    acl.is_empty()
        || acl.iter().any(|entry| entry.permissions & permissions != 0 && entry.identity.is_anyone())
        || identities.iter().any(|identity| identity.scheme == "super")
        || acl.iter().any(|entry| entry.permissions & permissions != 0 && names(entry))
}

/// How many entries may stand in the place of `auth` in all lists of one transaction. A real server has no such limit, but
/// its memory: sixty thousand entries fit into a request, and each may stand for thirty thousand identities.
pub(crate) const AUTH_ENTRIES_MAX: usize = 1 << 14;

/// The list as it is stored: without entries that are there twice, and with the identities of the client in place of
/// `auth`.
///
/// # Errors
/// [`ErrorCode::InvalidAcl`] when it is empty, names nobody, or has `auth` and the client has shown no credentials, or
/// more than there is `room` for;
/// [`ErrorCode::MarshallingError`] when there is something in it to stumble over before that.
pub(crate) fn checked(
    release: Release,
    acl: Option<&[Acl]>,
    identities: &[Identity],
    room: &Cell<usize>,
) -> Result<Arc<[Acl]>, ErrorCode> {
    let acl = acl.filter(|acl| !acl.is_empty()).ok_or(ErrorCode::InvalidAcl)?;
    let mut stored = Vec::with_capacity(acl.len());
    let mut seen = BTreeSet::new();
    for entry in acl {
        // Most lists have one entry.
        if acl.len() > 1 && !seen.insert(entry) {
            continue;
        }
        let Identity { scheme, id } = &entry.identity;
        if entry.identity.is_anyone() {
            stored.push(entry.clone());
        } else if scheme == STUMBLING {
            return Err(ErrorCode::MarshallingError);
        } else if scheme == "auth" {
            // An address proves nothing, and `super` is no scheme of its own.
            let shown =
                identities.iter().filter(|identity| Scheme::of(&identity.scheme) == Some(Scheme::Digest));
            let before = stored.len();
            stored.extend(
                shown.map(|identity| Acl { permissions: entry.permissions, identity: identity.clone() }),
            );
            let added = stored.len() - before;
            let left = room.get().checked_sub(added).ok_or(ErrorCode::InvalidAcl)?;
            room.set(left);
            if added == 0 {
                return Err(ErrorCode::InvalidAcl);
            }
        } else if Scheme::of(scheme).is_some_and(|scheme| scheme.is_legal(id, release)) {
            stored.push(entry.clone());
        } else {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    Ok(stored.into())
}

/// The list as somebody may see it who may not set it: without the hashes of passwords (ZOOKEEPER-1392).
pub(crate) fn redacted(acl: &[Acl]) -> Vec<Acl> {
    let redact = |entry: &Acl| match Scheme::of(&entry.identity.scheme) {
        Some(Scheme::Digest) => Acl {
            permissions: entry.permissions,
            identity: Identity {
                scheme: entry.identity.scheme.clone(),
                id: without_hash(&entry.identity.id),
            },
        },
        Some(Scheme::Ip) | None => entry.clone(),
    };
    acl.iter().map(redact).collect()
}

/// From a colon to the end of the line all is replaced by one letter; a user name may have more than one line.
fn without_hash(id: &str) -> String {
    let mut shown = String::new();
    let mut hidden = false;
    for character in id.chars() {
        if matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            hidden = false;
        } else if character == ':' && !hidden {
            hidden = true;
            shown.push_str(":x");
        }
        if !hidden {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use Release::V3_9_5;
    use alloc::format;

    fn entry(permissions: i32, scheme: &str, id: &str) -> Acl {
        Acl { permissions, identity: Identity::new(scheme, id) }
    }

    #[test]
    fn a_digest_is_a_name_and_a_hash() {
        for (id, legal) in [
            ("u:h", true),
            (":h", true),
            ("u:h:", true),
            ("u:h::", true),
            ("u", false),
            ("u:", false),
            ("", false),
            (":", false),
            ("u::h", false),
            ("u:h:x", false),
            ("::h", false),
        ] {
            assert_eq!(is_user_and_hash(id), legal, "{id:?}");
        }
    }

    #[test]
    fn every_permission_is_asked_for_by_itself() {
        for held in 0..=ALL {
            for wanted in [READ, WRITE, CREATE, DELETE, ADMIN, READ | ADMIN] {
                let acl = [entry(held, "world", "anyone")];
                assert_eq!(permits(V3_9_5, &acl, wanted, &[]), held & wanted != 0);
            }
        }
    }

    #[test]
    fn an_entry_speaks_for_those_it_names_in_their_own_scheme() {
        let digest = Identity::new("digest", "u:h");
        let ip = Identity::new("ip", "10.0.0.1");
        let by_digest = core::slice::from_ref(&digest);
        for (acl, identities, expected) in [
            (&[entry(READ, "digest", "u:h")][..], by_digest, true),
            (&[entry(READ, "digest", "u:h")], &[], false),
            (&[entry(READ, "digest", "u:x")], by_digest, false),
            (&[entry(READ, "ip", "u:h")], by_digest, false),
            (&[entry(WRITE, "digest", "u:h")], by_digest, false),
            (&[entry(WRITE, "digest", "u:h"), entry(READ, "digest", "u:h")], by_digest, true),
            (&[entry(READ, "ip", "10.0.0.0/8")], &[digest.clone(), ip.clone()], true),
            (&[entry(READ, "ip", "11.0.0.0/8")], &[digest.clone(), ip], false),
            (&[entry(READ, "world", "someone")], by_digest, false),
            (&[entry(WRITE, "world", "anyone")], &[Identity::new("super", "")], true),
            (&[entry(READ, "super", "")], &[], false),
            (&[], &[], true),
        ] {
            assert_eq!(permits(V3_9_5, acl, READ, identities), expected, "{acl:?} {identities:?}");
        }
    }

    #[test]
    fn what_is_stored_names_somebody_and_everybody_once() {
        let me = [
            Identity::new("ip", "10.0.0.1"),
            Identity::new("digest", "a:1"),
            Identity::new("super", ""),
            Identity::new("digest", "b:2"),
        ];
        let anyone = || entry(ALL, "world", "anyone");
        let (a, b) = (entry(READ, "digest", "a:1"), entry(READ, "digest", "b:2"));
        for (acl, expected) in [
            (&[][..], None),
            (&[anyone()], Some(&[anyone()][..])),
            (&[anyone(), a.clone(), anyone()], Some(&[anyone(), a.clone()])),
            (&[anyone(), entry(READ, "world", "anyone")], Some(&[anyone(), entry(READ, "world", "anyone")])),
            (&[entry(READ, "auth", "whatever")], Some(&[a.clone(), b.clone()])),
            // What `auth` stands for is not compared with what is there.
            (&[a.clone(), entry(READ, "auth", "")], Some(&[a.clone(), a.clone(), b])),
            (&[entry(0, "world", "anyone")], Some(&[entry(0, "world", "anyone")])),
            (&[entry(-1, "ip", "10.0.0.0/8")], Some(&[entry(-1, "ip", "10.0.0.0/8")])),
            (&[anyone(), entry(ALL, "world", "someone")], None),
            (&[entry(ALL, "digest", "nobody")], None),
            (&[entry(ALL, "ip", "10.0.0")], None),
            (&[entry(ALL, "super", "")], None),
            (&[entry(ALL, "", "")], None),
            (&[entry(ALL, "sasl", "a")], None),
        ] {
            let stored = checked(V3_9_5, Some(acl), &me, &Cell::new(AUTH_ENTRIES_MAX));
            assert_eq!(stored.as_deref().ok(), expected, "{acl:?}");
        }
        let room = Cell::new(AUTH_ENTRIES_MAX);
        assert_eq!(checked(V3_9_5, None, &me, &room), Err(ErrorCode::InvalidAcl));
        let nobody = &me[..1];
        assert_eq!(
            checked(V3_9_5, Some(&[entry(ALL, "auth", "")]), nobody, &room),
            Err(ErrorCode::InvalidAcl)
        );
    }

    #[test]
    fn auth_stands_for_as_many_as_there_is_room_for() {
        let me: Vec<Identity> =
            (0..1000).map(|number| Identity::new("digest", &format!("{number}:x"))).collect();
        let room = Cell::new(AUTH_ENTRIES_MAX);
        let auth = [entry(READ, "auth", "")];
        for _ in 0..AUTH_ENTRIES_MAX / 1000 {
            assert_eq!(checked(V3_9_5, Some(&auth), &me, &room).map(|stored| stored.len()), Ok(1000));
        }
        assert_eq!(checked(V3_9_5, Some(&auth), &me, &room), Err(ErrorCode::InvalidAcl));
        let many: Vec<Acl> = (0..60_000).map(|number| entry(number, "auth", "")).collect();
        assert_eq!(
            checked(V3_9_5, Some(&many), &me, &Cell::new(AUTH_ENTRIES_MAX)),
            Err(ErrorCode::InvalidAcl)
        );
    }

    /// As many as fit into a frame. Each was compared with all before it.
    #[test]
    fn a_list_of_eighty_thousand_entries_is_stored_once_each() {
        let acl: Vec<Acl> = (0..80_000).map(|number| entry(number, "world", "anyone")).collect();
        let twice: Vec<Acl> = acl.iter().chain(&acl).cloned().collect();
        assert_eq!(checked(V3_9_5, Some(&twice), &[], &Cell::new(0)).as_deref(), Ok(&*acl));
    }

    #[test]
    fn hashes_are_hidden_to_the_end_of_their_line() {
        for (id, shown) in [
            ("u:h", "u:x"),
            (":h", ":x"),
            ("u:h:more", "u:x"),
            ("u:h\nv:h", "u:x\nv:x"),
            ("u:\r:", "u:x\r:x"),
            ("no", "no"),
        ] {
            assert_eq!(without_hash(id), shown, "{id:?}");
        }
        let acl = [entry(READ, "digest", "u:h"), entry(ALL, "world", "anyone"), entry(READ, "ip", "::1")];
        let hidden = [entry(READ, "digest", "u:x"), entry(ALL, "world", "anyone"), entry(READ, "ip", "::1")];
        assert_eq!(redacted(&acl), hidden);
    }
}
