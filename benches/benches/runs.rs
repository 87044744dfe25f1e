//! Whole runs: what an idle hour costs, what a seed of a campaign costs, how much of that is the start, and what a second
//! processor adds.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::BTreeMap;
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

/// What is drawn begins within this time.
const DRAWN_HORIZON: u32 = 150;

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
    group.bench_function("seeds", |bencher| bencher.iter(campaign));
    group.finish();
}

fn campaign() {
    for seed in 0..SEEDS {
        black_box(run(&draw(seed), None, seed, OPTIONS).expect("what is drawn can be run"));
    }
}

/// Five nodes for a minute: what was drawn for them, its steps moved into the first 40 seconds and undone after 45.
fn minute(servers: Option<u32>) -> impl Iterator<Item = Scenario> {
    let fits = move |scenario: &Scenario| {
        scenario.nodes == 5 && servers.is_none_or(|servers| scenario.zookeeper.servers == servers)
    };
    (0..).map(draw).filter(fits).map(|mut scenario| {
        scenario.plan.steps.iter_mut().for_each(|step| step.at = step.at * 40 / DRAWN_HORIZON);
        scenario.heal = Some(Duration::from_secs(45));
        scenario.until = Some(Duration::from_secs(60));
        scenario
    })
}

fn minutes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runs/five_nodes_one_minute");
    group.throughput(Throughput::Elements(SEEDS)).sample_size(20);
    for (name, servers) in [("as_drawn", None), ("one_server", Some(1)), ("three_servers", Some(3))] {
        let scenarios: Vec<Scenario> = minute(servers).take(SEEDS as usize).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for scenario in &scenarios {
                    black_box(run(scenario, None, scenario.seed, OPTIONS).expect("what is drawn can be run"));
                }
            });
        });
    }
    group.finish();
}

/// A run that is over as soon as it has begun: the drawing, the configuration, the world with its processes, and its end.
fn start(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runs/start");
    for servers in [1, 3] {
        let seed = minute(Some(servers)).next().expect("some seed draws it").seed;
        group.bench_function(BenchmarkId::new("five_nodes", servers), |bencher| {
            bencher.iter(|| {
                let mut scenario = draw(seed);
                scenario.plan.steps.clear();
                scenario.start.clear();
                scenario.expect.eventually = Some(BTreeMap::new());
                black_box(run(&scenario, None, seed, OPTIONS).expect("what is drawn can be run"))
            });
        });
    }
    group.finish();
}

/// The same campaign once, and on two processors at a time.
fn processors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runs/processors");
    group.sample_size(20);
    for processors in [1, 2] {
        group.throughput(Throughput::Elements(SEEDS * processors));
        group.bench_function(BenchmarkId::from_parameter(processors), |bencher| {
            bencher.iter(|| at_once(processors, campaign));
        });
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "each thread has runs of its own, and nothing is compared")]
fn at_once(threads: u64, work: fn()) {
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

criterion_group!(benches, quiet_hour, drawn, minutes, start, processors);
criterion_main!(benches);
