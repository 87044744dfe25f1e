//! The work that every engine does, and what must come out of it.

use std::time::Duration;

/// How long after a heartbeat a node sends its next one, and how often the coordinator looks for the silent.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How long the coordinator has heard nothing of a node that it counts as silent.
pub const SILENCE: Duration = Duration::from_secs(40);

/// How long a message takes at least, and at most.
pub const LATENCY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// A heartbeat: whom it is from, its number, and padding.
pub const HEARTBEAT_BYTES: usize = 64;

/// So many nodes beside the coordinator, each of which sends so many heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    pub nodes: u32,
    pub heartbeats: u32,
}

impl Workload {
    /// When a node sends its first heartbeat: one after the other, evenly over the interval.
    pub fn phase(self, node: u32) -> Duration {
        INTERVAL * node / self.nodes
    }

    /// When all is said: the last heartbeat is sent, received and answered.
    pub fn end(self) -> Duration {
        INTERVAL * self.heartbeats + 2 * LATENCY[1] + Duration::from_secs(1)
    }
}

/// A heartbeat, as bytes.
pub fn heartbeat(node: u32, number: u32) -> [u8; HEARTBEAT_BYTES] {
    let mut bytes = [0; HEARTBEAT_BYTES];
    bytes[..4].copy_from_slice(&node.to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What the coordinator knows of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastSeen {
    /// How many heartbeats were received.
    pub heartbeats: u32,
    /// The greatest number among them, counted from 1.
    pub number: u32,
    /// When the last one was, in microseconds.
    pub at: u64,
}

/// The coordinator: the table of who was last seen when.
#[derive(Clone, Debug)]
pub struct Coordinator {
    pub table: Vec<LastSeen>,
    /// How often a look found a node silent. None is.
    pub silent: u64,
}

impl Coordinator {
    pub fn new(nodes: u32) -> Coordinator {
        Coordinator { table: vec![LastSeen::default(); nodes as usize], silent: 0 }
    }

    /// Takes a heartbeat in, and says whom to answer, and what.
    pub fn receive(&mut self, bytes: &[u8; HEARTBEAT_BYTES], now: u64) -> (u32, u32) {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (node, number) = (word(0), word(4));
        let seen = &mut self.table[node as usize];
        *seen = LastSeen { heartbeats: seen.heartbeats + 1, number: seen.number.max(number), at: now };
        (node, number)
    }

    /// Looks for nodes that have been silent for too long.
    pub fn look(&mut self, now: u64) {
        let silent = |seen: &&LastSeen| now.saturating_sub(seen.at) > SILENCE.as_micros() as u64;
        self.silent += self.table.iter().filter(silent).count() as u64;
    }
}

/// What an engine did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Messages that reached their receivers.
    pub delivered: u64,
    pub coordinator: Coordinator,
    /// The greatest number that each node was answered.
    pub answered: Vec<u32>,
}

impl Outcome {
    pub fn new(workload: Workload) -> Outcome {
        Outcome {
            delivered: 0,
            coordinator: Coordinator::new(workload.nodes),
            answered: vec![0; workload.nodes as usize],
        }
    }

    /// A node has been answered.
    pub fn answered(&mut self, node: u32, number: u32) {
        self.delivered += 1;
        let answered = &mut self.answered[node as usize];
        *answered = number.max(*answered);
    }

    /// What is wrong with it: every engine must end with exactly these tables, however it draws latencies.
    pub fn problem(&self, workload: Workload) -> Option<String> {
        let Workload { nodes, heartbeats } = workload;
        let expected = 2 * u64::from(nodes) * u64::from(heartbeats);
        if self.delivered != expected {
            return Some(format!("{} messages delivered, expected {expected}", self.delivered));
        }
        if self.coordinator.silent > 0 {
            return Some(format!("a node was called silent {} times", self.coordinator.silent));
        }
        let is_right = |seen: &LastSeen| (seen.heartbeats, seen.number) == (heartbeats, heartbeats);
        let received = self.coordinator.table.iter().position(|seen| !is_right(seen));
        let answered = self.answered.iter().position(|&number| number != heartbeats);
        received.or(answered).map(|node| format!("not all of node {node} arrived"))
    }
}
