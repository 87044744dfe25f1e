//! The recipe, step by step: what is asked after which answer.

use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn candidate() -> Candidate {
    candidate_under(Rules::default())
}

fn candidate_under(rules: Rules) -> Candidate {
    Candidate::new(Role::ClusterCoordinator, "/l".into(), "n1:1".into(), "id.1".into(), rules)
}

fn children(names: &[&str]) -> Result<Outcome, CoordinationError> {
    Ok(Outcome::Children { children: names.iter().map(|name| (*name).into()).collect::<Vec<_>>().into() })
}

/// A candidate whose znode is `_c_id.1.1-lock-0000000005`, created by transaction 50.
fn standing() -> Candidate {
    let mut candidate = candidate();
    assert!(matches!(candidate.want(true, true), Some((Step::Create, _))));
    let created = Outcome::Created { path: "/l/_c_id.1.1-lock-0000000005".into(), czxid: 50 };
    assert!(matches!(candidate.completed(Step::Create, Ok(created)), Some((Step::List, _))));
    candidate
}

#[test]
fn the_first_in_line_leads_under_its_czxid() {
    let mut candidate = standing();
    let names = ["_c_id.1.1-lock-0000000005", "_c_zz.1.1-lock-0000000007"];
    assert_eq!(candidate.completed(Step::List, children(&names)), None);
    assert_eq!(candidate.leads(), Some(Epoch(50)));
}

#[test]
fn the_others_watch_the_one_before_and_no_other() {
    let mut candidate = standing();
    let names = ["_c_a.1.1-lock-0000000001", "_c_id.1.1-lock-0000000005", "_c_b.1.1-lock-0000000004"];
    let watch = Operation::GetData { path: "/l/_c_b.1.1-lock-0000000004".into(), watch: true };
    assert_eq!(candidate.completed(Step::List, children(&names)), Some((Step::Watch, watch)));
    assert_eq!(candidate.watched("/l/_c_a.1.1-lock-0000000001", WatchKind::Deleted), None);
    assert!(matches!(
        candidate.watched("/l/_c_b.1.1-lock-0000000004", WatchKind::Deleted),
        Some((Step::List, _))
    ));
}

#[test]
fn a_predecessor_that_went_before_the_watch_was_set_is_noticed() {
    let mut candidate = standing();
    let names = ["_c_a.1.1-lock-0000000001", "_c_id.1.1-lock-0000000005"];
    candidate.completed(Step::List, children(&names));
    assert!(matches!(
        candidate.completed(Step::Watch, Err(CoordinationError::NoNode)),
        Some((Step::List, _))
    ));
}

#[test]
fn a_create_whose_answer_was_lost_is_found_again_and_not_repeated() {
    let mut candidate = candidate();
    candidate.want(true, true);
    assert_eq!(candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss)), None);
    let sync = Operation::Sync { path: "/l".into() };
    assert_eq!(candidate.session_resumed(), Some((Step::CatchUp, sync)));
    assert!(matches!(candidate.completed(Step::CatchUp, Ok(Outcome::Synced)), Some((Step::Find, _))));
    let adopt = candidate.completed(Step::Find, children(&["_c_id.1.1-lock-0000000009"]));
    let path: Arc<str> = "/l/_c_id.1.1-lock-0000000009".into();
    assert_eq!(adopt, Some((Step::Adopt, Operation::Exists { path, watch: false })));
    candidate.completed(Step::Adopt, Ok(Outcome::Exists { czxid: 90 }));
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000009"]));
    assert_eq!(candidate.leads(), Some(Epoch(90)));
}

#[test]
fn a_create_that_never_happened_is_repeated_under_a_new_prefix() {
    let mut candidate = candidate();
    candidate.want(true, true);
    candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss));
    candidate.session_resumed();
    candidate.completed(Step::CatchUp, Ok(Outcome::Synced));
    let again = candidate.completed(Step::Find, children(&[]));
    let Some((Step::Create, Operation::Create { path, .. })) = again else { panic!("no create: {again:?}") };
    assert_eq!(path.as_ref(), "/l/_c_id.1.2-lock-");
}

#[test]
fn a_suspended_leader_leads_no_more_and_keeps_its_place() {
    let mut candidate = standing();
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
    candidate.suspended();
    assert_eq!(candidate.leads(), None);
    assert!(matches!(candidate.session_resumed(), Some((Step::List, _))));
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
    assert_eq!(candidate.leads(), Some(Epoch(50)));
}

