//! The two worlds that a scenario can be run in.

use clap::ValueEnum;
use zeromaster_madsim::{Unsupported, expressible};
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Outcome};

/// Where a cluster runs.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum World {
    /// The simulator's own: the nodes alone, driven by its queue of events
    #[default]
    Sim,
    /// The whole program under madsim: the nodes in the shell that production runs, with its tasks, timers and sockets
    Madsim,
}

impl World {
    /// The scenario without what this world cannot express, and that.
    pub fn drawn(self, scenario: Scenario) -> (Scenario, Vec<Unsupported>) {
        match self {
            World::Sim => (scenario, Vec::new()),
            World::Madsim => expressible(&scenario),
        }
    }

    /// What of a scenario this world cannot express.
    pub fn unsupported(self, scenario: &Scenario) -> Vec<Unsupported> {
        match self {
            World::Sim => Vec::new(),
            World::Madsim => zeromaster_madsim::unsupported(scenario),
        }
    }

    /// Does one run of a scenario that this world can express.
    pub fn run(self, scenario: &Scenario, setup: &Setup, seed: u64, options: Options) -> Outcome {
        match self {
            World::Sim => run_with(scenario, setup, seed, options),
            World::Madsim => zeromaster_madsim::run_with(scenario, setup, seed, options)
                .unwrap_or_else(|error| unreachable!("the scenario can be expressed: {error}")),
        }
    }

    /// The word for it in a line that shows a run again; none for the simulator's own.
    pub fn word(self) -> Option<&'static str> {
        match self {
            World::Sim => None,
            World::Madsim => Some("madsim"),
        }
    }
}
