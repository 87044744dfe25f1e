//! Scripted failures of an ensemble of three, played on real servers and on the model. What holds must hold on both; and
//! each time that is measured on real servers must lie within what the model does over many seeds.

pub mod model;
pub mod real;
pub mod scripts;
pub mod stage;

use crate::real::{Distribution, StartError};
use model::ModelStage;
use real::RealStage;
use scripts::Script;
use stage::Findings;
use std::fmt;
use std::time::Duration;

/// How much earlier than in the model something may be seen on real servers: what is looked at now and then is seen late by
/// some polls, in the model as well.
pub const EARLIER: Duration = Duration::from_millis(25);

/// How much later than in the model something may be seen on real servers. The model knows messages and timers; a real server
/// has to be given a processor, collects garbage and waits for its disk.
pub const LATER: Duration = Duration::from_millis(600);

/// One time: what the model makes of it, and what real servers made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timing {
    /// What takes the time.
    pub what: &'static str,
    /// The least and the most over the model's seeds.
    pub model: [Duration; 2],
    /// The least and the most over the real runs; absent when there was none.
    pub real: Option<[Duration; 2]>,
}

impl Timing {
    /// Whether real servers kept within the model's range, [`EARLIER`] and [`LATER`] allowed for.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let [least, most] = self.model;
        self.real.is_none_or(|[first, last]| first + EARLIER >= least && last <= most + LATER)
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | ", self.what, Range(self.model))?;
        match self.real {
            Some(real) => write!(f, "{} |", Range(real)),
            None => f.write_str("– |"),
        }
    }
}

struct Range([Duration; 2]);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, most] = self.0.map(|time| time.as_millis());
        write!(f, "{}.{:03}–{}.{:03} s", least / 1000, least % 1000, most / 1000, most % 1000)
    }
}

/// What became of a script on both stages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The times, in the order in which the script takes them.
    pub timings: Vec<Timing>,
    /// What must hold and did not, and where.
    pub broken: Vec<String>,
}

impl Outcome {
    /// Plays a script on the model, once for each seed below `seeds`.
    #[must_use]
    pub fn of_model(script: &Script, seeds: u64) -> Outcome {
        let mut outcome = Outcome::default();
        for seed in 0..seeds {
            let mut findings = Findings::default();
            (script.play)(&mut ModelStage::set(seed), &mut findings);
            outcome.broken.extend(findings.broken.iter().map(|what| format!("model, seed {seed}: {what}")));
            for (what, time) in findings.times {
                outcome.timing(what, time).model.widen(time);
            }
        }
        outcome
    }

    /// Plays the script on three real servers as well.
    ///
    /// # Errors
    ///
    /// When they cannot be started.
    pub fn play_on_real(&mut self, script: &Script, distribution: &Distribution) -> Result<(), StartError> {
        let mut findings = Findings::default();
        (script.play)(&mut RealStage::set(distribution)?, &mut findings);
        self.broken.extend(findings.broken.iter().map(|what| format!("real servers: {what}")));
        for (what, time) in findings.times {
            self.timing(what, time).real.get_or_insert([time, time]).widen(time);
        }
        Ok(())
    }

    /// The times on which the two do not agree.
    pub fn disagreements(&self) -> impl Iterator<Item = &Timing> {
        self.timings.iter().filter(|timing| !timing.agrees())
    }

    fn timing(&mut self, what: &'static str, first: Duration) -> &mut Timing {
        let index = self.timings.iter().position(|timing| timing.what == what).unwrap_or_else(|| {
            self.timings.push(Timing { what, model: [first, first], real: None });
            self.timings.len() - 1
        });
        &mut self.timings[index]
    }
}

trait Widen {
    fn widen(&mut self, time: Duration);
}

impl Widen for [Duration; 2] {
    fn widen(&mut self, time: Duration) {
        *self = [self[0].min(time), self[1].max(time)];
    }
}
