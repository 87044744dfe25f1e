//! The shell of one node, in a world in memory: who is hung up on, what is tried again and when, and what is not believed.

mod memory;

use memory::{Answer, Line, Machine};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::coordination::Paths;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::Message;
use zeromaster_core::operator::OperatorRequest;
use zeromaster_core::rules::Rules;
use zeromaster_core::status::Epoch;
use zeromaster_runtime::frame::{Frame, FrameError, Frames, VERSION, encode};
use zeromaster_runtime::{Driver, Observer, Place, Settings, Trouble};
use zeromaster_zookeeper::ClientConfig;

const ZOOKEEPER: Place = Place::ZooKeeper(0);

/// What an operator would read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Trouble>>>);

impl Log {
    fn troubles(&self) -> Vec<Trouble> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn troubled(&mut self, _now: Duration, trouble: &Trouble) {
        self.0.lock().unwrap().push(trouble.clone());
    }
}

fn address(host: &str) -> Address {
    Address::new(host, 11_443)
}

fn settings() -> Settings {
    let node = NodeIdentifier::new(NodeId(1), Address::new("n1", 8443), address("n1"));
    let config = NodeConfig {
        node: Arc::new(node),
        incarnation: Incarnation(1),
        heartbeat_interval: Duration::from_secs(5),
        heartbeat_missable_max: 8,
        flow_election_max_wait: Duration::from_secs(300),
        flow_election_max_candidates: None,
        session_timeout: Duration::from_secs(10),
        connection_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        paths: Paths::new("/nifi"),
        firewall: None,
        hosts: Arc::default(),
        queued: BTreeSet::new(),
        rules: Rules::default(),
    };
    let client = ClientConfig { connect_timeout: Some(Duration::from_secs(3)), ..ClientConfig::default() };
    let flow = Arc::new(DataFlow::new("A"));
    Settings { config: Arc::new(config), flow, client, first_number: 1 }
}

/// A process that runs, and ZooKeeper answers its attempts to connect like this.
fn machine(answers: impl IntoIterator<Item = Answer>) -> (Machine, Log) {
    let (mut machine, log) = (Machine::new(), Log::default());
    machine.memory.answers(ZOOKEEPER, answers);
    let (driver, _) = Driver::new(machine.memory.clone(), settings(), log.clone()).unwrap();
    let run = async { driver.run().await.unwrap() };
    zeromaster_runtime::Environment::spawn(&machine.memory, run);
    machine.settle();
    log.troubles();
    (machine, log)
}

fn frames(line: &Line) -> Vec<Frame> {
    let mut frames = Frames::default();
    frames.arrived(&line.heard());
    std::iter::from_fn(|| frames.next_frame().unwrap()).collect()
}

fn from_n2(messages: &[Message]) -> Vec<u8> {
    let mut bytes = encode(&Frame::Node { address: address("n2") });
    messages.iter().for_each(|message| bytes.extend(encode(&Frame::Message(message.clone()))));
    bytes
}

fn message() -> Message {
    Message::NotCoordinator { epoch: Epoch(1) }
}

#[track_caller]
fn check_hung_up(bytes: &[u8], from: Option<&str>, error: FrameError) {
    let (mut machine, log) = machine([Answer::Never]);
    let (bad, good) = (machine.call(), machine.call());
    bad.say(bytes);
    bad.close();
    machine.settle();
    assert_eq!(log.troubles(), [Trouble::Frame { from: from.map(address), error }]);
    assert!(bad.is_closed(), "the connection is closed");
    good.say(&from_n2(&[message()]));
    machine.settle();
    assert_eq!(frames(&good), [Frame::Taken { messages: 1 }]);
    assert!(!good.is_closed() && log.troubles().is_empty(), "nobody else is concerned");
}

#[test]
fn who_says_what_cannot_be_read_is_hung_up_on_and_nobody_else() {
    check_hung_up(&[0, 0, 0, 0], None, FrameError::Empty);
    check_hung_up(&[0, 0, 0, 9, VERSION + 1], None, FrameError::Foreign { version: VERSION + 1 });
    check_hung_up(b"HELO", None, FrameError::Oversized { announced: u32::from_be_bytes(*b"HELO") });
    check_hung_up(&[0, 0, 0, 2, VERSION, 99], None, FrameError::Malformed);
    let cut_off = from_n2(&[message()]);
    check_hung_up(&cut_off[..cut_off.len() - 1], Some("n2"), FrameError::Truncated);
    check_hung_up(&encode(&Frame::Message(message())), None, FrameError::OutOfPlace);
    let mut twice = from_n2(&[]);
    twice.extend(from_n2(&[]));
    check_hung_up(&twice, Some("n2"), FrameError::OutOfPlace);
}

#[test]
fn messages_are_taken_together_and_counted() {
    let (mut machine, _) = machine([Answer::Never]);
    let line = machine.call();
    line.say(&from_n2(&[message(), message()]));
    machine.settle();
    assert_eq!(frames(&line), [Frame::Taken { messages: 2 }]);
    line.say(&encode(&Frame::Message(message())));
    machine.settle();
    assert_eq!(frames(&line), [Frame::Taken { messages: 3 }]);
}

#[test]
fn who_does_not_say_who_it_is_is_not_waited_for() {
    let (mut machine, _) = machine([Answer::Never]);
    let line = machine.call();
    machine.pass(Duration::from_secs(9));
    assert!(!line.is_closed());
    machine.pass(Duration::from_secs(2));
    assert!(line.is_closed());
}

#[test]
fn a_person_hears_what_came_of_a_request() {
    let (mut machine, _) = machine([Answer::Never]);
    let line = machine.call();
    line.say(&encode(&Frame::Person));
    line.say(&encode(&Frame::Request { number: 7, request: OperatorRequest::Offload(NodeId(1)) }));
    machine.settle();
    let [Frame::Outcome { number: 7, outcome: Err(_) }] = frames(&line)[..] else {
        panic!("a node without a coordinator refuses");
    };
}

/// When ZooKeeper was tried, in milliseconds.
fn tries(machine: &Machine) -> Vec<u128> {
    let attempts = machine.memory.attempts();
    attempts.iter().filter(|(_, place)| *place == ZOOKEEPER).map(|(at, _)| at.as_millis()).collect()
}

#[test]
fn the_timer_is_armed_again_each_time() {
    let (mut machine, log) = machine([Answer::Refused]);
    machine.pass(Duration::from_millis(4_500));
    assert_eq!(tries(&machine), [0, 1_000, 2_000, 3_000, 4_000]);
    assert_eq!(log.troubles().len(), 4);
}

#[test]
fn what_a_connection_says_that_was_given_up_is_not_heard() {
    let late = Line::default();
    let (mut machine, log) = machine([Answer::Accepted(late.clone()), Answer::Never]);
    assert!(!late.heard().is_empty(), "the client asks for a session");
    // It is given up after three seconds, and another is tried a second later.
    machine.pass(Duration::from_millis(4_500));
    assert_eq!(tries(&machine), [0, 4_000]);
    late.say(b"late, and not even ZooKeeper's");
    late.close();
    machine.pass(Duration::from_secs(1));
    assert_eq!((log.troubles(), late.is_closed()), (Vec::new(), true));
    assert_eq!(tries(&machine), [0, 4_000]);
}
