//! The whole cluster: what an event costs in clusters of all sizes, what a quiet day costs, and what is paid for the
//! timeline and for the digest.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use zeromaster_benches::quiet::Quiet;
use zeromaster_sim::Options;

const SIZES: [(u32, Duration); 4] = [
    (5, Duration::from_secs(7_200)),
    (10, Duration::from_secs(3_600)),
    (100, Duration::from_secs(900)),
    (1_000, Duration::from_secs(300)),
];

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cluster/events");
    group.sample_size(10);
    for (nodes, length) in SIZES {
        let quiet = Quiet::new(nodes, length);
        let events = quiet.run(Options::default()).counts.events;
        group.throughput(Throughput::Elements(events));
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| black_box(quiet.run(Options::default())));
        });
    }
    group.finish();
}

fn quiet_day(criterion: &mut Criterion) {
    let quiet = Quiet::new(10, Duration::from_secs(86_400));
    let mut group = criterion.benchmark_group("cluster/quiet_day_of_ten_nodes");
    group.sample_size(10);
    group.bench_function("ensemble_of_three", |bencher| {
        bencher.iter(|| black_box(quiet.run(Options::default())));
    });
    group.finish();
}

/// A quiet hour, in which little is written down, and the start of a large cluster, in which most lines are written.
fn what_is_kept(criterion: &mut Criterion) {
    let kept = [("nothing", false, false), ("timeline", true, false), ("digest", false, true)];
    let runs = [(10, Duration::from_secs(3_600)), (1_000, Duration::from_secs(120))];
    for (nodes, length) in runs {
        let quiet = Quiet::new(nodes, length);
        let mut group = criterion.benchmark_group(format!("cluster/kept/{nodes}"));
        group.sample_size(20);
        for (name, timeline, digest) in kept {
            group.bench_function(name, |bencher| {
                bencher.iter(|| black_box(quiet.run(Options { timeline, digest })));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, events, quiet_day, what_is_kept);
criterion_main!(benches);
