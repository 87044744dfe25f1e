//! Signals that ask a campaign to end: the first asks, the second does not wait any longer.

use crate::complaint::Complaint;
use crate::exit::Exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a campaign was asked to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP ask.
    ///
    /// # Errors
    /// When signals cannot be handled here.
    pub fn by_signals() -> Result<Interrupt, Complaint> {
        let interrupt = Interrupt::default();
        let asked = interrupt.clone();
        ctrlc::set_handler(move || {
            if asked.ask() {
                std::process::exit(Exit::Interrupted.code().into());
            }
        })
        .map_err(|error| Complaint::new(format_args!("signals cannot be handled: {error}")))?;
        Ok(interrupt)
    }

    /// Asks; whether it was asked before.
    fn ask(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether it was asked to end.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
