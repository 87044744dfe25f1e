//! Sessions of an ensemble: who tracks them, how late they expire, whose writes count, and what waits for what.

use super::ensemble::Ensemble;
use super::{create, delete, exists, millis, set_data};
use crate::CreateMode::{Ephemeral, Persistent};
use crate::{ClientMessage, Operation, ServerInput, ServerRecord, SessionId, Zxid};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

/// Three servers, a session of 4 s on server `id`, with an ephemeral node; the connection has the number of the server.
fn with_ephemeral(id: u32) -> (Ensemble, SessionId) {
    let mut ensemble = Ensemble::settled(3);
    let session = ensemble.open(id, u64::from(id));
    ensemble.request(u64::from(id), create("/e", Ephemeral));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), [format!("{id} ok")]);
    (ensemble, session)
}

/// When the session expires, from now.
fn expires_after(ensemble: &mut Ensemble, session: SessionId) -> Duration {
    let now = ensemble.now;
    ensemble.run(millis(20_000));
    let expired = ensemble.recorded(ServerRecord::SessionExpired { session });
    expired.expect("the session expires") - now
}

#[test]
fn a_session_is_opened_by_a_quorum_and_by_nobody_else() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.cut(3, 1);
    ensemble.cut(3, 2);
    ensemble.connect(3, 1, None, Zxid(0));
    ensemble.connect(1, 2, None, Zxid(0));
    ensemble.message(2, ClientMessage::Ping);
    ensemble.run(millis(7000));
    assert_eq!(ensemble.heard(), [""; 0], "the handshake just hangs");
    assert!(ensemble.is_open(1) && ensemble.is_open(2));
}

#[test]
fn what_is_sent_before_the_handshake_is_answered_is_served_behind_it() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.connect(1, 1, None, Zxid(0));
    ensemble.ping(1);
    ensemble.request(1, create("/a", Persistent));
    ensemble.ping(1);
    ensemble.run(millis(20));
    let heard = ensemble.heard();
    assert!(heard[0].starts_with("opened 0x1") && heard[1].starts_with("1 connected"), "{heard:?}");
    assert_eq!(heard[2..], ["1 pong", "1 ok", "1 pong"]);
}

#[test]
fn a_followers_touches_reach_the_leader_with_its_answer_to_a_ping() {
    for id in [1, 3] {
        for idle in (0..2000).step_by(130) {
            let (mut ensemble, session) = with_ephemeral(id);
            ensemble.run(millis(1000 + idle));
            ensemble.ping(u64::from(id));
            let after = expires_after(&mut ensemble, session);
            let latest = if id == 3 { millis(6000) } else { millis(7003) };
            assert!(after > millis(4000) && after <= latest, "{after:?}");
        }
    }
}

#[test]
fn pings_on_a_follower_keep_a_session_alive() {
    let (mut ensemble, _) = with_ephemeral(1);
    for _ in 0..30 {
        ensemble.run(millis(1900));
        ensemble.ping(1);
    }
    assert_eq!(ensemble.heard(), ["1 pong"; 30].map(Into::<alloc::string::String>::into));
}

#[test]
fn expiry_deletes_the_ephemeral_nodes_on_every_server_and_closes_the_connection_where_it_hangs() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.open(2, 2);
    ensemble.request(2, exists("/e"));
    ensemble.told.clear();
    for _ in 0..5 {
        ensemble.run(millis(1500));
        ensemble.ping(2);
    }
    let mut heard = ensemble.heard();
    heard.retain(|told| told != "2 pong");
    heard.sort();
    assert_eq!(heard, ["1 close", "2 deleted /e", &*format!("expired {session}")]);
    ensemble.check_agreement();
}

#[test]
fn a_new_leader_gives_every_session_its_full_timeout_again() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.run(millis(3000));
    ensemble.closed(1);
    ensemble.kill(3);
    let after = expires_after(&mut ensemble, session);
    assert!(after > millis(4000) && after < millis(7000), "{after:?}");
    assert!(ensemble.server(1).tree().stat("/e").is_err());
}

#[test]
fn without_a_quorum_nothing_expires_however_long_it_lasts() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.kill(2);
    ensemble.kill(3);
    ensemble.run(millis(600_000));
    assert!(ensemble.server(1).tree().stat("/e").is_ok());
    assert!(ensemble.server(1).sessions().any(|(id, _)| id == session));
    ensemble.start(2);
    let after = expires_after(&mut ensemble, session);
    assert!(after > millis(4000) && after < millis(7500), "{after:?}");
}

#[test]
fn a_leader_that_is_cut_off_expires_nothing() {
    let (mut ensemble, session) = with_ephemeral(3);
    ensemble.cut(3, 1);
    ensemble.cut(3, 2);
    ensemble.run(millis(9000));
    assert_eq!(ensemble.recorded(ServerRecord::SessionExpired { session }), None);
    assert!(ensemble.server(3).tree().stat("/e").is_ok());
}

