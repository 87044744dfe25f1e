//! The workload on this project's engine: the queue of events, and the network's choice for each message.

use crate::workload::{HEARTBEAT_BYTES, INTERVAL, LATENCY, Outcome, Workload, heartbeat};
use zeromaster_sim::network::{Endpoint, Network};
use zeromaster_sim::plan::{DurationRange, NodeNumber, Protocol};
use zeromaster_sim::queue::EventQueue;
use zeromaster_sim::random::Streams;
use zeromaster_sim::time::SimTime;

enum Event {
    Due { node: u32, number: u32 },
    Heartbeat { payload: u32 },
    Answer { node: u32, number: u32 },
    Look,
}

const COORDINATOR: Endpoint = Endpoint::Node(NodeNumber(1));

const fn endpoint(node: u32) -> Endpoint {
    Endpoint::Node(NodeNumber(node + 2))
}

pub fn run(workload: Workload) -> Outcome {
    let mut outcome = Outcome::new(workload);
    let mut network = Network::new(Streams::new(1), DurationRange { min: LATENCY[0], max: LATENCY[1] });
    let mut queue = EventQueue::new();
    let mut payloads = Payloads::default();
    for node in 0..workload.nodes {
        queue.push(SimTime::ZERO + workload.phase(node), Event::Due { node, number: 1 });
    }
    queue.push(SimTime::ZERO + INTERVAL, Event::Look);
    let end = SimTime::ZERO + workload.end();
    while let Some((now, _, event)) = queue.pop_until(end) {
        match event {
            Event::Due { node, number } => {
                let sent = network.transmit(endpoint(node), COORDINATOR, Protocol::Cluster);
                for latency in sent.latencies() {
                    let payload = payloads.put(heartbeat(node, number));
                    queue.push(now + latency, Event::Heartbeat { payload });
                }
                if number < workload.heartbeats {
                    queue.push(now + INTERVAL, Event::Due { node, number: number + 1 });
                }
            }
            Event::Heartbeat { payload } => {
                outcome.delivered += 1;
                let bytes = payloads.take(payload);
                let (node, number) = outcome.coordinator.receive(&bytes, now.as_micros());
                let sent = network.transmit(COORDINATOR, endpoint(node), Protocol::Cluster);
                for latency in sent.latencies() {
                    queue.push(now + latency, Event::Answer { node, number });
                }
            }
            Event::Answer { node, number } => {
                outcome.answered(node, number);
            }
            Event::Look => {
                outcome.coordinator.look(now.as_micros());
                queue.push(now + INTERVAL, Event::Look);
            }
        }
    }
    outcome
}

/// The bytes that are on their way, apart from the events, which are small.
#[derive(Default)]
struct Payloads {
    bytes: Vec<[u8; HEARTBEAT_BYTES]>,
    vacant: Vec<u32>,
}

impl Payloads {
    fn put(&mut self, bytes: [u8; HEARTBEAT_BYTES]) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.bytes.push([0; HEARTBEAT_BYTES]);
            self.bytes.len() as u32 - 1
        });
        self.bytes[slot as usize] = bytes;
        slot
    }

    fn take(&mut self, slot: u32) -> [u8; HEARTBEAT_BYTES] {
        self.vacant.push(slot);
        self.bytes[slot as usize]
    }
}
