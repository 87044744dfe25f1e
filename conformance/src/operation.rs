//! The requests of ZooKeeper's protocol as data: their numbers and how their bodies are written. Nothing here checks
//! anything; nonsense is welcome.

use crate::jute::Writer;
use std::fmt;

/// The numbers of the requests.
pub mod opcode {
    #![allow(missing_docs, reason = "they are ZooKeeper's own names")]
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SASL: i32 = 102;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
}

/// A path as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// These bytes, or a missing string.
    Bytes(Option<Vec<u8>>),
    /// The path that a create answered so many successful creates ago; the root while there are not so many.
    Created(usize),
}

impl Path {
    /// A path of text.
    #[must_use]
    pub fn text(path: &str) -> Path {
        Path::Bytes(Some(path.as_bytes().to_vec()))
    }
}

/// A version as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// This number.
    Number(i32),
    /// The version that the node was last seen to have; for ACLs, the version of its ACL.
    Current,
}

/// A zxid as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zxid {
    /// This number.
    Number(i64),
    /// So much less than the newest that was seen; negative for more.
    BeforeNewest(i64),
}

/// One entry of an ACL: permissions, scheme, id.
pub type AclEntry = (i32, Option<String>, Option<String>);

/// An ACL, or a missing one.
pub type Acl = Option<Vec<AclEntry>>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields have ZooKeeper's own names")]
pub enum Operation {
    /// `opcode` is one of the four that create; `ttl` is written if it is there.
    Create {
        opcode: i32,
        path: Path,
        data: Option<Vec<u8>>,
        acl: Acl,
        flags: i32,
        ttl: Option<i64>,
    },
    Delete {
        path: Path,
        version: Version,
    },
    /// What only servers should ask for. Until 3.8 the body is the path without a length.
    DeleteContainer {
        path: Path,
        with_length: bool,
    },
    /// `opcode` is one of exists, getData, getChildren, getChildren2.
    Read {
        opcode: i32,
        path: Path,
        watch: u8,
    },
    SetData {
        path: Path,
        data: Option<Vec<u8>>,
        version: Version,
    },
    GetAcl {
        path: Path,
    },
    SetAcl {
        path: Path,
        acl: Acl,
        version: Version,
    },
    Sync {
        path: Path,
    },
    Ping,
    Check {
        path: Path,
        version: Version,
    },
    Multi {
        operations: Vec<Operation>,
    },
    MultiRead {
        operations: Vec<Operation>,
    },
    /// Three lists, or five.
    SetWatches {
        relative: Zxid,
        lists: Vec<Option<Vec<Path>>>,
    },
    AddWatch {
        path: Path,
        mode: i32,
    },
    /// `opcode` is one of checkWatches, removeWatches.
    Watches {
        opcode: i32,
        path: Path,
        kind: i32,
    },
    GetEphemerals {
        prefix: Path,
    },
    GetAllChildrenNumber {
        path: Path,
    },
    WhoAmI,
    Auth {
        scheme: Option<String>,
        auth: Option<Vec<u8>>,
    },
    CloseSession,
    /// Any number with any body.
    Other {
        opcode: i32,
        body: Vec<u8>,
    },
}

impl Operation {
    /// Its number.
    #[must_use]
    pub fn opcode(&self) -> i32 {
        match self {
            Operation::Create { opcode, .. }
            | Operation::Read { opcode, .. }
            | Operation::Watches { opcode, .. }
            | Operation::Other { opcode, .. } => *opcode,
            Operation::Delete { .. } => opcode::DELETE,
            Operation::DeleteContainer { .. } => opcode::DELETE_CONTAINER,
            Operation::SetData { .. } => opcode::SET_DATA,
            Operation::GetAcl { .. } => opcode::GET_ACL,
            Operation::SetAcl { .. } => opcode::SET_ACL,
            Operation::Sync { .. } => opcode::SYNC,
            Operation::Ping => opcode::PING,
            Operation::Check { .. } => opcode::CHECK,
            Operation::Multi { .. } => opcode::MULTI,
            Operation::MultiRead { .. } => opcode::MULTI_READ,
            Operation::SetWatches { lists, .. } if lists.len() > 3 => opcode::SET_WATCHES2,
            Operation::SetWatches { .. } => opcode::SET_WATCHES,
            Operation::AddWatch { .. } => opcode::ADD_WATCH,
            Operation::GetEphemerals { .. } => opcode::GET_EPHEMERALS,
            Operation::GetAllChildrenNumber { .. } => opcode::GET_ALL_CHILDREN_NUMBER,
            Operation::WhoAmI => opcode::WHO_AM_I,
            Operation::Auth { .. } => opcode::AUTH,
            Operation::CloseSession => opcode::CLOSE_SESSION,
        }
    }

