//! A process that is told to stop while it stands still.

use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::{Options, Verdict};

/// It ends when it runs on, which is after the healing, and is started again as every process is.
#[test]
fn a_node_that_is_stopped_while_it_stands_still_runs_again_after_the_healing() {
    let scenario = Scenario::of(3)
        .property("nifi.cluster.flow.election.max.candidates", "3")
        .at("20s")
        .pause("n1")
        .lasting("40s")
        .at("30s")
        .stop("n1")
        .lasting("5s")
        .until("150s")
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    for seed in 0..3 {
        let options = Options { timeline: true, ..Options::default() };
        let outcome = zeromaster_madsim::run(&scenario, None, seed, options).unwrap();
        let timeline = outcome.timeline.as_ref().map(|timeline| timeline.to_text()).unwrap_or_default();
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}\n{timeline}");
        let last = timeline.lines().last().unwrap_or_default();
        assert!(last.contains("[C C C]"), "seed {seed}\n{timeline}");
    }
}
