//! A vote on the flow, from the first ballot to the winner.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::flow_election::FlowElection;
use zeromaster_core::identity::NodeId;
use zeromaster_core::time::Instant;

/// From the smallest cluster with a majority to one that nobody runs.
const NODES: [u32; 3] = [3, 10, 100];

fn vote(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_election/vote");
    let flows = [DataFlow::new("A"), DataFlow::new("B"), DataFlow::empty("empty")].map(Arc::new);
    for nodes in NODES {
        group.throughput(Throughput::Elements(nodes.into()));
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| {
                let election = FlowElection::new(Duration::from_secs(300), Some(nodes));
                let mut election = election.expect("both bounds are positive");
                for (node, flow) in (1..=nodes).zip(flows.iter().cycle()) {
                    election.vote(Instant::ZERO, NodeId(node.into()), Some(flow));
                }
                assert!(election.elected().is_some(), "the last vote completes the election");
                black_box(election)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, vote);
criterion_main!(benches);
