//! How far a campaign is, on standard error: a bar on a terminal, a line now and then elsewhere.

use crate::output::say;
use crate::screen::Screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// A campaign that is over sooner needs no lines.
const FIRST_LINE: Duration = Duration::from_secs(1);

/// How long until the next line.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How long until a bar is drawn anew.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(100);

/// More drawings in a second than there are.
const DRAWINGS_MAX: u8 = 20;

/// The columns that words need beside a bar.
const COLUMNS_OF_WORDS: u16 = 60;

/// The columns of a bar; with less than the first there is none.
const COLUMNS_OF_BAR: (u16, u16) = (10, 40);

/// Tells people how far it is.
pub struct Progress {
    began: Instant,
    count: Count,
    /// When it is told next.
    next: Instant,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
}

/// How far it is, and how much of that found something.
#[derive(Clone, Copy, Debug)]
struct Count {
    runs: u64,
    done: u64,
    findings: u64,
}

impl Progress {
    /// Begins with none of `runs`.
    pub fn new(runs: u64) -> Progress {
        let began = Instant::now();
        let count = Count { runs, done: 0, findings: 0 };
        let (shown, next) = match Screen::of_stderr() {
            Some(screen) => {
                let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen), DRAWINGS_MAX);
                (Shown::Bar(ProgressBar::with_draw_target(Some(runs), target)), began)
            }
            None => (Shown::Lines, began + FIRST_LINE),
        };
        let mut progress = Progress { began, count, next, shown };
        progress.tell();
        progress
    }

    /// One more run is done; `findings` of all found something.
    pub fn advance(&mut self, findings: u64) {
        self.count.done += 1;
        self.count.findings = findings;
        self.tell();
    }

    /// Tells how far it is, if it is time to.
    pub fn tell(&mut self) {
        let now = Instant::now();
        if now < self.next || self.count.done == self.count.runs {
            return;
        }
        let elapsed = self.began.elapsed();
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_style(style(Screen::columns()));
                bar.set_message(self.count.in_short(elapsed));
                bar.set_position(self.count.done);
                self.next = now + BETWEEN_DRAWINGS;
            }
            Shown::Lines => {
                say(&format!("{}\n", self.count.in_words(elapsed)));
                self.next = now + BETWEEN_LINES;
            }
        }
    }

    /// Does something that prints, with the bar out of the way.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(work),
            Shown::Lines => work(),
        }
    }

    /// Ends with how fast it went.
    pub fn finish(&self, jobs: u32) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        let elapsed = self.began.elapsed();
        let (runs, jobs) = (counted(self.count.done, "run"), counted(jobs, "job"));
        let (seconds, rate) = (elapsed.as_secs_f64(), self.count.rate(elapsed));
        say(&format!("{runs} in {seconds:.3} s with {jobs}: {rate} runs per second\n"));
    }
}

impl Count {
    /// For a line of its own.
    fn in_words(self, elapsed: Duration) -> String {
        let Count { runs, done, findings } = self;
        let found = if findings > 0 { format!("{findings} with findings, ") } else { String::new() };
        let to_go = self.to_go(elapsed).map_or_else(String::new, |time| format!(", {time} to go"));
        format!("{done} of {runs} seeds, {found}{} runs per second{to_go}", self.rate(elapsed))
    }

    /// For one line of a terminal, which cuts off what it has no room for: what matters most comes first.
    fn in_short(self, elapsed: Duration) -> String {
        let Count { runs, done, findings } = self;
        let found = if findings > 0 { format!(", {}", counted(findings, "finding")) } else { String::new() };
        let to_go = self.to_go(elapsed).map_or_else(String::new, |time| format!(", {time} to go"));
        format!("{done}/{runs} seeds{found}{to_go}, {}/s", self.rate(elapsed))
    }

    /// Runs per second, as exact as it is of use.
    fn rate(self, elapsed: Duration) -> String {
        let tenths = u128::from(self.done) * 10_000_000 / elapsed.as_micros().max(1);
        if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
    }

    /// How long the rest takes at this rate, if there is one.
    fn to_go(self, elapsed: Duration) -> Option<String> {
        let left = u128::from(self.runs - self.done) * elapsed.as_micros();
        let seconds = left.checked_div(u128::from(self.done))?.div_ceil(1_000_000);
        let units = [(86_400, "days"), (3_600, "h"), (60, "min")];
        let fitting = units.into_iter().find(|(length, _)| seconds >= 2 * length);
        Some(
            fitting.map_or_else(
                || format!("{seconds} s"),
                |(length, unit)| format!("{} {unit}", seconds / length),
            ),
        )
    }
}

/// One line of so many columns.
fn style(columns: u16) -> ProgressStyle {
    let (least, most) = COLUMNS_OF_BAR;
    let bar = columns.saturating_sub(COLUMNS_OF_WORDS).min(most);
    let template = if bar < least { "{wide_msg}".to_owned() } else { format!("{{bar:{bar}}} {{wide_msg}}") };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn counted(count: impl Into<u64>, what: &str) -> String {
    match count.into() {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_campaign() {
        let count = Count { runs: 2_000, done: 500, findings: 1 };
        let elapsed = Duration::from_secs(10);
        assert_eq!(
            count.in_words(elapsed),
            "500 of 2000 seeds, 1 with findings, 50 runs per second, 30 s to go"
        );
        assert_eq!(count.in_short(elapsed), "500/2000 seeds, 1 finding, 30 s to go, 50/s");
        let begins = Count { done: 0, findings: 0, ..count };
        assert_eq!(begins.in_words(elapsed), "0 of 2000 seeds, 0.0 runs per second");
        assert_eq!(begins.in_short(Duration::ZERO), "0/2000 seeds, 0.0/s");
    }

    #[test]
    fn no_count_is_too_large() {
        let (elapsed, most) = (Duration::from_secs(1_000_000_000), u64::MAX);
        let count = Count { runs: most, done: 1, findings: 1 };
        assert!(count.in_words(elapsed).ends_with(" days to go"), "{}", count.in_words(elapsed));
        let count = Count { runs: most, done: most, findings: most };
        assert!(count.in_words(Duration::ZERO).ends_with(" 0 s to go"), "{}", count.in_words(Duration::ZERO));
    }

    #[test]
    fn the_time_to_go_is_in_the_unit_that_fits() {
        for (runs, expected) in
            [(2, "1 s"), (120, "119 s"), (121, "2 min"), (7_201, "2 h"), (172_801, "2 days")]
        {
            let count = Count { runs, done: 1, findings: 0 };
            assert_eq!(count.to_go(Duration::from_secs(1)).as_deref(), Some(expected), "{runs}");
        }
    }
}
