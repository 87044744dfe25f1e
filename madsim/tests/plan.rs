//! Steps that wait, times that the seed draws and steps that strike nobody: what is said of a plan here is what is said of it
//! in the simulator's own world.

use zeromaster_sim::scenario::{Known, Scenario};
use zeromaster_sim::timeline::Entry;
use zeromaster_sim::{Options, Outcome, Planned, Verdict, WarningReason};

fn scenario(rest: &str) -> Scenario {
    let text = format!(
        "about = \"a test\"\n{rest}\n[cluster.nifi]\n\"nifi.cluster.flow.election.max.candidates\" = \"1\"\n"
    );
    Scenario::parse(&text, &Known::ALL).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Three nodes, of which n1 coordinates, with this plan.
fn cluster(head: &str, plan: &str) -> Scenario {
    scenario(&format!("{head}\n{plan}\n[cluster]\nnodes = 3\nstart = {{ n2 = \"2s\", n3 = \"3s\" }}"))
}

/// The same run in both worlds; the simulator's own comes first.
fn both(scenario: &Scenario, seed: u64) -> [Outcome; 2] {
    let options = Options { timeline: true, ..Options::default() };
    let own = zeromaster_sim::run(scenario, None, seed, options);
    [
        own.unwrap_or_else(|error| panic!("{error}")),
        zeromaster_madsim::run(scenario, None, seed, options).unwrap_or_else(|error| panic!("{error}")),
    ]
}

fn text(outcome: &Outcome) -> String {
    outcome.timeline.as_ref().map(|timeline| timeline.to_text()).unwrap_or_default()
}

#[track_caller]
fn line<'a>(outcome: &'a Outcome, event: &str, words: &str) -> &'a Entry {
    let entries = outcome.timeline.as_ref().map(|timeline| timeline.entries()).unwrap_or_default();
    let found = entries.iter().find(|entry| entry.event == event && entry.words.starts_with(words));
    found.unwrap_or_else(|| panic!("no {event} of {words:?}:\n{}", text(outcome)))
}

#[track_caller]
fn check_passed(outcome: &Outcome) {
    assert_eq!((&outcome.verdict, &outcome.warnings[..]), (&Verdict::Passed, &[][..]), "{}", text(outcome));
}

#[test]
fn a_step_that_waits_begins_at_the_same_event() {
    let plan = "[[plan]]\nat = \"30s\"\ncrash = \"n3\"\nfor = \"300s\"\n\
                [[plan]]\nwhen = \"n3 is DISCONNECTED LACK_OF_HEARTBEAT\"\nstart = \"n3\"\n\
                [[plan]]\nat = \"90s\"\nafter = \"all-connected\"\nstop = \"n2\"\nfor = \"10s\"";
    for outcome in both(&cluster("", plan), 1) {
        check_passed(&outcome);
        let put_out = line(&outcome, "DISCONNECTED", "n3: WARNING").at;
        let start = line(&outcome, "start", "n3, when n3 is DISCONNECTED LACK_OF_HEARTBEAT").at;
        assert!(start.since(put_out).as_millis() == 0 && start >= put_out, "{}", text(&outcome));
        let stop = line(&outcome, "stop", "n2 for 10s, after all-connected");
        assert_eq!(stop.states, "[C C C]", "{}", text(&outcome));
        assert_eq!(line(&outcome, "end", "of stop n2").at.since(stop.at).as_millis(), 10_000);
    }
}

#[test]
fn a_node_that_waits_starts_at_the_same_event() {
    let text_of = "until = \"40s\"\n[cluster]\nnodes = 2\nstart = { n2 = \"n1 is CONNECTED\" }";
    for outcome in both(&scenario(text_of), 1) {
        check_passed(&outcome);
        let entries = outcome.timeline.as_ref().unwrap().entries();
        let start = entries.iter().find(|entry| entry.actor == "n2" && entry.event == "starts").unwrap();
        let connected = line(&outcome, "CONNECTED", "n1: ").at;
        assert!(start.at.since(connected).as_millis() == 0 && start.at >= connected, "{}", text(&outcome));
    }
}

#[test]
fn a_range_is_drawn_alike() {
    let scenario = cluster("", "[[plan]]\nat = \"30s..40s\"\nexpire = \"n2\"");
    for seed in 1..4 {
        let [own, here] = both(&scenario, seed);
        let [own, here] = [&own, &here].map(|outcome| line(outcome, "expire", "n2").at);
        assert_eq!(own.as_micros() / 1_000, here.as_micros() / 1_000, "seed {seed}");
    }
}

#[test]
fn steps_without_an_effect_are_warned_of_alike() {
    let plan = "[[plan]]\nat = \"1ms\"\npause = \"coordinator\"\nfor = \"5ms\"\n\
                [[plan]]\nat = \"30s\"\ncrash = \"n2\"\nfor = \"ever\"\n\
                [[plan]]\nat = \"31s\"\nstop = \"n2\"\nfor = \"5s\"\n\
                [[plan]]\nat = \"32s\"\nstart = \"n2\"\n\
                [[plan]]\nat = \"33s\"\nstart = \"n3\"\n\
                [[plan]]\nat = \"34s\"\nexpire = \"n2\"\n\
                [[plan]]\nat = \"35s\"\noperator = { at = \"n2\", connect = \"n3\" }\n\
                [[plan]]\nat = \"36s\"\ncut = \"coordinator | n1\"\nfor = \"5s\"\n\
                [[plan]]\nat = \"37s\"\nwhen = \"n3 is OFFLOADED\"\nstop = \"n3\"";
    let said = both(&cluster("heal = \"60s\"", plan), 1).map(|outcome| {
        assert_eq!(outcome.verdict, Verdict::Passed, "{}", text(&outcome));
        let warnings = outcome.warnings.into_iter();
        warnings.map(|warning| (warning.planned, warning.words, warning.reason)).collect::<Vec<_>>()
    });
    let steps: Vec<Planned> = said[0].iter().map(|(planned, _, _)| *planned).collect();
    assert_eq!(steps, [0, 2, 3, 4, 5, 6, 7, 8].map(Planned::Step));
    assert_eq!(said[0][0].2, WarningReason::NobodyHeldRole("coordinator".into()));
    assert_eq!(said[0], said[1]);
}

#[test]
fn an_event_that_does_not_happen_is_missed_alike() {
    let crash = "[[plan]]\nat = \"30s\"\ncrash = \"n1\"\nfor = \"20s\"\n[expect]\nreaches = ";
    for outcome in both(&cluster("", &format!("{crash}[\"expired\", \"elected\"]")), 1) {
        check_passed(&outcome);
    }
    for outcome in both(&cluster("", &format!("{crash}[\"expired\", \"OFFLOADED\"]")), 1) {
        assert_eq!(outcome.verdict, Verdict::Violated);
        let found = outcome.first_violation().unwrap();
        assert_eq!(
            (found.property, &*found.text),
            (zeromaster_sim::run::EXPECTED_EVENT, "these events did not happen in the run: \"OFFLOADED\"",)
        );
    }
}
