//! Two servers in lock-step: every step is done to both, and what both say is compared.

use crate::answer::Shape;
use crate::jute::Writer;
use crate::memory::Memory;
use crate::operation::{Operation, Path, opcode};
use crate::raw::{Connection, Handshake, XID_PING, four_letter_word};
use crate::side::{Heard, Line, PATIENCE, SPARE, SUSPICION, Side, Waiting};
use crate::step::{Damage, Opening, PasswordChoice, SessionChoice, Slot, Step, Xid};
use crate::unspecified::{Unspecified, in_one_order};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The number of the request behind a suspicious one; no step uses it.
const XID_FENCE: i32 = 0x7fff_fff0;

/// The error of requests that the server does not know.
const UNIMPLEMENTED: i32 = -6;

/// The error of authentications that fail.
const AUTH_FAILED: i32 = -115;

/// A path that no step creates.
const FENCE_PATH: &str = "/there is no such node";

/// All connections are listened to at least once in so many steps.
const QUIET_STEPS_MAX: u64 = 50;

/// A session without a connection is ended after so many steps, so that it does not expire at a time of its own.
const ABANDONED_STEPS_MAX: u64 = 300;

/// The same for sessions with a timeout below [`SHORT_TIMEOUT_MS`].
const ABANDONED_SHORT_STEPS_MAX: u64 = 15;

/// Sessions with a timeout below this are watched more closely.
const SHORT_TIMEOUT_MS: i32 = 30_000;

/// What one server did in a step: connection by connection, in order.
pub type Transcript = Vec<(Option<Slot>, Line)>;

/// A step and what both servers did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The step in words, with everything that stood for something replaced by it.
    pub step: String,
    /// What each server did.
    pub transcripts: [Transcript; 2],
}

impl Outcome {
    /// Whether both did the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.transcripts[0] == self.transcripts[1]
    }
}

#[derive(Clone, Copy, Debug)]
struct Abandoned {
    session: usize,
    since: u64,
    limit: u64,
}

/// Two servers, and what is common to them as long as they agree.
#[derive(Debug)]
pub struct Comparison {
    sides: [Side; 2],
    memory: Memory,
    abandoned: Vec<Abandoned>,
    ended: BTreeSet<usize>,
    steps: u64,
    heard_all_at: u64,
}

impl Comparison {
    /// Two servers that have been started afresh, and whether they may differ as 3.8.0 and 3.9.5 do.
    #[must_use]
    pub fn new(addresses: [SocketAddr; 2], across_versions: bool) -> Comparison {
        Comparison {
            sides: addresses.map(|address| Side::new(address, across_versions)),
            memory: Memory::default(),
            abandoned: Vec::new(),
            ended: BTreeSet::new(),
            steps: 0,
            heard_all_at: 0,
        }
    }

