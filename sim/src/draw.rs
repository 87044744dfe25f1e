//! Draws a scenario from a seed.
use crate::scenario::Scenario;
/// Draws the scenario of `seed`.
#[must_use]
pub fn draw(seed: u64) -> Scenario {
    Scenario::of(3).seed(seed).about("drawn").build().unwrap_or_else(|error| unreachable!("{error}"))
}