#[test]
fn a_new_session_stands_anew() {
    let mut candidate = standing();
    candidate.session_lost();
    assert!(matches!(candidate.session_opened(), Some((Step::Create, _))));
}

#[test]
fn who_no_longer_stands_deletes_its_znode_until_it_is_gone() {
    let mut candidate = standing();
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
    assert!(matches!(candidate.want(false, true), Some((Step::Withdraw, _))));
    assert_eq!(candidate.leads(), None);
    assert_eq!(candidate.completed(Step::Withdraw, Err(CoordinationError::ConnectionLoss)), None);
    assert!(matches!(candidate.session_resumed(), Some((Step::Withdraw, _))));
    assert_eq!(candidate.completed(Step::Withdraw, Ok(Outcome::Deleted)), None);
    assert!(matches!(candidate.want(true, true), Some((Step::Create, _))));
}

#[test]
fn a_change_of_mind_while_the_create_is_under_way_ends_outside_the_line() {
    let mut candidate = candidate();
    candidate.want(true, true);
    assert_eq!(candidate.want(false, true), None);
    let created = Outcome::Created { path: "/l/_c_id.1.1-lock-0000000005".into(), czxid: 50 };
    assert!(matches!(candidate.completed(Step::Create, Ok(created)), Some((Step::Withdraw, _))));
}

/// As Curator does it, under every release of NiFi.
fn curator() -> Rules {
    Rules {
        keep_place_when_suspended: false,
        sync_before_lookup: false,
        sweep_own_orphans: false,
        ..Rules::default()
    }
}

/// A candidate whose first create took place without its knowing, as a second one shows.
fn with_orphan(rules: Rules) -> Candidate {
    let mut candidate = candidate_under(rules);
    candidate.want(true, true);
    candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss));
    candidate.session_resumed();
    candidate.completed(Step::CatchUp, Ok(Outcome::Synced));
    // The server lags, or the create was not yet decided.
    assert!(matches!(candidate.completed(Step::Find, children(&[])), Some((Step::Create, _))));
    let created = Outcome::Created { path: "/l/_c_id.1.2-lock-0000000006".into(), czxid: 60 };
    assert!(matches!(candidate.completed(Step::Create, Ok(created)), Some((Step::List, _))));
    candidate
}

#[test]
fn an_orphan_of_our_own_is_deleted_when_it_is_seen() {
    let mut candidate = with_orphan(Rules::default());
    let names = ["_c_id.1.1-lock-0000000005", "_c_id.1.2-lock-0000000006"];
    let delete = Operation::Delete { path: "/l/_c_id.1.1-lock-0000000005".into() };
    assert_eq!(candidate.completed(Step::List, children(&names)), Some((Step::Sweep, delete)));
    assert_eq!(candidate.leads(), None);
    assert!(matches!(candidate.completed(Step::Sweep, Ok(Outcome::Deleted)), Some((Step::List, _))));
    candidate.completed(Step::List, children(&names[1..]));
    assert_eq!(candidate.leads(), Some(Epoch(60)));
}

#[test]
fn an_orphan_that_went_by_itself_is_as_good_as_deleted() {
    let mut candidate = with_orphan(Rules::default());
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005", "_c_id.1.2-lock-0000000006"]));
    let gone = Err(CoordinationError::NoNode);
    assert!(matches!(candidate.completed(Step::Sweep, gone), Some((Step::List, _))));
}

#[test]
fn curator_waits_for_its_own_orphan_and_nobody_leads() {
    let mut candidate = with_orphan(curator());
    let names = ["_c_id.1.1-lock-0000000005", "_c_id.1.2-lock-0000000006"];
    let watch = Operation::GetData { path: "/l/_c_id.1.1-lock-0000000005".into(), watch: true };
    assert_eq!(candidate.completed(Step::List, children(&names)), Some((Step::Watch, watch)));
}

#[test]
fn what_a_former_process_made_is_left_to_zookeeper() {
    let mut candidate = standing();
    // Of the runs 0 and 11 of this node's process.
    for former in ["_c_id.0.1-lock-0000000004", "_c_id.11.1-lock-0000000004"] {
        let names = [former, "_c_id.1.1-lock-0000000005"];
        let mut candidate = candidate.clone();
        assert!(matches!(candidate.completed(Step::List, children(&names)), Some((Step::Watch, _))));
    }
    candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
    assert_eq!(candidate.leads(), Some(Epoch(50)));
}