    /// Does a step, and before it what is due: the end of sessions that have been without a connection for long. The
    /// outcomes up to the first in which the servers disagree.
    pub fn step(&mut self, step: &Step) -> Vec<Outcome> {
        self.steps += 1;
        let mut outcomes = self.end_abandoned();
        if outcomes.iter().all(Outcome::agrees) {
            outcomes.push(self.perform(step));
        }
        if outcomes.iter().all(Outcome::agrees) && self.steps - self.heard_all_at >= QUIET_STEPS_MAX {
            let mut outcome = Outcome::of("all connections are listened to".to_owned());
            self.hear_others(None, false, &mut outcome);
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Reads the whole tree on both servers. The outcomes up to the first in which they disagree.
    pub fn walk(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut open = vec!["/".to_owned()];
        while let Some(path) = open.pop() {
            self.memory.forget_listed();
            let read = |opcode| Operation::Read { opcode, path: Path::text(&path), watch: 0 };
            let acl = Operation::GetAcl { path: Path::text(&path) };
            for operation in [read(opcode::GET_CHILDREN2), read(opcode::GET_DATA), acl] {
                let step = Step::Request { slot: 0, xid: Xid::Next, operation, damage: None };
                let outcome = self.perform(&step);
                let agrees = outcome.agrees();
                outcomes.push(outcome);
                if !agrees {
                    return outcomes;
                }
            }
            let base = path.trim_end_matches('/');
            open.extend(self.memory.listed().iter().map(|name| format!("{base}/{name}")));
        }
        outcomes
    }

    fn perform(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Connect { slot, opening } => {
                let mut outcome = Outcome::of(step.to_string());
                self.connect(*slot, opening, &mut outcome);
                self.hear_others(Some(*slot), false, &mut outcome);
                outcome
            }
            Step::Request { slot, xid, operation, damage } => {
                self.request(*slot, *xid, operation, damage.as_ref())
            }
            Step::Burst { slot, operations } => self.burst(*slot, operations),
            Step::Bytes { slot, bytes } => self.bytes(*slot, bytes, step),
            Step::Drop { slot } => {
                self.drop_connection(*slot);
                Outcome::of(step.to_string())
            }
            Step::Stranger { bytes } => self.stranger(bytes, step),
            Step::Word { word } => self.word(word, step),
        }
    }

    fn request(&mut self, slot: Slot, xid: Xid, operation: &Operation, damage: Option<&Damage>) -> Outcome {
        let operation = self.memory.resolve(operation);
        let shown = Step::Request { slot, xid, operation: operation.clone(), damage: damage.cloned() };
        let mut outcome = Outcome::of(shown.to_string());
        if !self.ensure_attached(slot, &mut outcome) {
            return outcome;
        }
        let xid = self.number(slot, xid);
        let body = damage.iter().fold(operation.body(), |body, damage| damage.apply(body));
        let bytes = frame(xid, operation.opcode(), &body);
        let expected = if matches!(operation, Operation::Ping) { XID_PING } else { xid };
        let waiting = [Waiting { xid: expected, shape: Shape::of(&operation) }];
        let ending = operation.opcode() == opcode::CLOSE_SESSION;
        let suspicious = damage.is_some() || is_suspicious(&operation) || xid < 0;
        let patience = if suspicious { SUSPICION } else { PATIENCE };
        self.sides.iter_mut().for_each(|side| side.send_bytes(slot, &bytes));
        let mut heard = self.sides.each_mut().map(|side| side.hear(slot, &waiting, patience));
        if ending || heard.iter().any(|heard| heard.error.is_some_and(is_last)) {
            // The close comes behind the answer, but what is sent meanwhile may still be answered.
            for (side, heard) in self.sides.iter_mut().zip(&mut heard) {
                heard.append(side.hear_end(slot));
            }
        } else if suspicious {
            self.fence(slot, &mut heard);
        }
        if ending && heard[0].error == Some(0) && heard[0].closed() {
            self.ended.extend(self.sides[0].attached(slot).map(|attached| attached.session));
        }
        self.take_in(slot, std::slice::from_ref(&operation), heard, ending, &mut outcome);
        if suspicious || changes(&operation) {
            self.hear_others(Some(slot), ending, &mut outcome);
        }
        outcome
    }

    fn burst(&mut self, slot: Slot, operations: &[Operation]) -> Outcome {
        let operations: Vec<Operation> =
            operations.iter().map(|operation| self.memory.resolve(operation)).collect();
        let shown = Step::Burst { slot, operations: operations.clone() };
        let mut outcome = Outcome::of(shown.to_string());
        if !self.ensure_attached(slot, &mut outcome) {
            return outcome;
        }
        let mut bytes = Vec::new();
        let mut waiting = Vec::new();
        for operation in &operations {
            let xid = self.number(slot, Xid::Next);
            bytes.extend(frame(xid, operation.opcode(), &operation.body()));
            waiting.push(Waiting { xid, shape: Shape::of(operation) });
        }
        self.sides.iter_mut().for_each(|side| side.send_bytes(slot, &bytes));
        let heard = self.sides.each_mut().map(|side| side.hear(slot, &waiting, PATIENCE));
        self.take_in(slot, &operations, heard, false, &mut outcome);
        self.hear_others(Some(slot), false, &mut outcome);
        outcome
    }

    fn bytes(&mut self, slot: Slot, bytes: &[u8], step: &Step) -> Outcome {
        let mut outcome = Outcome::of(step.to_string());
        if !self.ensure_attached(slot, &mut outcome) {
            return outcome;
        }
        self.sides.iter_mut().for_each(|side| side.send_bytes(slot, bytes));
        let mut heard = [Heard::default(), Heard::default()];
        self.fence(slot, &mut heard);
        self.take_in(slot, &[], heard, false, &mut outcome);
        self.hear_others(Some(slot), false, &mut outcome);
        outcome
    }

    /// A sound request behind a suspicious one: it is answered, or the connection is closed. The suspicious one may still be
    /// answered before it: the original writes a request that it cannot read into its log, byte by byte, before it says
    /// so, which takes it more than a second for a megabyte.
    fn fence(&mut self, slot: Slot, heard: &mut [Heard; 2]) {
        let body = Writer::new().string(FENCE_PATH).boolean(false).into_bytes();
        let bytes = frame(XID_FENCE, opcode::EXISTS, &body);
        let fence = Waiting { xid: XID_FENCE, shape: Shape::Stat };
        for (side, heard) in self.sides.iter_mut().zip(heard.iter()) {
            if !heard.closed() {
                side.send_bytes(slot, &bytes);
            }
        }
        for (side, heard) in self.sides.iter_mut().zip(heard) {
            if !heard.closed() {
                // How long the silence before lasted says nothing, only what is answered in the end.
                heard.lines.retain(|line| *line != Line::Silence);
                let late = std::mem::take(&mut heard.unanswered);
                heard.append(side.hear_up_to(slot, late, fence, PATIENCE));
            }
        }
    }

    /// Writes down what was heard on a connection, and learns from it.
    fn take_in(
        &mut self,
        slot: Slot,
        operations: &[Operation],
        heard: [Heard; 2],
        ending: bool,
        outcome: &mut Outcome,
    ) {
        self.memory.see(heard[0].newest);
        for (operation, learned) in operations.iter().zip(&heard[0].learned) {
            self.memory.learn(operation, learned);
        }
        for (index, heard) in heard.into_iter().enumerate() {
            let stays = heard.lines.iter().all(|line| !matches!(line, Line::Closed | Line::Silence));
            outcome.transcripts[index].extend(lines(slot, heard.lines, ending));
            if !stays {
                self.let_go(index, slot);
            }
        }
    }

    /// Listens to what the other connections have been told.
    fn hear_others(&mut self, besides: Option<Slot>, ending: bool, outcome: &mut Outcome) {
        if !outcome.agrees() {
            return;
        }
        self.heard_all_at = self.steps;
        let slots: Vec<Slot> =
            self.sides[0].attached_slots().into_iter().filter(|slot| Some(*slot) != besides).collect();
        let ping = frame(XID_PING, opcode::PING, &[]);
        for slot in &slots {
            self.sides.iter_mut().for_each(|side| side.send_bytes(*slot, &ping));
        }
        let waiting = [Waiting { xid: XID_PING, shape: Shape::Nothing }];
        for slot in slots {
            let heard = self.sides.each_mut().map(|side| side.hear(slot, &waiting, PATIENCE));
            self.take_in(slot, &[], heard, ending, outcome);
        }
    }

    fn connect(&mut self, slot: Slot, opening: &Opening, outcome: &mut Outcome) {
        self.drop_connection(slot);
        let asked = [0, 1].map(|index| self.handshake(index, opening));
        let patience = if opening.damage.is_some() { SUSPICION } else { PATIENCE };
        let opened: [_; 2] = std::array::from_fn(|index| {
            let content = asked[index].encode();
            let content = opening.damage.iter().fold(content, |content, damage| damage.apply(content));
            self.sides[index].open(&content)
        });
        for (index, opened) in opened.into_iter().enumerate() {
            let lines = self.sides[index].hear_handshake(slot, &asked[index], opened, patience);
            outcome.transcripts[index].extend(lines.into_iter().map(|line| (Some(slot), line)));
        }
        if let Some(attached) = self.sides[0].attached(slot) {
            let session = attached.session;
            self.abandoned.retain(|abandoned| abandoned.session != session);
        }
    }

    fn handshake(&self, index: usize, opening: &Opening) -> Handshake {
        let sessions = self.sides[index].view.sessions();
        let named = match opening.session {
            SessionChoice::New | SessionChoice::Unknown(_) => None,
            SessionChoice::Ago(ago) => sessions.iter().rev().nth(ago),
        };
        let session_id = match opening.session {
            SessionChoice::Unknown(id) => id,
            SessionChoice::New | SessionChoice::Ago(_) => named.map_or(0, |session| session.session_id),
        };
        let right = named.map_or(vec![0; 16], |session| session.password.clone());
        let password = match &opening.password {
            PasswordChoice::Right => right,
            PasswordChoice::Bytes(bytes) => bytes.clone(),
        };
        Handshake {
            protocol_version: opening.protocol_version,
            last_zxid_seen: self.memory.zxid(opening.seen),
            timeout_ms: opening.timeout_ms,
            session_id,
            password,
            read_only: opening.read_only,
        }
    }

    fn stranger(&mut self, bytes: &[u8], step: &Step) -> Outcome {
        let mut outcome = Outcome::of(step.to_string());
        for (side, transcript) in self.sides.iter().zip(&mut outcome.transcripts) {
            let lines = match Connection::open(side.address()) {
                Ok(mut connection) => {
                    let _ = connection.send_bytes(bytes);
                    listen(&mut connection)
                }
                Err(error) => vec![Line::Frame(format!("no connection: {error}"))],
            };
            transcript.extend(lines.into_iter().map(|line| (None, line)));
        }
        self.hear_others(None, false, &mut outcome);
        outcome
    }

    fn word(&mut self, word: &str, step: &Step) -> Outcome {
        let mut outcome = Outcome::of(step.to_string());
        for (side, transcript) in self.sides.iter().zip(&mut outcome.transcripts) {
            let text = four_letter_word(side.address(), word, PATIENCE)
                .map_or_else(|error| format!("no answer: {error}"), |text| fixed_part(word, &text));
            transcript.push((None, Line::Frame(format!("says {text:?}"))));
        }
        outcome
    }

    fn end_abandoned(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(due) = self.abandoned.iter().find(|it| self.steps - it.since >= it.limit).copied() {
            self.abandoned.retain(|abandoned| abandoned.session != due.session);
            let newest = self.sides[0].view.sessions().len() - 1;
            let opening =
                Opening { session: SessionChoice::Ago(newest - due.session), ..Opening::new_session() };
            let connect = Step::Connect { slot: SPARE, opening };
            let operation = Operation::CloseSession;
            let close = Step::Request { slot: SPARE, xid: Xid::Next, operation, damage: None };
            for step in [connect, close] {
                let mut outcome = self.perform(&step);
                outcome.step = format!("(session {} is ended) {}", due.session, outcome.step);
                let agrees = outcome.agrees();
                outcomes.push(outcome);
                if !agrees {
                    return outcomes;
                }
            }
        }
        outcomes
    }

    /// A connection with a session in this slot: whether there is one now.
    fn ensure_attached(&mut self, slot: Slot, outcome: &mut Outcome) -> bool {
        if !self.sides[0].is_attached(slot) {
            self.connect(slot, &Opening::new_session(), outcome);
        }
        outcome.agrees() && self.sides.iter().all(|side| side.is_attached(slot))
    }

    fn drop_connection(&mut self, slot: Slot) {
        for index in [0, 1] {
            self.let_go(index, slot);
        }
    }

    /// The connection is gone. Its session goes on, unless it was ended or continues elsewhere.
    fn let_go(&mut self, index: usize, slot: Slot) {
        let Some(session) = self.sides[index].detach(slot) else { return };
        let elsewhere = (0..=SPARE)
            .any(|other| self.sides[index].attached(other).is_some_and(|it| it.session == session));
        let known = self.abandoned.iter().any(|abandoned| abandoned.session == session);
        if index == 0 && !elsewhere && !known && !self.ended.contains(&session) {
            let short = self.sides[0].view.sessions()[session].timeout_ms < SHORT_TIMEOUT_MS;
            let limit = if short { ABANDONED_SHORT_STEPS_MAX } else { ABANDONED_STEPS_MAX };
            self.abandoned.push(Abandoned { session, since: self.steps, limit });
        }
    }

    fn number(&mut self, slot: Slot, xid: Xid) -> i32 {
        let mut number = 0;
        for side in &mut self.sides {
            if let Some(attached) = side.attached(slot) {
                number = attached.next_xid;
                attached.next_xid += 1;
            }
        }
        match xid {
            Xid::Next => number,
            Xid::Number(xid) => xid,
        }
    }
}

impl Outcome {
    fn of(step: String) -> Outcome {
        Outcome { step, transcripts: [Vec::new(), Vec::new()] }
    }
}

/// What was heard in a step, with events in one order where their order is open.
fn lines(slot: Slot, heard: Vec<Line>, ending: bool) -> Transcript {
    let ordered = if ending {
        let (events, others): (Vec<Line>, Vec<Line>) =
            heard.into_iter().partition(|line| matches!(line, Line::Event(_)));
        let mut ordered = in_one_order(Unspecified::EndingOrder, events);
        ordered.extend(others);
        ordered
    } else {
        heard
    };
    ordered.into_iter().map(|line| (Some(slot), line)).collect()
}

/// What a server says to somebody who is no client, before and after that one stops sending.
fn listen(connection: &mut Connection) -> Vec<Line> {
    let mut lines = Vec::new();
    for patience in [SUSPICION, PATIENCE] {
        match connection.receive_bytes(patience) {
            Ok((bytes, closed)) => {
                if !bytes.is_empty() {
                    lines.push(Line::Frame(format!("says \"{}\"", bytes.escape_ascii())));
                }
                lines.push(if closed { Line::Closed } else { Line::Silence });
            }
            Err(error) => lines.push(Line::Frame(format!("unreadable: {error}"))),
        }
        if lines.last() != Some(&Line::Silence) {
            break;
        }
        let _ = connection.finish_sending();
    }
    lines
}

fn frame(xid: i32, opcode: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 8).expect("bodies are below 2 GiB");
    Writer::new().int(length).int(xid).int(opcode).raw(body).into_bytes()
}