#[test]
fn only_the_leader_expires_a_session() {
    let (mut ensemble, session) = with_ephemeral(1);
    for id in [1, 2] {
        ensemble.input(id, ServerInput::ExpireSession { session });
        ensemble.run(millis(100));
        assert_eq!(ensemble.heard(), [""; 0]);
    }
    ensemble.input(3, ServerInput::ExpireSession { session });
    ensemble.run(millis(100));
    assert_eq!(ensemble.heard(), [format!("expired {session}"), "1 close".into()]);
}

#[test]
fn writes_that_are_ahead_of_the_end_of_their_session_still_count_and_those_behind_it_do_not() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.request(1, create("/ahead", Persistent));
    ensemble.run(Duration::from_micros(1100));
    ensemble.input(3, ServerInput::ExpireSession { session });
    ensemble.request(1, create("/behind", Persistent));
    ensemble.run(millis(100));
    assert_eq!(ensemble.heard(), [format!("expired {session}"), "1 ok".into(), "1 close".into()]);
    assert!(ensemble.server(2).tree().stat("/ahead").is_ok());
    assert!(ensemble.server(2).tree().stat("/behind").is_err());
    ensemble.check_agreement();
}

#[test]
fn a_clients_close_is_one_transaction_and_closes_what_hangs_on_other_servers() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.connect(2, 2, Some(session), Zxid(0));
    ensemble.run(millis(10));
    ensemble.told.clear();
    ensemble.message(2, ClientMessage::CloseSession { xid: 7 });
    ensemble.run(millis(10));
    let mut heard = ensemble.heard();
    heard.sort();
    assert_eq!(heard, ["1 close", "2 close", "2 session closed", &*format!("closed {session}")]);
    assert!(ensemble.server(3).tree().stat("/e").is_err());
    ensemble.connect(1, 3, Some(session), Zxid(0));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["3 expired", "3 close"]);
}

#[test]
fn a_moved_session_still_reads_on_its_old_connection_and_the_next_write_closes_it() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.connect(2, 2, Some(session), Zxid(0));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), [format!("2 connected {session} 4s")]);
    ensemble.request(1, exists("/e"));
    ensemble.request(1, Operation::Sync { path: Some("/e".into()) });
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["1 ok", "1 ok"]);
    let zxid = ensemble.server(3).last_zxid();
    ensemble.request(1, set_data("/e"));
    ensemble.ping(1);
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["1 close"]);
    assert_eq!(ensemble.server(3).last_zxid(), zxid.next(), "a write that is refused takes a zxid");
    ensemble.request(2, set_data("/e"));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["2 ok"]);
    assert_eq!(ensemble.server(1).tree().stat("/e").unwrap().version, 1);
}

#[test]
fn a_follower_that_gives_a_silent_connection_up_leaves_the_session_to_the_leader() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.connect(2, 2, Some(session), Zxid(0));
    for _ in 0..6 {
        ensemble.run(millis(1500));
        ensemble.ping(2);
    }
    let mut heard = ensemble.heard();
    heard.retain(|told| told != "2 pong");
    assert_eq!(heard, [format!("2 connected {session} 4s"), "1 close".into()]);
    ensemble.request(2, set_data("/e"));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["2 ok"]);
}

#[test]
fn a_session_that_moves_to_the_leader_belongs_to_it() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.connect(3, 3, Some(session), Zxid(0));
    ensemble.request(3, set_data("/e"));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), [format!("3 connected {session} 4s"), "3 ok".into()]);
    ensemble.request(1, set_data("/e"));
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["1 close"]);
}

#[test]
fn the_leader_sees_a_move_at_the_next_read_already() {
    let (mut ensemble, session) = with_ephemeral(3);
    ensemble.connect(2, 2, Some(session), Zxid(0));
    ensemble.run(millis(10));
    ensemble.told.clear();
    ensemble.request(3, exists("/e"));
    assert_eq!(ensemble.heard(), ["3 close"]);
}

#[test]
fn a_deletion_of_a_container_does_not_ask_whose_session_it_is() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.connect(2, 2, Some(session), Zxid(0));
    ensemble.run(millis(10));
    ensemble.told.clear();
    ensemble.request(1, Operation::DeleteContainer { path: "/none".into() });
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["1 NoNode"]);
}

#[test]
fn a_renewal_that_comes_late_takes_the_session_from_the_connection_that_is_alive() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.closed(1);
    // The client asks server 1 again, gives up, and is served by server 2; then the leader hears of the first.
    ensemble.pause(1);
    ensemble.connect(1, 4, Some(session), Zxid(0));
    ensemble.closed(4);
    ensemble.connect(2, 5, Some(session), Zxid(0));
    ensemble.run(millis(50));
    assert_eq!(ensemble.heard(), [format!("5 connected {session} 4s")]);
    ensemble.resume(1, false);
    ensemble.run(millis(50));
    ensemble.request(5, exists("/e"));
    assert_eq!(ensemble.heard(), ["5 ok"]);
    ensemble.request(5, set_data("/e"));
    ensemble.run(millis(50));
    assert_eq!(ensemble.heard(), ["5 close"]);
    ensemble.connect(2, 6, Some(session), Zxid(0));
    ensemble.run(millis(50));
    ensemble.request(6, set_data("/e"));
    ensemble.run(millis(50));
    assert_eq!(ensemble.heard(), [format!("6 connected {session} 4s"), "6 ok".into()]);
}

