//! Credentials: which identities they prove, and in which order a server keeps them; when they are asked for is left to it.

use crate::acl::Identity;
use crate::error::ErrorCode;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use base64ct::{Base64, Encoding};
use core::hash::{Hash, Hasher};
use sha1::{Digest, Sha1};

/// What the credentials prove. `origin` is the connection's identity by its address.
///
/// # Errors
/// [`ErrorCode::AuthFailed`] for a scheme that is none; the server says so and closes the connection.
pub(crate) fn authenticate(
    scheme: &str,
    credentials: &[u8],
    super_digest: Option<&str>,
    origin: Option<&Identity>,
) -> Result<Vec<Identity>, ErrorCode> {
    match scheme {
        "digest" => {
            let digest = digest_of(&String::from_utf8_lossy(credentials));
            let mut identities = vec![];
            if super_digest == Some(&*digest) {
                identities.push(Identity::new("super", ""));
            }
            identities.push(Identity { scheme: "digest".into(), id: digest });
            Ok(identities)
        }
        // Whoever asks by address has proved it by asking.
        "ip" => Ok(origin.into_iter().cloned().collect()),
        _ => Err(ErrorCode::AuthFailed),
    }
}

/// The id of a user in the scheme `digest`: the name, a colon, and the SHA-1 of name, colon and password in Base64.
#[must_use]
pub fn digest_of(user_and_password: &str) -> String {
    let user = user_and_password.split_once(':').map_or(user_and_password, |(user, _)| user);
    let hash = Base64::encode_string(&Sha1::digest(user_and_password));
    format!("{user}:{hash}")
}

/// The identities that a connection has proved. One more costs no more than the one before it: they are put in order only
/// when somebody asks for the order.
///
/// A real server keeps them in a hash table, and their order there is the order in which it lists them and puts them in
/// the place of `auth` in an ACL. It depends on nothing but their names and the order of the proofs, so it is the same
/// here.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    /// In ZooKeeper's order; all of them, unless there are more in `shown`.
    listed: Arc<[Identity]>,
    /// There since the client has shown credentials, which few do.
    shown: Option<Box<Shown>>,
}

#[derive(Clone, Debug)]
struct Shown {
    /// In the order of the proofs.
    all: Vec<Identity>,
    /// The same.
    known: BTreeSet<Identity>,
}

impl Identities {
    /// Those that need no credentials: the address, or none.
    pub(crate) fn new(listed: Arc<[Identity]>) -> Self {
        Identities { listed, shown: None }
    }

    /// More were proved.
    pub(crate) fn add(&mut self, added: Vec<Identity>) {
        let listed = &self.listed;
        let shown = self.shown.get_or_insert_with(|| {
            Box::new(Shown { all: listed.to_vec(), known: listed.iter().cloned().collect() })
        });
        for identity in added {
            if shown.known.insert(identity.clone()) {
                shown.all.push(identity);
            }
        }
    }

    /// All of them, in any order.
    pub(crate) fn all(&self) -> &[Identity] {
        self.shown.as_ref().map_or(&self.listed, |shown| &shown.all)
    }

    /// All of them, in ZooKeeper's order.
    pub(crate) fn listed(&mut self) -> &Arc<[Identity]> {
        if let Some(shown) = &self.shown
            && shown.all.len() > self.listed.len()
        {
            self.listed = in_order(&shown.all);
        }
        &self.listed
    }
}

/// Whether somebody has asked for the order does not count.
impl PartialEq for Identities {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for Identities {}

impl Hash for Identities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.all().hash(state);
    }
}

/// The order of a Java hash table: by place, and those at one place in the order in which they came.
fn in_order(identities: &[Identity]) -> Arc<[Identity]> {
    let places = places(identities.len());
    let mut identities = identities.to_vec();
    identities.sort_by_cached_key(|identity| {
        let hash = hash_of(identity);
        (hash ^ (hash >> 16)) & (places - 1)
    });
    identities.into()
}

/// The size of a Java hash table with so many entries: it doubles when it is three quarters full.
fn places(entries: usize) -> u32 {
    let mut places = 16;
    while entries >= places / 4 * 3 {
        places *= 2;
    }
    u32::try_from(places).expect("a connection has few identities")
}

