//! The workload on the least that can be written down: one binary heap of 128-bit keys, one stream of random numbers.

use crate::workload::{HEARTBEAT_BYTES, INTERVAL, LATENCY, Outcome, Workload, heartbeat};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use zeromaster_sim::random::{Stream, Streams};

/// Time in the upper half; sequence number, kind and node below it.
type Key = u128;

const DUE: u32 = 0;
const HEARTBEAT: u32 = 1;
const ANSWER: u32 = 2;
const LOOK: u32 = 3;

const fn key(time: u64, sequence: u64, kind: u32, node: u32) -> Key {
    (time as u128) << 64 | (sequence as u128) << 24 | (kind as u128) << 22 | node as u128
}

fn latency(stream: &mut Stream) -> u64 {
    stream.between(LATENCY[0].as_micros() as u64, LATENCY[1].as_micros() as u64)
}

pub fn run(workload: Workload) -> Outcome {
    const INTERVAL_MICROS: u64 = INTERVAL.as_micros() as u64;
    assert!(workload.nodes < 1 << 22, "a node has 22 bits of a key");
    let mut outcome = Outcome::new(workload);
    let mut stream = Streams::new(1).stream("latencies");
    let mut heap = BinaryHeap::new();
    // One heartbeat of a node is on its way at a time, and none before the last one is answered.
    let mut payloads = vec![[0; HEARTBEAT_BYTES]; workload.nodes as usize];
    let mut numbers = vec![0; workload.nodes as usize];
    let mut sequence = 0;
    let mut push = |heap: &mut BinaryHeap<Reverse<Key>>, time, kind, node| {
        heap.push(Reverse(key(time, sequence, kind, node)));
        sequence += 1;
    };
    for node in 0..workload.nodes {
        push(&mut heap, workload.phase(node).as_micros() as u64, DUE, node);
    }
    push(&mut heap, INTERVAL_MICROS, LOOK, 0);
    let end = workload.end().as_micros() as u64;
    while let Some(Reverse(key)) = heap.pop() {
        let (now, kind, node) = ((key >> 64) as u64, key as u32 >> 22 & 3, key as u32 & ((1 << 22) - 1));
        if now > end {
            break;
        }
        match kind {
            DUE => {
                let number = &mut numbers[node as usize];
                *number += 1;
                payloads[node as usize] = heartbeat(node, *number);
                push(&mut heap, now + latency(&mut stream), HEARTBEAT, node);
                if *number < workload.heartbeats {
                    push(&mut heap, now + INTERVAL_MICROS, DUE, node);
                }
            }
            HEARTBEAT => {
                outcome.delivered += 1;
                outcome.coordinator.receive(&payloads[node as usize], now);
                push(&mut heap, now + latency(&mut stream), ANSWER, node);
            }
            ANSWER => outcome.answered(node, numbers[node as usize]),
            _ => {
                outcome.coordinator.look(now);
                push(&mut heap, now + INTERVAL_MICROS, LOOK, 0);
            }
        }
    }
    outcome
}
