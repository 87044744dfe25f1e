//! How far a campaign is, on standard error: a bar on a terminal, a line now and then elsewhere.

use crate::output::say;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

/// A campaign that is over sooner needs no lines.
const FIRST_LINE: Duration = Duration::from_secs(1);

/// How long until the next line.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Tells people how far it is.
pub struct Progress {
    began: Instant,
    runs: u64,
    done: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    /// Begins with none of `runs`.
    pub fn new(runs: u64) -> Progress {
        let began = Instant::now();
        let shown = if stderr().is_terminal() {
            let bar = ProgressBar::new(runs);
            let style =
                ProgressStyle::with_template("{bar:40} {pos} of {len} seeds, {msg}{per_sec}, {eta} to go");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            Shown::Bar(bar)
        } else {
            Shown::Lines { next: began + FIRST_LINE }
        };
        Progress { began, runs, done: 0, shown }
    }

    /// One more run is done; `findings` of all found something.
    pub fn advance(&mut self, findings: u64) {
        self.done += 1;
        let found = if findings > 0 { format!("{findings} with findings, ") } else { String::new() };
        let rate = self.rate();
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_message(found);
                bar.inc(1);
            }
            Shown::Lines { next } => {
                let now = Instant::now();
                if now >= *next && self.done < self.runs {
                    say(&format!("{} of {} seeds, {found}{rate} runs per second\n", self.done, self.runs));
                    *next = now + BETWEEN_LINES;
                }
            }
        }
    }

    /// Does something that prints, with the bar out of the way.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(work),
            Shown::Lines { .. } => work(),
        }
    }

    /// Ends with how fast it went.
    pub fn finish(&self, jobs: usize) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        let (seconds, jobs_word) = (self.began.elapsed().as_millis(), if jobs == 1 { "job" } else { "jobs" });
        let seconds = format!("{}.{:03}", seconds / 1_000, seconds % 1_000);
        let rate = self.rate();
        say(&format!("{} runs in {seconds} s with {jobs} {jobs_word}: {rate} runs per second\n", self.done));
    }

    fn rate(&self) -> u128 {
        u128::from(self.done) * 1_000_000 / self.began.elapsed().as_micros().max(1)
    }
}
