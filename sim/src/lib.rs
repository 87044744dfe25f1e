//! A seeded, deterministic simulation of a zero-master cluster. A run is a scenario (the cluster, and what must hold),
//! a plan (what goes wrong, and what people ask), and a seed (everything else): the same three give the same timeline,
//! byte for byte, on any machine.
//!
//! [`run()`] does one run; [`witness::Witness`] judges one that another world does; [`scenario::Scenario`] reads a scenario file or builds one; [`draw`] makes one up from a seed.

pub mod clock;
pub mod digest;
mod doubts;
pub mod draw;
pub mod events;
mod for_good;
pub mod network;
pub mod plan;
pub mod properties;
pub mod property_keys;
pub mod queue;
pub mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod setup;
pub mod time;
pub mod timeline;
pub mod witness;
pub mod words;
mod world;

use zeromaster_adapter as adapter;

pub use run::{Options, Outcome, Verdict, run};
pub use schedule::{Planned, Warning, WarningReason};
pub use world::{Counts, Violation};
