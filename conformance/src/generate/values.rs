//! Paths, data, ACLs and versions, drawn: mostly such as meet each other, sometimes such as nobody would send.

use crate::operation::{Acl, AclEntry, Path, Version};
use crate::random::Draw;

/// Names of nodes. Few, so that requests meet.
const NAMES: &[&str] = &["a", "b", "c"];

/// What every server has.
const OWN_PATHS: &[&str] =
    &["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/quota/x"];

/// Paths that are wrong, each in its own way, or only look so.
const ODD_PATHS: &[&str] = &[
    "",
    "a",
    "/a/",
    "//",
    "//a",
    "/a//b",
    "/.",
    "/..",
    "/a/.",
    "/a/./b",
    "/a/../b",
    "/...",
    "/.a",
    "/a.",
    "/a\0",
    "/\0",
    "/a/\u{1}",
    "/a\u{1f}",
    "/a\u{7f}",
    "/a\u{9f}",
    "/a\u{a0}",
    "/a\u{d7ff}",
    "/a\u{e000}",
    "/a\u{f8ff}",
    "/a\u{f900}",
    "/a\u{fff0}",
    "/a\u{ffef}",
    "/\u{10000}",
    "/é",
    "/a b",
    " /a",
    "/ ",
    "/zookeeper/",
    "/zookeeper/config/x",
    "/zookeepers",
    "/a/b/c/d/e/f",
];

/// Users, and what their digests are.
const USERS: &[(&str, &str)] = &[
    ("ann:a", "ann:i9V/d2HTT0sehGWzvQcFNipywIQ="),
    ("bob:b", "bob:LcrmCNs/wfVD+i5a5yaz89GyjIM="),
    ("eve:x", "eve:YiuzDE8LXYrjLY9cBMAva36B5EA="),
];

/// ACL entries that are refused, or look as if they should be.
const ODD_ENTRIES: &[(i32, Option<&str>, Option<&str>)] = &[
    (31, Some("world"), Some("somebody")),
    (31, Some("world"), Some("")),
    (31, Some("world"), None),
    (31, None, Some("anyone")),
    (31, Some(""), Some("anyone")),
    (31, Some("World"), Some("anyone")),
    (31, Some("auth"), Some("ann")),
    (31, Some("auth"), None),
    (31, Some("digest"), Some("ann")),
    (31, Some("digest"), Some("a:b:c")),
    (31, Some("digest"), Some("")),
    (31, Some("digest"), Some(":")),
    (31, Some("digest"), Some("ann:")),
    (31, Some("digest"), None),
    (31, Some("ip"), Some("127.0.0.1/33")),
    (31, Some("ip"), Some("127.0.0.1/-1")),
    (31, Some("ip"), Some("127.0.0.1/")),
    (31, Some("ip"), Some("127.0.0.1/x")),
    (31, Some("ip"), Some("127.0.0")),
    (31, Some("ip"), Some("127.0.0.256")),
    (31, Some("ip"), Some("127.0.0.1.1")),
    (31, Some("ip"), Some("")),
    (31, Some("ip"), Some("::1")),
    (31, Some("ip"), None),
    (31, Some("super"), Some("")),
    (31, Some("sasl"), Some("bob")),
    (31, Some("x509"), Some("CN=bob")),
    (31, Some("foo"), Some("bar")),
];

/// ACL entries that are sound, and let some in and others not.
const CLOSED_ENTRIES: &[(i32, &str, &str)] = &[
    (31, "ip", "127.0.0.1"),
    (31, "ip", "127.0.0.0/8"),
    (31, "ip", "10.0.0.1"),
    (31, "ip", "1.2.3.4/0"),
    (31, "ip", "127.0.0.1/32"),
    (31, "ip", "126.0.0.0/7"),
    (1, "world", "anyone"),
    (2, "world", "anyone"),
    (4, "world", "anyone"),
    (8, "world", "anyone"),
    (16, "world", "anyone"),
    (7, "world", "anyone"),
    (0, "world", "anyone"),
    (32, "world", "anyone"),
    (-1, "world", "anyone"),
];

/// A path.
pub fn path(draw: &mut Draw) -> Path {
    match draw.below(100) {
        0..=78 => Path::text(&common_path(draw)),
        79..=90 => Path::Created(draw.below(24)),
        91..=94 => Path::text(draw.one_of(OWN_PATHS)),
        _ => odd_path(draw),
    }
}

/// A path that is there, whatever it is worth: see `Unspecified::NullWatch`.
pub fn present_path(draw: &mut Draw) -> Path {
    loop {
        let path = path(draw);
        if path != Path::Bytes(None) {
            return path;
        }
    }
}