    /// Its body. Paths and versions that stand for others must have been replaced before.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.write(Writer::new()).into_bytes()
    }

    /// The path that the request is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Operation::Create { path, .. }
            | Operation::Delete { path, .. }
            | Operation::DeleteContainer { path, .. }
            | Operation::Read { path, .. }
            | Operation::SetData { path, .. }
            | Operation::GetAcl { path }
            | Operation::SetAcl { path, .. }
            | Operation::Sync { path }
            | Operation::Check { path, .. }
            | Operation::AddWatch { path, .. }
            | Operation::Watches { path, .. }
            | Operation::GetEphemerals { prefix: path }
            | Operation::GetAllChildrenNumber { path } => Some(path),
            Operation::Ping
            | Operation::Multi { .. }
            | Operation::MultiRead { .. }
            | Operation::SetWatches { .. }
            | Operation::WhoAmI
            | Operation::Auth { .. }
            | Operation::CloseSession
            | Operation::Other { .. } => None,
        }
    }

    fn write(&self, writer: Writer) -> Writer {
        match self {
            Operation::Create { path, data, acl, flags, ttl, .. } => {
                let writer = write_path(writer, path).buffer(data.as_deref());
                let writer = write_acl(writer, acl).int(*flags);
                ttl.iter().fold(writer, |writer, ttl| writer.long(*ttl))
            }
            Operation::Delete { path, version } | Operation::Check { path, version } => {
                write_path(writer, path).int(number(*version))
            }
            Operation::DeleteContainer { path, with_length: false } => writer.raw(bytes(path).unwrap_or(b"")),
            Operation::DeleteContainer { path, with_length: true }
            | Operation::GetAcl { path }
            | Operation::Sync { path }
            | Operation::GetEphemerals { prefix: path }
            | Operation::GetAllChildrenNumber { path } => write_path(writer, path),
            Operation::Read { path, watch, .. } => write_path(writer, path).byte(*watch),
            Operation::SetData { path, data, version } => {
                write_path(writer, path).buffer(data.as_deref()).int(number(*version))
            }
            Operation::SetAcl { path, acl, version } => {
                write_acl(write_path(writer, path), acl).int(number(*version))
            }
            Operation::Ping | Operation::WhoAmI | Operation::CloseSession => writer,
            Operation::Multi { operations } | Operation::MultiRead { operations } => {
                let writer = operations.iter().fold(writer, |writer, operation| {
                    operation.write(writer.int(operation.opcode()).boolean(false).int(-1))
                });
                writer.int(-1).boolean(true).int(-1)
            }
            Operation::SetWatches { relative, lists } => {
                let relative = match relative {
                    Zxid::Number(zxid) | Zxid::BeforeNewest(zxid) => *zxid,
                };
                lists.iter().fold(writer.long(relative), write_paths)
            }
            Operation::AddWatch { path, mode: kind } | Operation::Watches { path, kind, .. } => {
                write_path(writer, path).int(*kind)
            }
            Operation::Auth { scheme, auth } => {
                writer.int(0).buffer(scheme.as_ref().map(String::as_bytes)).buffer(auth.as_deref())
            }
            Operation::Other { body, .. } => writer.raw(body),
        }
    }

    /// The same with every path and every version replaced by what it stands for.
    #[must_use]
    pub fn map(
        &self,
        path: &dyn Fn(&Path) -> Path,
        number: &dyn Fn(&Path, Version, bool) -> Version,
    ) -> Operation {
        let mut mapped = self.clone();
        mapped.replace(path, number);
        mapped
    }

    fn replace(&mut self, to: &dyn Fn(&Path) -> Path, number: &dyn Fn(&Path, Version, bool) -> Version) {
        match self {
            Operation::Delete { path, version }
            | Operation::SetData { path, version, .. }
            | Operation::Check { path, version } => {
                *path = to(path);
                *version = number(path, *version, false);
            }
            Operation::SetAcl { path, version, .. } => {
                *path = to(path);
                *version = number(path, *version, true);
            }
            Operation::Create { path, .. }
            | Operation::DeleteContainer { path, .. }
            | Operation::Read { path, .. }
            | Operation::GetAcl { path }
            | Operation::Sync { path }
            | Operation::AddWatch { path, .. }
            | Operation::Watches { path, .. }
            | Operation::GetEphemerals { prefix: path }
            | Operation::GetAllChildrenNumber { path } => *path = to(path),
            Operation::Multi { operations } | Operation::MultiRead { operations } => {
                operations.iter_mut().for_each(|operation| operation.replace(to, number));
            }
            Operation::SetWatches { lists, .. } => {
                lists.iter_mut().flatten().flatten().for_each(|path| *path = to(path));
            }
            Operation::Ping
            | Operation::WhoAmI
            | Operation::Auth { .. }
            | Operation::CloseSession
            | Operation::Other { .. } => {}
        }
    }
}

