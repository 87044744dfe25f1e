//! Answers in words: what a server says, decoded field by field, in a form in which two servers' answers are equal if and
//! only if they agree on all that is specified.

use crate::jute::{Malformed, Reader};
use crate::operation::{Operation, opcode};
use crate::raw::{ReplyHeader, WatchEvent};
use crate::unspecified::{Unspecified, in_one_order};
use crate::view::View;
use std::fmt::Write as _;

/// What follows the header of an answer that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Nothing,
    /// A path.
    Path,
    /// A path and a stat.
    PathStat,
    /// A stat.
    Stat,
    /// Data and a stat.
    DataStat,
    /// An ACL and a stat.
    AclStat,
    /// Names.
    Children,
    /// Names and a stat.
    ChildrenStat,
    /// Paths of ephemerals.
    Ephemerals,
    /// A number.
    Number,
    /// Schemes and users.
    Users,
    /// The results of a multi.
    Results,
    /// Whatever it may be.
    Unknown,
}

impl Shape {
    /// The shape of the answer to this request.
    #[must_use]
    pub fn of(operation: &Operation) -> Shape {
        match operation.opcode() {
            opcode::CREATE | opcode::SYNC => Shape::Path,
            opcode::CREATE2 | opcode::CREATE_CONTAINER | opcode::CREATE_TTL => Shape::PathStat,
            opcode::EXISTS | opcode::SET_DATA | opcode::SET_ACL | opcode::CHECK => Shape::Stat,
            opcode::GET_DATA => Shape::DataStat,
            opcode::GET_ACL => Shape::AclStat,
            opcode::GET_CHILDREN => Shape::Children,
            opcode::GET_CHILDREN2 => Shape::ChildrenStat,
            opcode::GET_EPHEMERALS => Shape::Ephemerals,
            opcode::GET_ALL_CHILDREN_NUMBER | opcode::ADD_WATCH => Shape::Number,
            opcode::WHO_AM_I => Shape::Users,
            opcode::MULTI | opcode::MULTI_READ => Shape::Results,
            opcode::DELETE
            | opcode::DELETE_CONTAINER
            | opcode::PING
            | opcode::CHECK_WATCHES
            | opcode::REMOVE_WATCHES
            | opcode::SET_WATCHES
            | opcode::SET_WATCHES2
            | opcode::AUTH
            | opcode::CLOSE_SESSION => Shape::Nothing,
            _ => Shape::Unknown,
        }
    }
}

/// What an answer has taught about the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Paths that have been created, in order.
    pub created: Vec<String>,
    /// The version of the data and that of the ACL of the node that the request was about.
    pub versions: Option<(i32, i32)>,
    /// The names that were listed.
    pub children: Option<Vec<String>>,
}

/// An answer in words, and what it teaches.
pub fn reply(shape: Shape, header: ReplyHeader, body: &[u8], view: &mut View) -> (String, Learned) {
    let mut learned = Learned::default();
    let mut text = format!("answer {}", head(header));
    if !(body.is_empty() && (header.error != 0 || shape == Shape::Nothing)) {
        let mut reader = Reader::new(body);
        let content = content(shape, &mut reader, view, &mut learned);
        match content {
            Ok(content) if reader.rest().is_empty() => {
                let _ = write!(text, ": {content}");
            }
            Ok(content) => {
                let _ = write!(text, ": {content}, and behind it {:02x?}", reader.rest());
            }
            Err(error) => {
                let _ = write!(text, ": unreadable ({error}) {body:02x?}");
            }
        }
    }
    (text, learned)
}

/// An event in words.
#[must_use]
pub fn event(header: ReplyHeader, event: &WatchEvent, view: &View) -> String {
    let kind = match event.kind {
        1 => "created".to_owned(),
        2 => "deleted".to_owned(),
        3 => "data changed".to_owned(),
        4 => "children changed".to_owned(),
        other => format!("event {other}"),
    };
    let state = if event.state == 3 { String::new() } else { format!(", state {}", event.state) };
    let error = if header.error == 0 { String::new() } else { format!(", {}", error(header.error)) };
    format!("event zxid {}: {:?} {kind}{state}{error}", view.event_zxid(header.zxid), event.path)
}

/// The zxid and the error of a header, in words.
#[must_use]
pub fn head(header: ReplyHeader) -> String {
    format!("xid {} zxid {:#x} {}", header.xid, header.zxid, error(header.error))
}

/// An error code in words.
#[must_use]
pub fn error(code: i32) -> String {
    let name = match code {
        0 => return "ok".to_owned(),
        -1 => "SystemError",
        -2 => "RuntimeInconsistency",
        -3 => "DataInconsistency",
        -4 => "ConnectionLoss",
        -5 => "MarshallingError",
        -6 => "Unimplemented",
        -7 => "OperationTimeout",
        -8 => "BadArguments",
        -100 => "APIError",
        -101 => "NoNode",
        -102 => "NoAuth",
        -103 => "BadVersion",
        -108 => "NoChildrenForEphemerals",
        -110 => "NodeExists",
        -111 => "NotEmpty",
        -112 => "SessionExpired",
        -113 => "InvalidCallback",
        -114 => "InvalidACL",
        -115 => "AuthFailed",
        -118 => "SessionMoved",
        -119 => "NotReadOnly",
        -120 => "EphemeralOnLocalSession",
        -121 => "NoWatcher",
        -122 => "RequestTimeout",
        -123 => "ReconfigDisabled",
        _ => "an unknown error",
    };
    format!("{name} ({code})")
}