#[test]
fn a_client_is_not_taken_back_in_time_by_a_server_that_lags() {
    let (mut ensemble, session) = with_ephemeral(2);
    let seen = ensemble.server(2).last_zxid().next();
    ensemble.pause(1);
    ensemble.request(2, set_data("/e"));
    ensemble.run(millis(10));
    ensemble.told.clear();
    let lagging = ensemble.server(1).last_zxid();
    assert!(lagging < seen && seen <= ensemble.server(3).last_zxid());
    ensemble.resume(1, true);
    assert_eq!(ensemble.server(1).last_zxid(), seen, "it has caught up by itself");
    ensemble.connect(1, 5, Some(session), seen.next());
    assert_eq!(ensemble.heard(), ["5 close"]);
    ensemble.connect(1, 6, Some(session), seen);
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), [format!("6 connected {session} 4s")]);
}

#[test]
fn a_ping_waits_behind_a_write_of_its_own_session_and_of_no_other() {
    for id in [1, 3] {
        let (mut ensemble, _) = with_ephemeral(id);
        ensemble.open(id, 9);
        // Nobody else can log anything.
        [1, 2, 3].into_iter().filter(|other| *other != 3).for_each(|other| ensemble.cut(3, other));
        let connection = u64::from(id);
        ensemble.request(connection, set_data("/e"));
        ensemble.ping(connection);
        ensemble.request(connection, exists("/e"));
        ensemble.ping(9);
        ensemble.request(9, exists("/e"));
        ensemble.run(millis(3000));
        assert_eq!(ensemble.heard(), ["9 pong", "9 ok"]);
    }
}

#[test]
fn requests_of_a_session_are_answered_in_order_reads_seeing_the_writes_before_them() {
    for id in [1, 3] {
        let (mut ensemble, _) = with_ephemeral(id);
        let connection = u64::from(id);
        for operation in [
            exists("/x"),
            create("/x", Persistent),
            exists("/x"),
            Operation::Sync { path: Some("/x".into()) },
            delete("/x"),
            exists("/x"),
        ] {
            ensemble.request(connection, operation);
        }
        ensemble.ping(connection);
        ensemble.run(millis(20));
        let expected = ["NoNode", "created /x", "ok", "ok", "ok", "deleted /x", "ok", "NoNode", "pong"];
        let expected: Vec<_> = expected.iter().map(|told| format!("{id} {told}")).collect();
        assert_eq!(ensemble.heard(), expected);
    }
}

#[test]
fn a_reconnect_to_the_same_server_waits_for_the_writes_of_the_connection_before() {
    let (mut ensemble, session) = with_ephemeral(1);
    ensemble.request(1, set_data("/e"));
    ensemble.connect(1, 2, Some(session), Zxid(0));
    ensemble.run(Duration::from_micros(2500));
    let connected = format!("2 connected {session} 4s");
    assert_eq!(ensemble.heard(), ["1 close", &*connected]);
    ensemble.ping(2);
    assert_eq!(ensemble.heard(), [""; 0]);
    ensemble.run(millis(10));
    assert_eq!(ensemble.heard(), ["2 pong"]);
    assert_eq!(ensemble.server(1).tree().stat("/e").unwrap().version, 1);
}

#[test]
fn a_sync_shows_a_follower_what_was_committed_before_it() {
    let mut ensemble = Ensemble::settled(3);
    ensemble.open(1, 1);
    ensemble.open(2, 2);
    ensemble.jitter_ms = 30;
    for number in 0..200 {
        let path = format!("/a{number}");
        ensemble.request(2, create(&path, Persistent));
        while ensemble.told.is_empty() {
            ensemble.run(millis(1));
        }
        assert_eq!(ensemble.heard(), ["2 ok"]);
        ensemble.request(1, Operation::Sync { path: Some("/".into()) });
        ensemble.request(1, exists(&path));
        while ensemble.told.len() < 2 {
            ensemble.run(millis(1));
        }
        assert_eq!(ensemble.heard(), ["1 ok", "1 ok"]);
        ensemble.ping(1);
        ensemble.told.clear();
    }
}

#[test]
fn a_read_without_sync_may_be_stale_on_any_server_and_on_the_leader_too() {
    let mut stale = [0; 3];
    let mut ensemble = Ensemble::settled(3);
    ensemble.open_on_each();
    ensemble.jitter_ms = 10;
    for number in 0..200 {
        let (writer, reader) = (1 + number % 3, 1 + (number + 1) % 3);
        let path = format!("/a{number}");
        ensemble.request(writer, create(&path, Persistent));
        while ensemble.told.is_empty() {
            ensemble.run(millis(1));
        }
        ensemble.told.clear();
        ensemble.request(reader, Operation::Exists { path: (*path).into(), watch: false });
        stale[reader as usize - 1] += u32::from(ensemble.heard().contains(&format!("{reader} NoNode")));
    }
    assert!(stale[0] > 0 && stale[1] > 0, "{stale:?}");
}
