//! Faults that no scenario file brings about under madsim, and plans that it refuses.

use zeromaster_madsim::{RunError, expressible, run};
use zeromaster_sim::scenario::Known;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::{Options, Verdict};

fn scenario(steps: &str) -> Scenario {
    let text = format!(
        "about = \"a test\"\nuntil = \"120s\"\n[cluster]\nnodes = 3\n\
         nifi.\"nifi.cluster.flow.election.max.candidates\" = \"3\"\n{steps}"
    );
    Scenario::parse(&text, &Known::ALL).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn check_passed(scenario: &Scenario) -> String {
    let outcome = run(scenario, None, 1, Options { timeline: true, ..Options::default() }).unwrap();
    let text = outcome.timeline.unwrap().to_text();
    assert_eq!(outcome.verdict, Verdict::Passed, "{text}");
    text
}

#[test]
fn a_network_that_loses_a_fifth_of_everything() {
    let loss = "[[plan]]\nat = \"20s\"\nloss = \"1/5\"\nbetween = \"all, zookeeper | all, zookeeper\"\nfor = \"60s\"\n";
    for servers in [1, 3] {
        let text = check_passed(&scenario(&format!("{loss}[zookeeper]\nservers = {servers}\n")));
        assert!(text.contains("[C C C]"), "{text}");
    }
}

#[test]
fn a_process_that_is_asked_to_stop_says_goodbye() {
    let stop = "[[plan]]\nat = \"30s\"\nstop = \"n2\"\nfor = \"20s\"\n";
    let text = check_passed(&scenario(stop));
    assert!(text.contains("NODE_SHUTDOWN") && text.contains("closed"), "{text}");
}

#[test]
fn states_of_a_wide_cluster_are_counted_right_when_disks_are_wiped() {
    let text = "about = \"a test\"\nuntil = \"150s\"\n[cluster]\nnodes = 14\n\
                nifi.\"nifi.cluster.flow.election.max.candidates\" = \"14\"\n\
                [[plan]]\nat = \"40s\"\nwipe = \"n5\"\nfor = \"5s\"\n\
                [[plan]]\nat = \"60s\"\nwipe = \"coordinator\"\nfor = \"20s\"\n";
    let text = check_passed(&Scenario::parse(text, &Known::ALL).unwrap());
    assert!(text.contains("[-:1 C:13]") && text.lines().last().unwrap().contains("[C:14]"), "{text}");
}

#[track_caller]
fn check_refused(step: &str, expected: &str) {
    let scenario = scenario(&format!("[[plan]]\nat = \"30s\"\n{step}\n"));
    let Err(RunError::Unsupported(steps)) = run(&scenario, None, 1, Options::default()) else {
        panic!("{step} is run");
    };
    let [refused] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(refused.to_string(), format!("madsim cannot express {expected}"));
    let (rest, left_out) = expressible(&scenario);
    assert_eq!((rest.plan.steps.len(), left_out), (0, steps));
}

#[test]
fn what_cannot_be_expressed_is_named() {
    let one_clock = "it has one clock for all machines";
    check_refused("clock = \"n1\"\njump = \"2s\"", &format!("clock n1 jump 2s at 30s: {one_clock}"));
    check_refused(
        "clock = \"n1\"\ndrift = \"50ppm\"\nfor = \"9s\"",
        &format!("clock n1 drift +50ppm at 30s: {one_clock}"),
    );
    check_refused(
        "slow = \"n1\"\nby = \"2s\"\nfor = \"9s\"",
        "slow n1 by 2s at 30s: its processes have one speed",
    );
    check_refused(
        "loss = \"1/5\"\nbetween = \"n1 | n2\"\nfor = \"9s\"",
        "loss 20% between n1 | n2 at 30s: it loses messages of all links alike",
    );
    check_refused(
        "duplicate = \"1/5\"\nbetween = \"all | all\"\nfor = \"9s\"",
        "duplicate 20% between all | all at 30s: it makes no copies of messages",
    );
    check_refused(
        "delay = \"2s\"\nbetween = \"all | all\"\nfor = \"9s\"",
        "delay 2s between all | all at 30s: it has one latency for all links",
    );
}

#[test]
fn what_lasts_for_ever_is_left_as_it_is_by_the_healing() {
    let gone =
        "[[plan]]\nat = \"30s\"\ncrash = \"n2\"\nfor = \"ever\"\n[[plan]]\nat = \"40s\"\nrestart = \"n2\"\n";
    let text = check_passed(&scenario(gone));
    assert!(text.contains("all faults are undone but those that last for ever"), "{text}");
    assert!(text.contains("n2 is gone for good") && !text.contains("again, run 2"), "{text}");
    assert!(text.lines().last().unwrap().contains("[C D C]"), "{text}");
    let cut = "[[plan]]\nat = \"30s\"\ncut = \"n2 | rest, zookeeper\"\nfor = \"ever\"\n";
    let text = check_passed(&scenario(cut));
    assert!(text.lines().last().unwrap().contains("[C D C]"), "{text}");
    let still = "[[plan]]\nat = \"30s\"\npause = \"n2\"\nfor = \"ever\"\n";
    let text = check_passed(&scenario(still));
    assert!(text.lines().last().unwrap().contains("[C D C]"), "{text}");
}

#[test]
fn a_cluster_whose_zookeeper_is_gone_for_ever_is_excused() {
    let down = scenario("[[plan]]\nat = \"30s\"\nzookeeper = \"down\"\nfor = \"ever\"\n");
    let outcome = run(&down, None, 1, Options { timeline: true, ..Options::default() }).unwrap();
    assert_eq!(outcome.verdict, Verdict::Excused, "{}", outcome.timeline.unwrap().to_text());
}