fn content(
    shape: Shape,
    reader: &mut Reader<'_>,
    view: &mut View,
    learned: &mut Learned,
) -> Result<String, Malformed> {
    Ok(match shape {
        Shape::Nothing => String::new(),
        Shape::Path => created(reader, learned)?,
        Shape::PathStat => format!("{} {}", created(reader, learned)?, stat(reader, view, learned)?),
        Shape::Stat => stat(reader, view, learned)?,
        Shape::DataStat => format!("{} {}", data(reader)?, stat(reader, view, learned)?),
        Shape::AclStat => format!("{} {}", acl(reader)?, stat(reader, view, learned)?),
        Shape::Children => names(Unspecified::ChildOrder, reader, learned)?,
        Shape::ChildrenStat => {
            format!("{} {}", names(Unspecified::ChildOrder, reader, learned)?, stat(reader, view, learned)?)
        }
        Shape::Ephemerals => names(Unspecified::EphemeralOrder, reader, learned)?,
        Shape::Number => reader.int()?.to_string(),
        Shape::Users => users(reader)?,
        Shape::Results => results(reader, view, learned)?,
        Shape::Unknown => {
            let rest = format!("{:02x?}", reader.rest());
            *reader = Reader::new(&[]);
            rest
        }
    })
}

fn created(reader: &mut Reader<'_>, learned: &mut Learned) -> Result<String, Malformed> {
    let path = reader.string()?;
    learned.created.extend(path.clone());
    Ok(text(path.as_ref()))
}

fn stat(reader: &mut Reader<'_>, view: &mut View, learned: &mut Learned) -> Result<String, Malformed> {
    let (czxid, mzxid, ctime, mtime) = (reader.long()?, reader.long()?, reader.long()?, reader.long()?);
    let (version, cversion, aversion) = (reader.int()?, reader.int()?, reader.int()?);
    let (owner, length, children, pzxid) = (reader.long()?, reader.int()?, reader.int()?, reader.long()?);
    learned.versions = Some((version, aversion));
    let ctime = view.time(czxid, ctime);
    let mtime = view.time(mzxid, mtime);
    Ok(format!(
        "{{czxid {czxid:#x}{ctime}, mzxid {mzxid:#x}{mtime}, pzxid {pzxid:#x}, version {version}, cversion {cversion}, \
         aversion {aversion}, owner {}, length {length}, children {children}}}",
        view.owner(owner)
    ))
}

fn data(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    Ok(match reader.buffer()? {
        None => "null data".to_owned(),
        Some(bytes) if bytes.len() > 40 => format!("{} bytes, sum {}", bytes.len(), sum(&bytes)),
        Some(bytes) => format!("data \"{}\"", bytes.escape_ascii()),
    })
}

/// A checksum of data that is too long to be shown.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn acl(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let entries = reader.vector(|reader| {
        let permissions = reader.int()?;
        let (scheme, id) = (reader.string()?, reader.string()?);
        Ok(format!("{}:{}:{permissions}", text(scheme.as_ref()), text(id.as_ref())))
    })?;
    Ok(entries.map_or("null ACL".to_owned(), |entries| format!("ACL [{}]", entries.join(", "))))
}

fn names(because: Unspecified, reader: &mut Reader<'_>, learned: &mut Learned) -> Result<String, Malformed> {
    let Some(names) = reader.vector(Reader::string)? else { return Ok("null list".to_owned()) };
    let shown = names.iter().map(|name| text(name.as_ref())).collect();
    learned.children = Some(names.into_iter().flatten().collect());
    Ok(format!("[{}]", in_one_order::<String>(because, shown).join(", ")))
}

fn users(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let users = reader.vector(|reader| {
        let (scheme, user) = (reader.string()?, reader.string()?);
        Ok(format!("{}:{}", text(scheme.as_ref()), text(user.as_ref())))
    })?;
    Ok(users.map_or("null list".to_owned(), |users| {
        format!("[{}]", in_one_order(Unspecified::AuthenticationOrder, users).join(", "))
    }))
}

fn results(reader: &mut Reader<'_>, view: &mut View, learned: &mut Learned) -> Result<String, Malformed> {
    let mut results = Vec::new();
    loop {
        let (kind, done, code) = (reader.int()?, reader.boolean()?, reader.int()?);
        if done {
            results.push(format!("end {kind} {code}"));
            return Ok(format!("[{}]", results.join("; ")));
        }
        let result = match kind {
            opcode::CREATE => format!("create {}", created(reader, learned)?),
            opcode::CREATE2 => {
                format!("create2 {} {}", created(reader, learned)?, stat(reader, view, learned)?)
            }
            opcode::DELETE => "delete".to_owned(),
            opcode::CHECK => "check".to_owned(),
            opcode::SET_DATA => format!("setData {}", stat(reader, view, learned)?),
            opcode::GET_DATA => format!("getData {} {}", data(reader)?, stat(reader, view, learned)?),
            opcode::GET_CHILDREN => {
                format!("getChildren {}", names(Unspecified::ChildOrder, reader, learned)?)
            }
            opcode::ERROR => {
                let inner = reader.int()?;
                if inner == code { error(code) } else { format!("{}, inside {}", error(code), error(inner)) }
            }
            _ => {
                return Err(Malformed { wanted: "kind of a result", offset: 0, length: reader.rest().len() });
            }
        };
        let failed =
            if code == 0 || kind == opcode::ERROR { String::new() } else { format!(" {}", error(code)) };
        results.push(result + &failed);
    }
}

fn text(value: Option<&String>) -> String {
    value.map_or("(null)".to_owned(), |value| format!("{value:?}"))
}
