//! Whole runs: what an idle hour costs, and what a seed of a campaign costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use zeromaster_sim::draw::draw;
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, run};

/// Without a timeline, as in a campaign.
const OPTIONS: Options = Options { timeline: false, digest: false };

/// Seeds of a campaign: enough that no single one counts for much.
const SEEDS: u64 = 64;

fn quiet_hour(criterion: &mut Criterion) {
    let scenario = Scenario::of(10).until(Duration::from_secs(3_600)).build().expect("a scenario of our own");
    let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
    criterion.bench_function("runs/quiet_hour_of_ten_nodes", |bencher| {
        bencher.iter(|| black_box(run_with(&scenario, &setup, 1, OPTIONS)));
    });
}

fn drawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runs/drawn");
    group.throughput(Throughput::Elements(SEEDS)).sample_size(20);
    group.bench_function("seeds", |bencher| {
        bencher.iter(|| {
            for seed in 0..SEEDS {
                black_box(run(&draw(seed), None, seed, OPTIONS).expect("what is drawn can be run"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, quiet_hour, drawn);
criterion_main!(benches);
