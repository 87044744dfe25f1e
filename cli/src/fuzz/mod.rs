//! `zeromaster fuzz`: many runs on all cores. What is found is put in order here, so that the number of jobs shows in
//! nothing but the time it takes.

mod progress;
mod tally;
mod workers;

use crate::args::FuzzArguments;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::{Reader, print};
use crate::replay::Replay;
use crate::subject::Subject;
use progress::Progress;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use tally::Tally;
use workers::{Source, Summary, on_workers};

/// Runs every seed.
///
/// # Errors
/// When an argument or a file is wrong.
pub fn fuzz(arguments: &FuzzArguments) -> Result<Exit, Complaint> {
    let world = arguments.world.of;
    let (source, replay) = match Subject::to_fuzz(arguments)? {
        Some(subject) => {
            let replay = subject.replay.clone();
            (Source::Subject(Box::new(subject)), replay)
        }
        None => {
            let replay = Replay::run().word("--drawn").rules(&arguments.rules);
            let rules = arguments.rules.clone();
            (Source::Drawn { rules }, replay.option("--world", world.word()))
        }
    };
    let jobs = arguments.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);

    let seeds = arguments.seeds.clone();
    let mut campaign = Campaign {
        replay,
        next: seeds.start,
        waiting: BTreeMap::new(),
        tally: Tally::default(),
        progress: Progress::new(seeds.end - seeds.start),
    };
    let reader =
        on_workers(jobs, seeds.clone(), &source, world, |seed, summary| campaign.hear(seed, summary))?;
    campaign.progress.finish(jobs);
    if reader == Reader::Listens {
        print(&format!("seeds {}..{}: {}", seeds.start, seeds.end, campaign.tally))?;
    }
    Ok(campaign.tally.exit())
}

/// What has come in so far.
struct Campaign {
    replay: Replay,
    /// The seed whose result is printed next.
    next: u64,
    /// Results that came early.
    waiting: BTreeMap<u64, Summary>,
    tally: Tally,
    progress: Progress,
}

impl Campaign {
    /// Takes a result, and prints it with those that waited for it.
    fn hear(&mut self, seed: u64, summary: Summary) -> Result<Reader, Complaint> {
        let before = self.waiting.insert(seed, summary);
        assert!(before.is_none(), "every seed is run once");
        let mut text = String::new();
        while let Some(summary) = self.waiting.remove(&self.next) {
            let seed = self.next;
            if let Some(finding) = &summary.finding {
                text.push_str(&format!("seed {seed}: {finding}\n  {}\n", self.replay.line(seed)));
            }
            self.tally.add(&summary);
            self.next += 1;
        }
        self.progress.advance(self.tally.findings());
        if text.is_empty() { Ok(Reader::Listens) } else { self.progress.aside(|| print(&text)) }
    }
}