fn hash_of(identity: &Identity) -> u32 {
    let seed = 17_u32.wrapping_mul(37).wrapping_add(hash_of_text(&identity.scheme));
    seed.wrapping_mul(37).wrapping_add(hash_of_text(&identity.id))
}

fn hash_of_text(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_name_and_the_hash_of_all_of_it() {
        assert_eq!(digest_of("super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
        assert_eq!(digest_of("a:b:c").split(':').next(), Some("a"));
        assert_eq!(digest_of(""), ":2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(digest_of("abc"), "abc:qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    }

    #[test]
    fn credentials_prove_a_digest_and_perhaps_that_one_is_super() {
        let digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
        let prove = |scheme, credentials: &str, super_digest| {
            authenticate(scheme, credentials.as_bytes(), super_digest, Some(&Identity::new("ip", "::1")))
        };
        let identity = Identity::new;
        assert_eq!(prove("digest", "super:test", None), Ok(vec![identity("digest", digest)]));
        let both = vec![identity("super", ""), identity("digest", digest)];
        assert_eq!(prove("digest", "super:test", Some(digest)), Ok(both));
        assert_eq!(prove("digest", "super:guess", Some(digest)).map(|proved| proved.len()), Ok(1));
        assert_eq!(prove("ip", "whatever", None), Ok(vec![identity("ip", "::1")]));
        assert_eq!(authenticate("ip", b"", None, None), Ok(vec![]));
        for scheme in ["", "world", "super", "auth", "sasl", "x509", "Digest"] {
            assert_eq!(prove(scheme, "super:test", Some(digest)), Err(ErrorCode::AuthFailed), "{scheme}");
        }
        let broken = authenticate("digest", b"\xff:x", None, None).unwrap();
        assert_eq!(broken, [identity("digest", &digest_of("\u{fffd}:x"))]);
    }

    /// As a real server listed them.
    #[test]
    fn identities_are_kept_once_and_in_the_order_of_a_java_hash_table() {
        let ip = Identity::new("ip", "127.0.0.1");
        let mut identities = Identities::new(Arc::from([ip]));
        let mut prove = |credentials: &str| {
            let proved = authenticate("digest", credentials.as_bytes(), None, None).unwrap();
            identities.add(proved);
            assert_eq!(identities.all().len(), identities.clone().listed().len());
            identities
                .listed()
                .iter()
                .map(Identity::as_user)
                .map(|user| user.id)
                .collect::<Vec<_>>()
                .join(" ")
        };
        for credentials in ["u:p", "v:q", "w:r", "u:p"] {
            prove(credentials);
        }
        assert_eq!(prove("nocolon"), "w nocolon 127.0.0.1 u v");
        let many = (0..20).map(|number| prove(&format!("user{number}:x"))).last();
        let listed = "nocolon 127.0.0.1 user0 user11 user4 user1 user3 user5 w user19 user10 user16 user7 user12 user9 \
                      user6 user15 user2 user8 user13 user14 user17 user18 u v";
        assert_eq!(many.as_deref(), Some(listed));
    }

    /// A list that is put in order once is as one that is put in order each time.
    #[test]
    fn the_order_does_not_depend_on_when_it_is_asked_for() {
        let (mut once, mut each_time) = (Identities::new(Arc::from([])), Identities::new(Arc::from([])));
        for number in 0..300 {
            let identity = || vec![Identity::new("digest", &format!("user{}:x", number % 200))];
            once.add(identity());
            each_time.add(identity());
            each_time.listed();
        }
        assert_eq!(once, each_time);
        assert_eq!(once.listed(), each_time.listed());
        assert_eq!(once.listed().len(), 200);
    }

    /// Each was compared with all before it, and all were copied: 30,000 took minutes.
    #[test]
    fn a_hundred_thousand_identities_are_as_cheap_each_as_one() {
        let mut identities = Identities::new(Arc::from([]));
        for number in 0..100_000 {
            identities.add(vec![Identity::new("digest", &format!("user{number}:x"))]);
        }
        assert_eq!(identities.listed().len(), 100_000);
    }

    #[test]
    fn a_hash_table_doubles_when_it_is_three_quarters_full() {
        let sizes = [(0, 16), (11, 16), (12, 32), (23, 32), (24, 64)];
        for (entries, expected) in sizes {
            assert_eq!(places(entries), expected);
        }
    }
}