#[test]
fn curator_searches_for_a_lost_create_at_once() {
    let mut candidate = candidate_under(curator());
    candidate.want(true, true);
    candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss));
    candidate.suspended();
    assert!(matches!(candidate.session_resumed(), Some((Step::Find, _))));
}

#[test]
fn in_curator_s_way_a_place_is_given_up_with_the_connection_and_deleted_in_whichever_session() {
    for lost in [false, true] {
        let mut candidate = candidate_under(curator());
        candidate.want(true, true);
        let created = Outcome::Created { path: "/l/_c_id.1.1-lock-0000000005".into(), czxid: 50 };
        candidate.completed(Step::Create, Ok(created));
        candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
        candidate.suspended();
        assert_eq!((candidate.leads(), candidate.place()), (None, None));
        let delete = if lost {
            candidate.session_lost();
            candidate.session_opened()
        } else {
            candidate.session_resumed()
        };
        let path = "/l/_c_id.1.1-lock-0000000005".into();
        assert_eq!(delete, Some((Step::Withdraw, Operation::Delete { path })));
        let again = candidate.completed(Step::Withdraw, Err(CoordinationError::NoNode));
        assert!(matches!(again, Some((Step::Create, _))), "{again:?}");
    }
}

#[test]
fn a_line_that_is_gone_is_made_once_and_stood_in_anew() {
    let mut candidate = standing();
    let no_node = || Err(CoordinationError::NoNode);
    assert!(matches!(candidate.completed(Step::List, no_node()), Some((Step::Create, _))));
    assert!(candidate.misses_parent(Step::Create, &no_node()));
    assert!(matches!(candidate.completed(Step::Create, no_node()), Some((Step::Create, _))));
    assert!(!candidate.misses_parent(Step::Create, &no_node()), "it was made, and did not help");
    assert_eq!(candidate.completed(Step::Create, no_node()), None);
    assert!(matches!(candidate.session_resumed(), Some((Step::Create, _))));
}

#[test]
fn a_line_goes_on_when_its_numbers_wrap() {
    let mut candidate = candidate();
    candidate.want(true, true);
    let created = Outcome::Created { path: "/l/_c_id.1.1-lock--2147483648".into(), czxid: 50 };
    candidate.completed(Step::Create, Ok(created));
    let names = ["_c_a.1.1-lock-2147483646", "_c_b.1.1-lock-2147483647", "_c_id.1.1-lock--2147483648"];
    let watch = Operation::GetData { path: "/l/_c_b.1.1-lock-2147483647".into(), watch: true };
    assert_eq!(candidate.completed(Step::List, children(&names)), Some((Step::Watch, watch)));
    candidate.watched("/l/_c_b.1.1-lock-2147483647", WatchKind::Deleted);
    let names = ["_c_id.1.1-lock--2147483648", "_c_c.1.1-lock--2147483647", "foreign"];
    candidate.completed(Step::List, children(&names));
    assert_eq!(candidate.leads(), Some(Epoch(50)));
}

/// Names of a line, and names that have no place in one.
fn any_name() -> impl Strategy<Value = String> {
    let number = prop_oneof![4 => 0i32..8, 1 => any::<i32>(), 1 => Just(i32::MAX), 1 => Just(i32::MIN)];
    let plain = ("[ab]", number).prop_map(|(whose, number)| format!("_c_{whose}.1.1-lock-{number:010}"));
    let strange = prop::sample::select(vec![
        "_c_a.1.1-lock-9999999999",
        "_c_a.1.1-lock-000000000x",
        "_c_a.1.1-lock-7",
        "-lock-0000000003",
        "no number",
        "",
    ]);
    prop_oneof![6 => plain, 1 => strange.prop_map(String::from)]
}

proptest! {
    #[test]
    fn a_look_along_the_line_finds_what_a_look_at_every_name_finds(
        own in any_name(),
        names in prop::collection::vec(any_name(), 0..12),
    ) {
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let ahead = |name: &Arc<str>| {
            let ahead = sequence(&own)?.wrapping_sub(sequence(name)?);
            (ahead > 0).then(|| (ahead, name.clone()))
        };
        let predecessor = names.iter().filter_map(ahead).min().map(|(_, name)| name);
        let has_own = names.iter().any(|name| **name == *own);
        let names = Names::from(names);
        let line = Line::around(&own, &names);
        prop_assert_eq!((line.has_own, line.predecessor), (has_own, predecessor.as_ref()));
    }
}
