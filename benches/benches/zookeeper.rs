//! ZooKeeper's servers: what an operation costs with few sessions, each with an ephemeral node, and with very many.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zeromaster_benches::ensemble::Ensemble;

/// Few, and very many.
const SESSIONS: [u64; 4] = [10, 100, 1_000, 10_000];

/// Coprime to all numbers of sessions: neighbours in time are not neighbours in memory.
const STRIDE: u64 = 7_919;

fn operations(criterion: &mut Criterion, servers: u32) {
    type Kind = (&'static str, fn(&mut Ensemble, u64));
    let kinds: [Kind; 3] = [("ping", Ensemble::ping), ("get", Ensemble::get), ("set", Ensemble::set)];
    for (name, operation) in kinds {
        let mut group = criterion.benchmark_group(format!("zookeeper/{name}_on_{servers}"));
        group.throughput(Throughput::Elements(1));
        for sessions in SESSIONS {
            let mut ensemble = Ensemble::serving(servers, sessions);
            let mut session = 0;
            group.bench_function(BenchmarkId::from_parameter(sessions), |bencher| {
                bencher.iter(|| {
                    session = (session + STRIDE) % sessions;
                    ensemble.pass_a_share();
                    operation(&mut ensemble, session);
                });
            });
            assert_eq!(ensemble.sessions() as u64, sessions, "no session has ended");
        }
        group.finish();
    }
}

fn alone(criterion: &mut Criterion) {
    operations(criterion, 1);
}

fn three(criterion: &mut Criterion) {
    operations(criterion, 3);
}

criterion_group!(benches, alone, three);
criterion_main!(benches);
