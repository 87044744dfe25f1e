//! Progress of work that prints only at its end, on standard error: on a terminal every second, elsewhere a line every ten
//! seconds.

use crate::output::say;
use crate::screen::Screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Between two drawings on a terminal, and before the first.
const BETWEEN_DRAWINGS: Duration = Duration::from_secs(1);

/// Between two lines, and before the first.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// More drawings in a second than there are.
const DRAWINGS_MAX: u8 = 20;

/// Does `work`, and tells people how long it takes.
pub fn told<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, over) = mpsc::channel::<()>();
        // Without a thread to spare it is done in silence.
        let teller = thread::Builder::new().spawn_scoped(scope, move || tell(what, &over));
        let result = work();
        drop(done);
        if let Ok(teller) = teller {
            // It has nothing to say if it broke down.
            let _ = teller.join();
        }
        result
    })
}

/// Tells until it is over, which a sender that is gone means.
fn tell(what: &str, over: &Receiver<()>) {
    let began = Instant::now();
    let bar = Screen::of_stderr().map(|screen| {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen), DRAWINGS_MAX);
        let style = ProgressStyle::with_template("{wide_msg}");
        let bar = ProgressBar::with_draw_target(None, target);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
    });
    let pause = if bar.is_some() { BETWEEN_DRAWINGS } else { BETWEEN_LINES };
    while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let words = format!("{what} for {} s", began.elapsed().as_secs());
        match &bar {
            Some(bar) => {
                bar.set_message(words);
                bar.tick();
            }
            None => say(&format!("{words}\n")),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}
