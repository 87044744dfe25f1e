//! Steps, drawn from a seed: the same seed gives the same steps, whatever the servers answer.

mod requests;
mod values;

use crate::operation::{Operation, Path, Zxid, opcode};
use crate::random::Draw;
use crate::step::{Damage, Opening, PasswordChoice, SLOTS, SessionChoice, Step, Xid};

/// The steps of a seed, without an end.
#[derive(Clone, Debug)]
pub struct Steps {
    draw: Draw,
}

#[derive(Clone, Copy)]
enum Kind {
    Sound,
    Damaged,
    OddNumber,
    Burst,
    NewSession,
    Resume,
    OddHandshake,
    Drop,
    Bytes,
    Stranger,
    Word,
}

impl Steps {
    /// The steps of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Steps {
        Steps { draw: Draw::new(seed) }
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let draw = &mut self.draw;
        let slot = draw.below(SLOTS);
        let kind = draw.weighted(&[
            (850, Kind::Sound),
            (35, Kind::Damaged),
            (5, Kind::OddNumber),
            (50, Kind::Burst),
            (8, Kind::NewSession),
            (20, Kind::Resume),
            (10, Kind::OddHandshake),
            (7, Kind::Drop),
            (5, Kind::Bytes),
            (4, Kind::Stranger),
            (6, Kind::Word),
        ]);
        Some(match kind {
            Kind::Sound => {
                Step::Request { slot, xid: Xid::Next, operation: requests::request(draw), damage: None }
            }
            Kind::Damaged => damaged(draw, slot),
            Kind::OddNumber => odd_number(draw, slot),
            Kind::Burst => {
                let count = 2 + draw.below(6);
                Step::Burst { slot, operations: (0..count).map(|_| requests::in_one_go(draw)).collect() }
            }
            Kind::NewSession => Step::Connect { slot, opening: opening(draw, SessionChoice::New) },
            Kind::Resume => {
                let session = SessionChoice::Ago(draw.below(6));
                Step::Connect { slot, opening: opening(draw, session) }
            }
            Kind::OddHandshake => Step::Connect { slot, opening: odd_opening(draw) },
            Kind::Drop => Step::Drop { slot },
            Kind::Bytes => Step::Bytes { slot, bytes: odd_bytes(draw) },
            Kind::Stranger => Step::Stranger { bytes: stranger(draw) },
            Kind::Word => Step::Word { word: draw.one_of(&["ruok", "isro", "srvr"]) },
        })
    }
}

fn opening(draw: &mut Draw, session: SessionChoice) -> Opening {
    let timeout_ms = match draw.below(10) {
        0 => draw.one_of(&[0, -1, 1, 3999, 4001, 5000, 39_999, 40_001, i32::MAX, i32::MIN]),
        _ => 40_000,
    };
    let seen = match draw.below(20) {
        0 => draw.one_of(&[Zxid::BeforeNewest(-1), Zxid::Number(i64::MAX), Zxid::Number(-1)]),
        1..5 => Zxid::BeforeNewest(0),
        _ => Zxid::Number(0),
    };
    let read_only = draw.weighted(&[(90, Some(false)), (5, Some(true)), (5, None)]);
    Opening { session, timeout_ms, seen, read_only, ..Opening::new_session() }
}

fn odd_opening(draw: &mut Draw) -> Opening {
    let session = match draw.below(4) {
        0 => SessionChoice::New,
        1 => SessionChoice::Unknown(draw.one_of(&[1, -1, 12345, i64::MAX, i64::MIN])),
        _ => SessionChoice::Ago(draw.below(4)),
    };
    let mut opening = opening(draw, session);
    match draw.below(4) {
        0 => {
            let lengths = [0, 1, 15, 16, 17, 100];
            opening.password = PasswordChoice::Bytes(vec![7; draw.one_of(&lengths)]);
        }
        1 => opening.protocol_version = draw.one_of(&[1, -1, i32::MAX, i32::MIN]),
        2 => opening.damage = Some(handshake_damage(draw)),
        _ => {
            opening.password = PasswordChoice::Bytes(Vec::new());
            opening.damage = Some(Damage::Number { at: 24, value: draw.one_of(&[-1, -2, i32::MAX, 5]) });
        }
    }
    opening
}

fn handshake_damage(draw: &mut Draw) -> Damage {
    match draw.below(4) {
        0 => Damage::Cut(1 + draw.below(45)),
        1 => Damage::Add(vec![0; 1 + draw.below(10)]),
        2 => {
            // Not the id, and no byte of a password: whether that changes anything would depend on the server's own.
            let at = draw.one_of(&[0, 4, 8, 12, 24, 28, 40]);
            Damage::Number { at, value: draw.one_of(&[0, 1, -1, -2, i32::MAX, i32::MIN]) }
        }
        _ => Damage::Byte { at: 44, value: draw.one_of(&[0, 1, 2, 255]) },
    }
}