fn bytes(path: &Path) -> Option<&[u8]> {
    match path {
        Path::Bytes(bytes) => bytes.as_deref(),
        Path::Created(_) => Some(b"/"),
    }
}

fn number(version: Version) -> i32 {
    match version {
        Version::Number(number) => number,
        Version::Current => -1,
    }
}

fn write_path(writer: Writer, path: &Path) -> Writer {
    writer.buffer(bytes(path))
}

fn write_paths(writer: Writer, paths: &Option<Vec<Path>>) -> Writer {
    match paths {
        None => writer.int(-1),
        Some(paths) => paths.iter().fold(writer.int(count(paths)), write_path),
    }
}

fn write_acl(writer: Writer, acl: &Acl) -> Writer {
    let Some(entries) = acl else { return writer.int(-1) };
    entries.iter().fold(writer.int(count(entries)), |writer, (permissions, scheme, id)| {
        writer
            .int(*permissions)
            .buffer(scheme.as_ref().map(String::as_bytes))
            .buffer(id.as_ref().map(String::as_bytes))
    })
}

fn count<T>(values: &[T]) -> i32 {
    i32::try_from(values.len()).expect("nothing here is that long")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Bytes(None) => f.write_str("(null)"),
            Path::Bytes(Some(bytes)) if bytes.len() > 200 => write!(f, "(a path of {} bytes)", bytes.len()),
            Path::Bytes(Some(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => write!(f, "{text:?}"),
                Err(_) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            },
            Path::Created(ago) => write!(f, "(created {ago} ago)"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Number(number) => write!(f, "version {number}"),
            Version::Current => f.write_str("current version"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Create { path, data, acl, flags, ttl, .. } => {
                write!(f, "{} {path} {} {}, flags {flags}", self.name(), length(data), AclText(acl))?;
                ttl.iter().try_for_each(|ttl| write!(f, ", ttl {ttl}"))
            }
            Operation::Delete { path, version } | Operation::Check { path, version } => {
                write!(f, "{} {path} {version}", self.name())
            }
            Operation::DeleteContainer { path, with_length } => {
                write!(f, "deleteContainer {path}{}", if *with_length { "" } else { " as raw bytes" })
            }
            Operation::Read { path, watch, .. } => write!(f, "{} {path} watch {watch}", self.name()),
            Operation::SetData { path, data, version } => {
                write!(f, "setData {path} {} {version}", length(data))
            }
            Operation::SetAcl { path, acl, version } => write!(f, "setACL {path} {} {version}", AclText(acl)),
            Operation::GetAcl { path }
            | Operation::Sync { path }
            | Operation::GetEphemerals { prefix: path }
            | Operation::GetAllChildrenNumber { path } => write!(f, "{} {path}", self.name()),
            Operation::Multi { operations } | Operation::MultiRead { operations } => {
                let texts: Vec<String> = operations.iter().map(ToString::to_string).collect();
                write!(f, "{} [{}]", self.name(), texts.join("; "))
            }
            Operation::SetWatches { relative, lists } => {
                write!(f, "{} since {relative:?}", self.name())?;
                lists.iter().try_for_each(|list| match list {
                    None => f.write_str(" (null)"),
                    Some(paths) => {
                        let texts: Vec<String> = paths.iter().map(ToString::to_string).collect();
                        write!(f, " [{}]", texts.join(", "))
                    }
                })
            }
            Operation::AddWatch { path, mode: kind } | Operation::Watches { path, kind, .. } => {
                write!(f, "{} {path} {kind}", self.name())
            }
            Operation::Auth { scheme, auth } => {
                let auth = auth.as_ref().map(|auth| auth.escape_ascii().to_string());
                write!(f, "auth {scheme:?} {auth:?}")
            }
            Operation::Other { opcode, body } => write!(f, "opcode {opcode} with body {body:02x?}"),
            Operation::Ping | Operation::WhoAmI | Operation::CloseSession => f.write_str(self.name()),
        }
    }
}

impl Operation {
    /// ZooKeeper's name for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.opcode() {
            opcode::CREATE => "create",
            opcode::CREATE2 => "create2",
            opcode::CREATE_CONTAINER => "createContainer",
            opcode::CREATE_TTL => "createTTL",
            opcode::DELETE => "delete",
            opcode::DELETE_CONTAINER => "deleteContainer",
            opcode::EXISTS => "exists",
            opcode::GET_DATA => "getData",
            opcode::SET_DATA => "setData",
            opcode::GET_ACL => "getACL",
            opcode::SET_ACL => "setACL",
            opcode::GET_CHILDREN => "getChildren",
            opcode::GET_CHILDREN2 => "getChildren2",
            opcode::SYNC => "sync",
            opcode::PING => "ping",
            opcode::CHECK => "check",
            opcode::MULTI => "multi",
            opcode::MULTI_READ => "multiRead",
            opcode::CHECK_WATCHES => "checkWatches",
            opcode::REMOVE_WATCHES => "removeWatches",
            opcode::SET_WATCHES => "setWatches",
            opcode::SET_WATCHES2 => "setWatches2",
            opcode::ADD_WATCH => "addWatch",
            opcode::GET_EPHEMERALS => "getEphemerals",
            opcode::GET_ALL_CHILDREN_NUMBER => "getAllChildrenNumber",
            opcode::WHO_AM_I => "whoAmI",
            opcode::AUTH => "auth",
            opcode::SASL => "sasl",
            opcode::RECONFIG => "reconfig",
            opcode::CLOSE_SESSION => "closeSession",
            _ => "unknown",
        }
    }
}

fn length(data: &Option<Vec<u8>>) -> String {
    data.as_ref().map_or("null data".to_owned(), |data| format!("{} bytes", data.len()))
}

struct AclText<'a>(&'a Acl);

impl fmt::Display for AclText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(entries) = self.0 else { return f.write_str("ACL (null)") };
        f.write_str("ACL [")?;
        for (index, (permissions, scheme, id)) in entries.iter().enumerate() {
            let text = |part: &Option<String>| part.clone().unwrap_or("(null)".to_owned());
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}:{}:{permissions}", text(scheme), text(id))?;
        }
        f.write_str("]")
    }
}
