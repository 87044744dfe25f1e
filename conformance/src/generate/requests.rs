//! Requests, drawn: every one of the protocol's, most of them sound.

use super::values;
use crate::operation::{Operation, Path, Zxid, opcode};
use crate::random::Draw;

/// The most that a time to live may be, in milliseconds.
const TTL_MAX: i64 = (1 << 40) - 1;

/// The longest body of a request among others, in bytes.
const BURST_BODY_MAX: usize = 100_000;

#[derive(Clone, Copy)]
enum Kind {
    Create,
    Delete,
    DeleteContainer,
    Read,
    SetData,
    GetAcl,
    SetAcl,
    Sync,
    Ping,
    Check,
    Multi,
    MultiRead,
    SetWatches,
    AddWatch,
    Watches,
    GetEphemerals,
    GetAllChildrenNumber,
    WhoAmI,
    Auth,
    CloseSession,
    Other,
}

/// Any request.
pub fn request(draw: &mut Draw) -> Operation {
    let kind = draw.weighted(&[
        (200, Kind::Create),
        (110, Kind::Delete),
        (10, Kind::DeleteContainer),
        (260, Kind::Read),
        (80, Kind::SetData),
        (20, Kind::GetAcl),
        (30, Kind::SetAcl),
        (10, Kind::Sync),
        (5, Kind::Ping),
        (3, Kind::Check),
        (90, Kind::Multi),
        (20, Kind::MultiRead),
        (20, Kind::SetWatches),
        (35, Kind::AddWatch),
        (35, Kind::Watches),
        (10, Kind::GetEphemerals),
        (10, Kind::GetAllChildrenNumber),
        (10, Kind::WhoAmI),
        (14, Kind::Auth),
        (8, Kind::CloseSession),
        (8, Kind::Other),
    ]);
    of_kind(kind, draw)
}

/// A request that may stand between others that are sent in one go: it is answered on the connection in its turn, and
/// whether it succeeds does not depend on how far the ones before it have come.
pub fn in_one_go(draw: &mut Draw) -> Operation {
    loop {
        let operation = part_of_burst(draw);
        // What is too long ends the connection, and then it is a race how much of the rest has been answered.
        if operation.body().len() < BURST_BODY_MAX {
            return operation;
        }
    }
}

fn part_of_burst(draw: &mut Draw) -> Operation {
    let kind = draw.weighted(&[
        (30, Kind::Create),
        (20, Kind::Delete),
        (30, Kind::Read),
        (20, Kind::SetData),
        (3, Kind::GetAcl),
        (3, Kind::Sync),
        (15, Kind::Multi),
        (5, Kind::MultiRead),
        (3, Kind::AddWatch),
        (3, Kind::Watches),
        (2, Kind::GetEphemerals),
        (2, Kind::GetAllChildrenNumber),
    ]);
    of_kind(kind, draw)
}

fn of_kind(kind: Kind, draw: &mut Draw) -> Operation {
    match kind {
        Kind::Create => create(draw),
        Kind::Delete => Operation::Delete { path: values::path(draw), version: values::version(draw) },
        Kind::DeleteContainer => {
            Operation::DeleteContainer { path: values::path(draw), with_length: draw.percent(30) }
        }
        Kind::Read => read(draw),
        Kind::SetData => set_data(draw),
        Kind::GetAcl => Operation::GetAcl { path: values::path(draw) },
        Kind::SetAcl => set_acl(draw),
        Kind::Sync => Operation::Sync { path: values::path(draw) },
        Kind::Ping => Operation::Ping,
        Kind::Check => check(draw),
        Kind::Multi => multi(draw),
        Kind::MultiRead => multi_read(draw),
        Kind::SetWatches => set_watches(draw),
        Kind::AddWatch => {
            let mode = draw.weighted(&[(48, 0), (48, 1), (1, 2), (1, -1), (1, i32::MAX), (1, 3)]);
            Operation::AddWatch { path: values::present_path(draw), mode }
        }
        Kind::Watches => watches(draw),
        Kind::GetEphemerals => {
            let prefix = draw.one_of(&["", "/", " ", "/a", "/b", "/c/", "a", "//"]);
            let prefix = if draw.percent(80) { Path::text(prefix) } else { values::path(draw) };
            Operation::GetEphemerals { prefix }
        }
        Kind::GetAllChildrenNumber => Operation::GetAllChildrenNumber { path: values::path(draw) },
        Kind::WhoAmI => Operation::WhoAmI,
        Kind::Auth => {
            let (scheme, auth) = values::authentication(draw);
            Operation::Auth { scheme, auth }
        }
        Kind::CloseSession => Operation::CloseSession,
        Kind::Other => other(draw),
    }
}

fn create(draw: &mut Draw) -> Operation {
    let opcode = draw.weighted(&[
        (45, opcode::CREATE),
        (30, opcode::CREATE2),
        (12, opcode::CREATE_CONTAINER),
        (13, opcode::CREATE_TTL),
    ]);
    let flags = match opcode {
        opcode::CREATE_CONTAINER => draw.weighted(&[(90, 4), (5, 2), (2, 0), (1, 1), (1, 5), (1, 7)]),
        opcode::CREATE_TTL => draw.weighted(&[(70, 5), (25, 6), (2, 0), (1, 2), (1, 4), (1, 7)]),
        _ => draw.weighted(&[(45, 0), (22, 1), (16, 2), (10, 3), (2, 4), (1, 5), (1, 6), (1, 7), (1, -1)]),
    };
    let numbered = matches!(flags, 2 | 3 | 6);
    let path = if numbered { values::numbered_path(draw) } else { values::path(draw) };
    let ttl = (opcode == opcode::CREATE_TTL).then(|| ttl(draw, flags));
    Operation::Create { opcode, path, data: values::data(draw), acl: values::acl(draw), flags, ttl }
}

