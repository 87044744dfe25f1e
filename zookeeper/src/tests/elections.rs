//! Who leads when: elections, lost leaders and lost quorums, followers that were away, writes in doubt.

use super::ensemble::Ensemble;
use super::{create, exists, millis};
use crate::CreateMode::Persistent;
use crate::{Operation, Role, ServerRecord, Zxid};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

#[test]
fn servers_that_start_together_follow_the_highest_of_them_within_half_a_second() {
    for servers in 2..=5 {
        let mut ensemble = Ensemble::new(servers);
        ensemble.run(millis(500));
        assert_eq!(ensemble.leader(), Some(servers));
        for id in 1..servers {
            assert_eq!(ensemble.server(id).role(), Role::Following { leader: servers, epoch: 1 });
            assert!(ensemble.server(id).is_serving());
        }
    }
}

#[test]
fn a_minority_never_serves_and_one_more_makes_a_quorum() {
    let mut ensemble = Ensemble::new(3);
    for id in [2, 3] {
        ensemble.kill(id);
    }
    ensemble.run(millis(60_000));
    assert_eq!(ensemble.server(1).role(), Role::Looking);
    ensemble.connect(1, 1, None, Zxid(0));
    assert_eq!(ensemble.heard(), ["1 close"]);
    ensemble.start(2);
    ensemble.run(millis(1000));
    assert_eq!(ensemble.leader(), Some(2));
    ensemble.start(3);
    ensemble.run(millis(1000));
    assert_eq!(ensemble.leader(), Some(2), "who comes late joins");
    assert_eq!(ensemble.server(3).role(), Role::Following { leader: 2, epoch: 1 });
}

/// Kills the leader of three and gives back when the next one serves.
fn next_leader_after_a_kill(ensemble: &mut Ensemble) -> Duration {
    let (killed_at, leader) = (ensemble.now, ensemble.leader().expect("there is one"));
    let epoch = epoch_of(ensemble, leader);
    ensemble.kill(leader);
    ensemble.run(millis(3000));
    let leads = ensemble.recorded(ServerRecord::Leads { epoch: epoch + 1 });
    leads.expect("there is a new leader") - killed_at
}

fn epoch_of(ensemble: &Ensemble, leader: u32) -> u32 {
    match ensemble.server(leader).role() {
        Role::Leading { epoch } => epoch,
        role => panic!("it leads: {role:?}"),
    }
}

#[test]
fn a_killed_leader_is_replaced_in_a_fraction_of_a_second_and_all_clients_are_dropped() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.open(1, 1);
    ensemble.open(2, 2);
    assert!(next_leader_after_a_kill(&mut ensemble) < millis(1200));
    assert!(!ensemble.is_open(1) && !ensemble.is_open(2));
    assert_eq!(ensemble.leader(), Some(2));
    ensemble.check_agreement();
}

#[test]
fn a_killed_follower_troubles_nobody_but_its_own_clients() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.open_on_each();
    ensemble.kill(1);
    ensemble.request(2, create("/a", Persistent));
    ensemble.run(millis(3000));
    assert_eq!(ensemble.heard(), ["1 close", "2 ok"]);
    assert_eq!(ensemble.leader(), Some(3));
}

