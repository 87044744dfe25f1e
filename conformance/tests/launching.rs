//! Real servers start, can be told apart, killed, paused, and leave nothing behind. Without ZooKeeper these
//! tests are ignored.

use libtest_mimic::{Arguments, Completion, Failed};
use std::process::ExitCode;
use std::time::Duration;
use zeromaster_conformance::needed::with_original;
use zeromaster_conformance::raw::{Connection, Handshake, Received};
use zeromaster_conformance::real::{Config, Distribution, Ensemble, Mode};

fn main() -> ExitCode {
    let trials = vec![
        with_original(
            "an_ensemble_elects_a_leader_again_after_the_first_is_killed",
            an_ensemble_elects_a_leader_again_after_the_first_is_killed,
        ),
        with_original(
            "a_paused_server_is_silent_and_answers_once_it_goes_on",
            a_paused_server_is_silent_and_answers_once_it_goes_on,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn an_ensemble_elects_a_leader_again_after_the_first_is_killed(
    distribution: &Distribution,
) -> Result<Completion, Failed> {
    let config = Config { tick_time_ms: 200, ..Config::default() };
    let mut ensemble = Ensemble::start(distribution, &config, 3).unwrap();
    let leader = ensemble.leader().unwrap();
    ensemble.server_mut(leader).kill();
    assert_eq!(ensemble.servers()[leader].mode(), None);
    let new = ensemble.wait_for_leader(Duration::from_secs(30)).unwrap();
    assert_ne!(new, leader);
    ensemble.server_mut(leader).start().unwrap();
    assert_eq!(ensemble.server_mut(leader).wait_until_serving(), Ok(Mode::Follower));
    Ok(Completion::Completed)
}

fn a_paused_server_is_silent_and_answers_once_it_goes_on(
    distribution: &Distribution,
) -> Result<Completion, Failed> {
    let ensemble = Ensemble::standalone(distribution, &Config::default()).unwrap();
    let server = &ensemble.servers()[0];
    assert_eq!(server.mode(), Some(Mode::Standalone));
    let handshake = Handshake::new_session(10_000);
    let (mut connection, connected) =
        Connection::connect(server.address(), &handshake, Duration::from_secs(5)).unwrap();
    assert_eq!(connected.timeout_ms, 10_000);
    server.pause();
    connection.request(-2, 11, &[]).unwrap();
    assert_eq!(connection.receive(Duration::from_millis(300)).unwrap(), Received::Silence);
    server.resume();
    assert!(matches!(connection.receive(Duration::from_secs(5)).unwrap(), Received::Frame(_)));
    Ok(Completion::Completed)
}
