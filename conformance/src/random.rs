//! Draws from a seed: the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One sequence of draws.
#[derive(Clone, Debug)]
pub struct Draw {
    generator: ChaCha8Rng,
}

impl Draw {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Draw {
        Draw { generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A value from 0 to `n - 1`. The tiny preference for small values does not matter here.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let scaled = u128::from(self.generator.next_u64()) * (n as u128);
        assert!(n > 0, "there is no value below 0 to draw");
        usize::try_from(scaled >> 64).expect("the upper half is less than n")
    }

    /// Whether something happens that happens in `percent` of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the values, all equally likely.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// One of the values, each as likely as its weight says.
    ///
    /// # Panics
    ///
    /// If the weights add up to 0.
    pub fn weighted<T: Copy>(&mut self, values: &[(usize, T)]) -> T {
        let total = values.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, value) in values {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }
}