#[test]
fn a_leader_that_hangs_is_replaced_after_the_sync_limit_and_goes_on_for_up_to_a_tick_when_it_returns() {
    for clock_first in [false, true] {
        let mut ensemble = Ensemble::settled(3);
        ensemble.timeout = millis(40_000);
        ensemble.open_on_each();
        ensemble.run(millis(700));
        let hangs_at = ensemble.now;
        ensemble.pause(3);
        for _ in 0..23 {
            ensemble.run(millis(1000));
            (1..=2).for_each(|connection| ensemble.ping(connection));
            ensemble.request(1, exists("/"));
        }
        let leads = ensemble.recorded(ServerRecord::Leads { epoch: 2 }).expect("there is a new leader");
        let after = leads - hangs_at;
        assert!(after > millis(9000) && after < millis(10_600), "{after:?}");
        assert_eq!(ensemble.leader(), Some(2));
        ensemble.open(2, 12);
        ensemble.request(12, create("/new", Persistent));
        ensemble.run(millis(100));
        ensemble.told.clear();

        let resumes_at = ensemble.now;
        ensemble.resume(3, clock_first);
        ensemble.request(3, exists("/new"));
        ensemble.request(3, Operation::Sync { path: Some("/".into()) });
        ensemble.request(3, exists("/new"));
        if clock_first {
            assert_eq!(ensemble.heard(), ["3 NoNode", "3 ok", "3 NoNode"], "stale, and sync is no help");
        }
        ensemble.run(millis(3000));
        let looks = ensemble.recorded(ServerRecord::Looking).expect("it gives up") - resumes_at;
        let latest = if clock_first { millis(2000) } else { millis(1000) };
        assert!(looks <= latest, "{looks:?}");
        assert_eq!(ensemble.server(3).role(), Role::Following { leader: 2, epoch: 2 });
        ensemble.check_agreement();
    }
}

#[test]
fn a_leader_that_is_cut_off_gives_up_as_late_as_its_followers() {
    let mut ensemble = Ensemble::settled(3);
    let cut_at = ensemble.now;
    ensemble.cut(3, 1);
    ensemble.cut(3, 2);
    ensemble.run(millis(30_000));
    let leads = ensemble.recorded(ServerRecord::Leads { epoch: 2 }).expect("there is a new leader") - cut_at;
    assert!(leads > millis(9000) && leads < millis(10_600), "{leads:?}");
    let told = core::mem::take(&mut ensemble.told);
    let looks = ServerRecord::Looking;
    let gives_up =
        told.iter().find(|(_, id, output)| *id == 3 && *output == crate::ServerOutput::Record(looks));
    let gives_up = gives_up.expect("it gives up").0 - cut_at;
    assert!(gives_up > millis(10_000) && gives_up <= millis(14_000), "{gives_up:?}");
    ensemble.heal();
    ensemble.run(millis(5000));
    assert_eq!(ensemble.server(3).role(), Role::Following { leader: 2, epoch: 2 });
}

#[test]
fn a_leader_without_a_quorum_steps_down_within_a_tick() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.kill(1);
    ensemble.run(millis(5000));
    assert_eq!(ensemble.leader(), Some(3));
    ensemble.told.clear();
    let killed_at = ensemble.now;
    ensemble.kill(2);
    ensemble.run(millis(5000));
    let looks = ensemble.recorded(ServerRecord::Looking).expect("it gives up") - killed_at;
    assert!(looks <= millis(2001), "{looks:?}");
    assert_eq!(ensemble.leader(), None);
    ensemble.start(2);
    ensemble.run(millis(3000));
    assert!(ensemble.leader().is_some());
}

/// Writes `/a0`, `/a1` and so on through that connection, one after the other.
fn write_many(ensemble: &mut Ensemble, connection: u64, names: core::ops::Range<u32>) {
    for number in names {
        ensemble.request(connection, create(&format!("/a{number}"), Persistent));
        ensemble.run(millis(5));
        assert_eq!(ensemble.heard(), [format!("{connection} ok")]);
    }
}

#[test]
fn a_follower_that_was_away_is_sent_what_it_lacks() {
    for writes in [1, 100, 501, 800] {
        let mut ensemble = Ensemble::settled(3);
        ensemble.open(2, 1);
        write_many(&mut ensemble, 1, 0..2);
        ensemble.kill(1);
        write_many(&mut ensemble, 1, 2..2 + writes);
        ensemble.start(1);
        ensemble.run(millis(1000));
        assert!(ensemble.server(1).is_serving());
        ensemble.check_agreement();
        assert!(ensemble.server(1).tree().stat(&format!("/a{}", writes + 1)).is_ok());
        ensemble.told.clear();
        write_many(&mut ensemble, 1, 2 + writes..3 + writes);
        ensemble.check_agreement();
    }
}

