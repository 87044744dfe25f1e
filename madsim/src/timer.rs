//! A wait that is kept. madsim cannot take a timer back, and registers one for each time that somebody asks for it.

use madsim::time::{Sleep, TimeHandle};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Waits for a moment. However often it is asked, one timer is registered for each task that asks.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Sleep,
    /// Who will be woken.
    registered: Option<Waker>,
}

impl Timer {
    pub(crate) fn after(wait: Duration) -> Timer {
        Timer { sleep: TimeHandle::current().sleep(wait), registered: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_elapsed() {
            return Poll::Ready(());
        }
        if self.registered.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        self.registered = Some(context.waker().clone());
        Pin::new(&mut self.sleep).poll(context)
    }
}
