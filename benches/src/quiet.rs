//! Clusters as the benchmarks run them: on an ensemble of three servers, with every safety property, without a timeline.

use std::time::Duration;
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Outcome, Verdict};

/// A cluster in which nothing goes wrong.
pub struct Quiet {
    scenario: Scenario,
    setup: Setup,
}

impl Quiet {
    /// So many nodes, for so long. Everybody votes at once, so that the vote does not take most of the time.
    ///
    /// # Panics
    /// When the scenario makes no sense, which is a bug of the benchmark.
    #[must_use]
    pub fn new(nodes: u32, length: Duration) -> Quiet {
        let scenario = Scenario::of(nodes)
            .until(length)
            .zookeeper_servers(3)
            .property("nifi.cluster.flow.election.max.candidates", &nodes.to_string())
            .build()
            .expect("a scenario of our own");
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        Quiet { scenario, setup }
    }

    /// Runs it.
    ///
    /// # Panics
    /// When something that was promised did not hold.
    #[must_use]
    pub fn run(&self, options: Options) -> Outcome {
        let outcome = run_with(&self.scenario, &self.setup, 1, options);
        assert_eq!(outcome.verdict, Verdict::Passed, "{:?}", outcome.first_violation());
        outcome
    }
}
