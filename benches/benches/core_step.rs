//! A heartbeat on its way through the coordinator when nothing changes: what a cluster does all day.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zeromaster_benches::Cluster;
use zeromaster_core::effect::Effects;
use zeromaster_core::node::Input;

/// The time should not depend on the number.
const NODES: [u32; 3] = [3, 10, 100];

fn heartbeat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core_step/heartbeat");
    group.throughput(Throughput::Elements(1));
    for nodes in NODES {
        let (mut coordinator, now, heartbeats) = Cluster::at_rest(nodes).into_coordinator();
        let mut effects = Effects::new();
        let mut sequence = heartbeats.iter().map(|sent| sent.heartbeat.sequence).max().unwrap_or(0);
        let mut turn = heartbeats.iter().cycle();
        let mut next = || {
            sequence += 1;
            turn.next().map(|sent| sent.numbered(sequence))
        };
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            let handle = |input: Option<Input>| {
                coordinator.handle(now, input.unwrap_or(Input::Wakeup), &mut effects);
                black_box(effects.drain().count())
            };
            bencher.iter_batched(&mut next, handle, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, heartbeat);
criterion_main!(benches);
