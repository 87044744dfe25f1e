//! `zeromaster fuzz`: many runs on all cores. What is found is put in order here, so that the number of jobs shows in
//! nothing but the time it takes.

mod interrupt;
mod progress;
mod tally;
mod workers;

use crate::args::{FuzzArguments, JOBS_MAX};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::{Reader, print, say};
use crate::replay::Replay;
use crate::subject::Subject;
use interrupt::Interrupt;
use progress::Progress;
use std::collections::BTreeMap;
use std::ops::Range;
use std::thread::available_parallelism;
use std::time::Duration;
use tally::Tally;
use workers::{Next, Source, Summary, Workers};

/// How long a signal, and the news of how far it is, may wait for a run to end.
const PATIENCE: Duration = Duration::from_millis(100);

/// Why no more results are heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Every seed is run.
    All,
    /// The reader of standard output has left.
    Left,
    /// A signal came.
    Interrupted,
}

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
    let seeds = arguments.seeds.clone();
    let jobs = jobs(arguments);
    let interrupt = Interrupt::by_signals()?;
    let workers = Workers::start(jobs, seeds.clone(), source, world)?;
    let mut campaign = Campaign {
        replay,
        next: seeds.start,
        waiting: BTreeMap::new(),
        tally: Tally::default(),
        progress: Progress::new(seeds.end - seeds.start),
    };
    let end = campaign.listen(&workers, &interrupt);
    campaign.progress.finish(jobs);
    let end = end?;
    // Results that came before those of a smaller seed are not counted: the line that goes on begins with that seed.
    let next = campaign.next;
    assert!(end != End::All || next == seeds.end, "every seed is run");
    if end != End::Left {
        print(&format!("seeds {}..{next}: {}", seeds.start, campaign.tally))?;
    }
    if end == End::Interrupted && next < seeds.end {
        say(&format!("interrupted; the other seeds:\n  {}\n", going_on(arguments, next..seeds.end)));
        return Ok(Exit::Interrupted);
    }
    Ok(campaign.tally.exit())
}

/// How many runs at a time.
fn jobs(arguments: &FuzzArguments) -> u32 {
    let cores = || available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(JOBS_MAX));
    let jobs = arguments.jobs.unwrap_or_else(cores).min(JOBS_MAX);
    jobs.min(u32::try_from(arguments.seeds.end - arguments.seeds.start).unwrap_or(u32::MAX))
}

/// The line that runs these seeds as the arguments say.
fn going_on(arguments: &FuzzArguments, seeds: Range<u64>) -> Replay {
    let replay = match &arguments.file {
        Some(path) => Replay::fuzz().path(path),
        None => Replay::fuzz(),
    };
    replay
        .option("--seeds", Some(&format!("{}..{}", seeds.start, seeds.end)))
        .option("--jobs", arguments.jobs.map(|jobs| jobs.to_string()).as_deref())
        .rules(&arguments.rules)
        .option("--world", arguments.world.of.word())
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
    /// Takes results until there are no more, or it need not, and tells how far it is.
    fn listen(&mut self, workers: &Workers, interrupt: &Interrupt) -> Result<End, Complaint> {
        loop {
            if interrupt.is_asked() {
                return Ok(End::Interrupted);
            }
            match workers.next(PATIENCE) {
                Next::Done(seed, summary) => match self.hear(seed, summary)? {
                    Reader::Listens => {}
                    Reader::Left => return Ok(End::Left),
                },
                Next::Nothing => self.progress.tell(),
                Next::Over => return Ok(End::All),
            }
        }
    }

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