fn damaged(draw: &mut Draw, slot: usize) -> Step {
    let operation = requests::request(draw);
    let root_acl = matches!(&operation, Operation::SetAcl { path, .. } if *path == Path::text("/"));
    let numbers_too = !root_acl && !is_delicate(&operation);
    let damage = match draw.below(if numbers_too { 4 } else { 2 }) {
        0 if draw.percent(15) => Damage::Cut(usize::MAX),
        0 => Damage::Cut(1 + draw.below(24)),
        1 => Damage::Add(vec![draw.one_of(&[0, 255]); 1 + draw.below(8)]),
        2 => {
            // The first number is most often the length of the path.
            let at = if draw.percent(40) { 0 } else { draw.below(80) };
            Damage::Number {
                at,
                value: draw.one_of(&[0, 1, 2, 100, -1, -2, i32::MAX, i32::MIN, 0x000f_ffff]),
            }
        }
        _ => Damage::Byte { at: draw.below(80), value: draw.one_of(&[0, 1, b'/', 127, 128, 255]) },
    };
    Step::Request { slot, xid: Xid::Next, operation, damage: Some(damage) }
}

/// Whether a slip of a digit could make this something that is never sent: see `Unspecified::Fatal` and
/// `Unspecified::NullWatch`.
fn is_delicate(operation: &Operation) -> bool {
    match operation {
        Operation::Multi { operations } | Operation::MultiRead { operations } => {
            // The kind of a part may change, too.
            operations.iter().any(|part| is_delicate(part) || part.opcode() == opcode::CREATE)
        }
        _ => {
            matches!(operation.opcode(), opcode::CREATE_TTL | opcode::ADD_WATCH | opcode::SET_WATCHES2)
        }
    }
}

fn odd_number(draw: &mut Draw, slot: usize) -> Step {
    let operation = loop {
        let operation = requests::request(draw);
        // An answer with the number of events cannot always be told from one.
        if matches!(operation, Operation::Read { .. } | Operation::Sync { .. } | Operation::SetWatches { .. })
        {
            break operation;
        }
    };
    let xid = Xid::Number(draw.one_of(&[-2, -4, -8, 0, i32::MIN, i32::MAX, -3, -100]));
    Step::Request { slot, xid, operation, damage: None }
}

/// Bytes that are no frame in the middle of a session.
fn odd_bytes(draw: &mut Draw) -> Vec<u8> {
    let odd: &[&[u8]] = &[
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x80\0\0\0",
        b"\x7f\xff\xff\xff",
        b"\0\x10\0\0",
        b"\0\0\0\x01\0",
        b"\0\0\0\x04\0\0\0\x01",
        b"\0\0\0\x07\0\0\0\x01\0\0\0",
        b"ruok",
    ];
    draw.one_of(odd).to_vec()
}

/// What somebody says who is no client.
fn stranger(draw: &mut Draw) -> Vec<u8> {
    let odd: &[&[u8]] = &[
        b"",
        b"\0\0",
        b"\0\0\0\0",
        b"\0\0\0\x01\0",
        b"\0\0\0\x2d\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x80\0\0\0",
        b"\x7f\xff\xff\xff",
        b"\0\x10\0\0",
        b"\0\x0f\xff\xff",
        b"xxxx",
        b"RUOK",
        b"ruok\n",
        b"ruokruok",
        b"GET / HTTP/1.0\r\n\r\n",
        // A request before any handshake.
        b"\0\0\0\x0e\0\0\0\x01\0\0\0\x03\0\0\0\x01/\0",
    ];
    draw.one_of(odd).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_steps_and_another_seed_others() {
        let steps = |seed| Steps::new(seed).take(2000).collect::<Vec<_>>();
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn nothing_is_drawn_that_the_original_does_not_survive() {
        let fatal = |operation: &Operation| matches!(operation, Operation::Create { flags, ttl: Some(ttl), .. } if !matches!(flags, 5 | 6) && *ttl < 0);
        for step in Steps::new(1).take(100_000) {
            let operations = match step {
                Step::Request { operation: Operation::Multi { operations }, .. }
                | Step::Burst { operations, .. } => operations,
                Step::Request { operation, .. } => vec![operation],
                Step::Connect { .. }
                | Step::Bytes { .. }
                | Step::Drop { .. }
                | Step::Stranger { .. }
                | Step::Word { .. } => Vec::new(),
            };
            assert!(!operations.iter().any(fatal), "{operations:?}");
        }
    }
}
