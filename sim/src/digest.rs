//! One number for a whole run: every event, when it came, and what it left behind. Two runs that differ anywhere differ in
//! it; where, the timeline tells.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A rolling hash. The same on every machine: what goes in are numbers, as bytes in one order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest(u64);

impl Digest {
    /// Takes `words` in, behind everything before.
    pub fn add(&mut self, words: [u64; 5]) {
        let mut bytes = [0; 40];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        self.0 = xxh3_64_with_seed(&bytes, self.0);
    }

    /// The number so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lists: &[[u64; 5]]) -> u64 {
        let mut digest = Digest::default();
        lists.iter().for_each(|words| digest.add(*words));
        digest.value()
    }

    #[test]
    fn it_depends_on_every_word_and_on_their_order() {
        let base = of(&[[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]);
        assert_ne!(base, of(&[[6, 7, 8, 9, 10], [1, 2, 3, 4, 5]]));
        for word in 0..5 {
            let mut changed = [1, 2, 3, 4, 5];
            changed[word] += 1 << 63;
            assert_ne!(base, of(&[changed, [6, 7, 8, 9, 10]]), "word {word}");
        }
    }

    /// What the reference implementation of XXH3 makes of these forty bytes.
    #[test]
    fn it_is_the_same_on_every_machine() {
        assert_eq!(of(&[[0, 1, 2, 3, 4]]), 0x4393_f8e7_c137_d5fb);
    }
}