#[test]
fn what_no_quorum_has_logged_is_forgotten_with_its_leader() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.open(3, 1);
    write_many(&mut ensemble, 1, 0..2);
    ensemble.cut(3, 1);
    ensemble.cut(3, 2);
    for number in 0..3 {
        ensemble.request(1, create(&format!("/lost{number}"), Persistent));
    }
    ensemble.run(millis(20));
    assert_eq!(ensemble.heard(), [""; 0], "nothing is committed without a quorum");
    ensemble.kill(3);
    ensemble.run(millis(15_000));
    ensemble.open(2, 2);
    write_many(&mut ensemble, 2, 10..12);
    ensemble.heal();
    ensemble.start(3);
    ensemble.run(millis(3000));
    ensemble.check_agreement();
    assert!(ensemble.server(3).is_serving());
    assert!(ensemble.server(3).tree().stat("/lost0").is_err());
    assert!(ensemble.server(3).tree().stat("/a11").is_ok());
}

#[test]
fn what_one_follower_has_logged_survives_when_the_leader_dies_before_it_can_say_so() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.open(3, 1);
    ensemble.cut(3, 1);
    ensemble.request(1, create("/doubt", Persistent));
    // Server 2 has the proposal now; the leader is dead before it hears so.
    ensemble.run(Duration::from_micros(1500));
    ensemble.kill(3);
    assert_eq!(ensemble.heard(), ["1 close"]);
    assert!(ensemble.committed.values().all(|transaction| transaction.zxid.0 & 0xffff_ffff < 2));
    ensemble.heal();
    ensemble.run(millis(15_000));
    assert_eq!(ensemble.leader(), Some(2), "who has logged more wins");
    for id in [1, 2] {
        assert!(ensemble.server(id).tree().stat("/doubt").is_ok());
    }
    ensemble.start(3);
    ensemble.run(millis(2000));
    ensemble.check_agreement();
}

#[test]
fn writes_in_flight_when_their_server_dies_are_done_up_to_one_of_them() {
    let mut outcomes: Vec<usize> = Vec::new();
    for after in 0..12 {
        let mut ensemble = Ensemble::settled(3);
        ensemble.open(1, 1);
        ensemble.jitter_ms = 4;
        (0..8).for_each(|number| ensemble.request(1, create(&format!("/a{number}"), Persistent)));
        ensemble.run(Duration::from_micros(500 * after));
        ensemble.kill(3);
        ensemble.kill(1);
        ensemble.run(millis(100));
        ensemble.start(1);
        ensemble.start(3);
        ensemble.run(millis(20_000));
        ensemble.check_agreement();
        let tree = ensemble.server(2).tree();
        let done = (0..8).map(|number| tree.stat(&format!("/a{number}")).is_ok());
        let done: Vec<bool> = done.collect();
        assert!(done.is_sorted_by(|one, next| one >= next), "a prefix is done: {done:?}");
        outcomes.push(done.iter().filter(|done| **done).count());
    }
    assert!(outcomes.contains(&0) && outcomes.contains(&8), "{outcomes:?}");
}

#[test]
fn a_client_that_has_seen_a_new_leaders_epoch_is_turned_away_by_followers_until_something_is_written() {
    let mut ensemble = Ensemble::settled(3);
    let session = ensemble.open(1, 1);
    next_leader_after_a_kill(&mut ensemble);
    ensemble.told.clear();
    ensemble.connect(2, 2, Some(session), Zxid(0));
    assert_eq!(ensemble.heard(), [format!("2 connected {session} 4s")]);
    ensemble.ping(2);
    let message = crate::ServerMessage::Pong { zxid: Zxid::first_of(2) };
    let sent = crate::ServerOutput::Send { connection: crate::ConnectionId(2), message };
    assert_eq!(ensemble.told.pop().map(|(_, _, output)| output), Some(sent));
    ensemble.connect(1, 3, Some(session), Zxid::first_of(2));
    assert_eq!(ensemble.heard(), ["3 close"]);
    ensemble.request(2, create("/a", Persistent));
    ensemble.run(millis(10));
    ensemble.told.clear();
    ensemble.connect(1, 4, Some(session), Zxid::first_of(2));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), [format!("4 connected {session} 4s")]);
}