fn ttl(draw: &mut Draw, flags: i32) -> i64 {
    // The original does not survive a negative ttl with the flags of another kind: see `Unspecified::Fatal`.
    let lowest = if matches!(flags, 5 | 6) { -1 } else { 0 };
    match draw.below(10) {
        0 => draw.one_of(&[lowest, 0, TTL_MAX + 1, i64::MAX]),
        1 => draw.one_of(&[1, TTL_MAX]),
        _ => 1_000_000_000,
    }
}

fn read(draw: &mut Draw) -> Operation {
    let opcode =
        draw.one_of(&[opcode::EXISTS, opcode::GET_DATA, opcode::GET_CHILDREN, opcode::GET_CHILDREN2]);
    let watch = draw.weighted(&[(58, 0), (40, 1), (1, 2), (1, 255)]);
    Operation::Read { opcode, path: values::path(draw), watch }
}

fn set_data(draw: &mut Draw) -> Operation {
    Operation::SetData { path: values::path(draw), data: values::data(draw), version: values::version(draw) }
}

fn set_acl(draw: &mut Draw) -> Operation {
    let path = values::path(draw);
    // The root stays open, else nothing more would happen.
    let acl = if path == Path::text("/") { values::open_acl() } else { values::acl(draw) };
    Operation::SetAcl { path, acl, version: values::version(draw) }
}

fn check(draw: &mut Draw) -> Operation {
    Operation::Check { path: values::path(draw), version: values::version(draw) }
}

fn multi(draw: &mut Draw) -> Operation {
    let count = draw.weighted(&[(2, 0), (20, 1), (30, 2), (25, 3), (15, 4), (8, 6)]);
    let part = |draw: &mut Draw| match draw.below(1000) {
        0..400 => create(draw),
        400..600 => Operation::Delete { path: values::path(draw), version: values::version(draw) },
        600..780 => set_data(draw),
        780..990 => check(draw),
        _ => match draw.below(4) {
            0 => read(draw),
            1 => set_acl(draw),
            2 => Operation::Multi { operations: Vec::new() },
            _ => other(draw),
        },
    };
    Operation::Multi { operations: (0..count).map(|_| part(draw)).collect() }
}

fn multi_read(draw: &mut Draw) -> Operation {
    let count = draw.weighted(&[(3, 0), (30, 1), (40, 2), (27, 4)]);
    let part = |draw: &mut Draw| {
        let usual = draw.one_of(&[opcode::GET_DATA, opcode::GET_CHILDREN]);
        let opcode = if draw.percent(98) { usual } else { opcode::GET_CHILDREN2 };
        let watch = draw.weighted(&[(70, 0), (30, 1)]);
        if draw.percent(99) {
            Operation::Read { opcode, path: values::path(draw), watch }
        } else {
            create(draw)
        }
    };
    Operation::MultiRead { operations: (0..count).map(|_| part(draw)).collect() }
}

fn set_watches(draw: &mut Draw) -> Operation {
    let relative = match draw.below(10) {
        0 => Zxid::Number(draw.one_of(&[0, -1, i64::MAX, i64::MIN])),
        _ => Zxid::BeforeNewest(i64::try_from(draw.below(30)).expect("below 30") - 1),
    };
    let lists = if draw.percent(50) { 3 } else { 5 };
    let list = |draw: &mut Draw, index: usize| {
        if draw.percent(1) {
            return None;
        }
        let path = if index < 3 { values::path } else { values::present_path };
        let count = draw.below(4);
        Some((0..count).map(|_| path(draw)).collect())
    };
    Operation::SetWatches { relative, lists: (0..lists).map(|index| list(draw, index)).collect() }
}

fn watches(draw: &mut Draw) -> Operation {
    let opcode = draw.weighted(&[(40, opcode::CHECK_WATCHES), (60, opcode::REMOVE_WATCHES)]);
    let kind = draw.weighted(&[(30, 1), (30, 2), (34, 3), (2, 4), (2, 5), (1, 0), (1, -1)]);
    Operation::Watches { opcode, path: values::path(draw), kind }
}

/// Numbers that are no requests, or none of a client's.
fn other(draw: &mut Draw) -> Operation {
    let opcode = draw.one_of(&[
        opcode::ERROR,
        0,
        10,
        opcode::RECONFIG,
        23,
        99,
        opcode::SASL,
        108,
        200,
        -5,
        -12,
        i32::MAX,
        i32::MIN,
    ]);
    let body = draw.one_of::<&[u8]>(&[
        b"",
        b"\0\0\0\x01x",
        b"\xff\xff\xff\xff",
        // What reconfig takes: three missing strings and a number.
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ]);
    Operation::Other { opcode, body: body.to_vec() }
}
