//! The engine's two inner loops: the queue of events, and the network's choice for each message.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use zeromaster_sim::network::{Disturbance, DisturbanceId, Endpoint, LinkSet, Network};
use zeromaster_sim::plan::{DurationRange, NodeNumber, Protocol, Ratio};
use zeromaster_sim::queue::EventQueue;
use zeromaster_sim::random::Streams;

/// A small cluster's events, and a large one's.
const WAITING: [u64; 3] = [100, 10_000, 1_000_000];

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine/queue_pop_and_push");
    group.throughput(Throughput::Elements(1));
    for waiting in WAITING {
        let mut delays = Streams::new(1).stream("delays");
        let mut next_delay = || Duration::from_micros(delays.between(1, 5_000_000));
        let mut queue = EventQueue::new();
        for event in 0..waiting {
            queue.push(zeromaster_sim::time::SimTime::ZERO + next_delay(), event);
        }
        group.bench_function(BenchmarkId::from_parameter(waiting), |bencher| {
            bencher.iter(|| {
                let (now, _, event) = queue.pop().expect("what is taken out is put in again");
                queue.push(now + next_delay(), event)
            });
        });
    }
    group.finish();
}

fn transmit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine/transmit");
    group.throughput(Throughput::Elements(1));
    let latency = DurationRange { min: Duration::from_millis(1), max: Duration::from_millis(3) };
    let nodes: Vec<Endpoint> = (1..=10).map(|node| Endpoint::Node(NodeNumber(node))).collect();
    let loss = Ratio::new(1, 10).map(Disturbance::Loss);
    for (name, disturbance) in [("calm", None), ("loss", loss)] {
        let mut network = Network::new(Streams::new(1), latency);
        if let Some(disturbance) = disturbance {
            let everyone = || nodes.iter().copied().collect();
            let links = LinkSet { from: everyone(), to: everyone(), both_ways: true, protocol: None };
            network.add(DisturbanceId(1), links, disturbance);
        }
        let mut pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to))).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (from, to) = pairs.next().expect("a cycle has no end");
                black_box(network.transmit(from, to, Protocol::Cluster))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, queue, transmit);
criterion_main!(benches);