/// A path of a few names, one to three of them.
pub fn common_path(draw: &mut Draw) -> String {
    let depth = draw.weighted(&[(25, 1), (45, 2), (30, 3)]);
    (0..depth).map(|_| format!("/{}", draw.one_of(NAMES))).collect()
}

fn odd_path(draw: &mut Draw) -> Path {
    match draw.below(12) {
        0 => Path::Bytes(None),
        1 => Path::Bytes(Some(b"/\xff\xfe".to_vec())),
        2 => Path::Bytes(Some(b"/a\xc3".to_vec())),
        3 => Path::text(&format!("/{}", "long".repeat(300))),
        _ => Path::text(draw.one_of(ODD_PATHS)),
    }
}

/// The path of a node that gets a number behind its name.
pub fn numbered_path(draw: &mut Draw) -> Path {
    if draw.percent(3) {
        return odd_path(draw);
    }
    let behind = draw.one_of(&["-", "/n-", "/", "/a", ""]);
    Path::text(&(common_path(draw) + behind))
}

/// Data, or none.
pub fn data(draw: &mut Draw) -> Option<Vec<u8>> {
    let length = match draw.below(1000) {
        0..50 => return None,
        50..200 => 0,
        200..990 => draw.below(20),
        990..999 => draw.below(3000),
        _ => draw.one_of(&[1_048_400, 1_048_500, 1_048_530, 1_048_575, 1_048_576, 1_100_000]),
    };
    let first = draw.below(26);
    Some((0..length).map(|index| b'a' + u8::try_from((first + index) % 26).expect("below 26")).collect())
}

/// A version to compare with.
pub fn version(draw: &mut Draw) -> Version {
    match draw.below(100) {
        0..50 => Version::Number(-1),
        50..75 => Version::Current,
        75..95 => Version::Number(i32::try_from(draw.below(4)).expect("below 4")),
        _ => Version::Number(draw.one_of(&[-2, i32::MIN, i32::MAX, 100])),
    }
}

/// An ACL that lets everybody do everything.
#[must_use]
pub fn open_acl() -> Acl {
    Some(vec![(31, Some("world".to_owned()), Some("anyone".to_owned()))])
}

/// An ACL, mostly an open one.
pub fn acl(draw: &mut Draw) -> Acl {
    match draw.below(100) {
        0..86 => open_acl(),
        86..97 => {
            let count = draw.weighted(&[(70, 1), (20, 2), (10, 3)]);
            Some((0..count).map(|_| closed_entry(draw)).collect())
        }
        97 => draw.one_of(&[None, Some(Vec::new())]),
        _ => {
            let mut entries = vec![odd_entry(draw)];
            if draw.percent(30) {
                entries.insert(draw.below(2), closed_entry(draw));
            }
            Some(entries)
        }
    }
}

fn closed_entry(draw: &mut Draw) -> AclEntry {
    let permissions = draw.weighted(&[(60, 31), (20, 15), (10, 1), (10, 21)]);
    match draw.below(10) {
        0..4 => {
            let (_, digest) = draw.one_of(USERS);
            (permissions, Some("digest".to_owned()), Some(digest.to_owned()))
        }
        4..7 => (permissions, Some("auth".to_owned()), Some(String::new())),
        _ => {
            let (permissions, scheme, id) = draw.one_of(CLOSED_ENTRIES);
            (permissions, Some(scheme.to_owned()), Some(id.to_owned()))
        }
    }
}

fn odd_entry(draw: &mut Draw) -> AclEntry {
    let (permissions, scheme, id) = draw.one_of(ODD_ENTRIES);
    (permissions, scheme.map(str::to_owned), id.map(str::to_owned))
}

/// What somebody proves to be: scheme and proof.
pub fn authentication(draw: &mut Draw) -> (Option<String>, Option<Vec<u8>>) {
    if draw.percent(80) {
        let (user, _) = draw.one_of(USERS);
        return (Some("digest".to_owned()), Some(user.as_bytes().to_vec()));
    }
    let odd: &[(Option<&str>, Option<&[u8]>)] = &[
        (Some("digest"), Some(b"a:b:c")),
        (Some("digest"), Some(b"nocolon")),
        (Some("digest"), Some(b"")),
        (Some("digest"), Some(b":")),
        (Some("digest"), Some(b"super:test")),
        (Some("digest"), None),
        (Some("ip"), Some(b"10.0.0.1")),
        (Some("ip"), None),
        (Some("world"), Some(b"anyone")),
        (Some("auth"), Some(b"")),
        (Some("foo"), Some(b"bar")),
        (Some(""), Some(b"bar")),
        (None, Some(b"bar")),
    ];
    let (scheme, proof) = draw.one_of(odd);
    (scheme.map(str::to_owned), proof.map(<[u8]>::to_vec))
}
