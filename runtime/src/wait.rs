//! Waiting for the first of two things, and not for ever. The first named is asked first, always.

use crate::environment::Environment;
use futures_core::Stream;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// Which of two things came first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for the first of two; the other is given up.
pub(crate) async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> First<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(done) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(done));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}

/// Waits for something, but no longer than that.
pub(crate) async fn within<E: Environment, T>(
    environment: &E,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match first(work, environment.sleep_until(environment.now() + patience)).await {
        First::One(done) => Some(done),
        First::Other(()) => None,
    }
}

/// The next thing that comes out of a channel; `None` when nothing will.
pub(crate) async fn next<S: Stream + Unpin>(channel: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *channel).poll_next(context)).await
}