/// Whether nothing comes on a connection after an answer with this error.
fn is_last(error: i32) -> bool {
    matches!(error, UNIMPLEMENTED | AUTH_FAILED)
}

/// Whether a request may go unanswered or end the connection.
fn is_suspicious(operation: &Operation) -> bool {
    matches!(operation, Operation::Other { .. } | Operation::Auth { .. } | Operation::CloseSession)
        || operation.opcode() == opcode::CHECK
        || operation.body().len() > 1 << 19
}

/// Whether a request may be noticed on other connections.
fn changes(operation: &Operation) -> bool {
    match operation {
        Operation::Create { .. }
        | Operation::Delete { .. }
        | Operation::DeleteContainer { .. }
        | Operation::SetData { .. }
        | Operation::SetAcl { .. }
        | Operation::Check { .. }
        | Operation::Multi { .. }
        | Operation::Auth { .. }
        | Operation::CloseSession
        | Operation::Other { .. } => true,
        Operation::Read { .. }
        | Operation::GetAcl { .. }
        | Operation::Sync { .. }
        | Operation::Ping
        | Operation::MultiRead { .. }
        | Operation::SetWatches { .. }
        | Operation::AddWatch { .. }
        | Operation::Watches { .. }
        | Operation::GetEphemerals { .. }
        | Operation::GetAllChildrenNumber { .. }
        | Operation::WhoAmI => false,
    }
}

/// What of a four-letter word's answer is fixed.
fn fixed_part(word: &str, text: &str) -> String {
    if word != "srvr" {
        return text.to_owned();
    }
    let fixed = ["Zxid:", "Mode:", "Node count:"];
    let lines = text.lines().filter(|line| fixed.iter().any(|label| line.starts_with(label)));
    lines.collect::<Vec<_>>().join("\n")
}
