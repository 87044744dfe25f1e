//! Seeded randomness, forked by label into streams that cannot disturb each other.

use crate::plan::{DurationRange, Ratio};
use crate::time::whole_micros;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// All the randomness of one simulation: a seed, and a stream for every concern.
///
/// Who asks for the same stream twice gets the same values twice. A label belongs to one concern, which uses it
/// plain, indexed or numbered, and never in two of these ways: the plain stream is the one with indices 0 and 0, and
/// the indexed stream is the one with number 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Streams { seed }
    }

    /// The seed that all streams come from.
    #[must_use]
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The stream of the concern `label`.
    #[must_use]
    pub fn stream(self, label: &'static str) -> Stream {
        self.indexed(label, 0, 0)
    }

    /// The stream of the concern `label` for one node (`b` is then 0) or for one link.
    #[must_use]
    pub fn indexed(self, label: &'static str, a: u64, b: u64) -> Stream {
        self.numbered(label, a, b, 0)
    }

    /// A whole stream for one occurrence, here the `number`th message of a link, so that its draws do not depend on
    /// how many were made for the messages before it.
    #[must_use]
    pub fn numbered(self, label: &'static str, a: u64, b: u64, number: u64) -> Stream {
        let mut key = [0; 32];
        for (part, value) in key.chunks_exact_mut(8).zip([self.seed, fnv1a64(label), a, b]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(number);
        Stream { generator }
    }
}

/// FNV-1a of the label's bytes: equal on every target, which the standard library's hashes are not.
const fn fnv1a64(label: &str) -> u64 {
    let bytes = label.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

/// The generator makes words of 32 bits.
const WORDS_OF_A_VALUE: u128 = 2;

/// 2^(k/8) for k from 0 to 7, times 2^16.
const EIGHTHS_OF_A_DOUBLING: [u32; 8] = [65_536, 71_468, 77_936, 84_990, 92_682, 101_070, 110_218, 120_194];

/// One sequence of random draws, the same on every machine and target.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// Any `u64`, all equally likely.
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// How many values were taken, by whatever kind of draw.
    pub(crate) fn position(&self) -> u64 {
        (self.generator.get_word_pos() / WORDS_OF_A_VALUE) as u64
    }

    /// Goes on as if so many values had been taken from the start.
    pub(crate) fn go_to(&mut self, position: u64) {
        self.generator.set_word_pos(u128::from(position) * WORDS_OF_A_VALUE);
    }

    /// A value from 0 to `n - 1`, all exactly equally likely. Draws at least once, also when `n` is 1.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no value below 0 to draw");
        loop {
            // The draw is scaled from 0..2^64 to 0..n. 2^64 mod n of the draws are refused, because they would make
            // some values likelier; the division that tells which is made only where it can matter.
            let scaled = u128::from(self.next_u64()) * u128::from(n);
            let remainder = scaled as u64;
            if remainder >= n || remainder >= n.wrapping_neg() % n {
                return (scaled >> 64) as u64;
            }
        }
    }

    /// A value from `low` to `high`, both included, all exactly equally likely.
    ///
    /// # Panics
    ///
    /// When `low` is greater than `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range runs from its lesser to its greater end");
        match (high - low).checked_add(1) {
            Some(size) => low + self.below(size),
            None => self.next_u64(),
        }
    }

    /// Whether something happens that happens `ratio` of the time. Always one draw.
    ///
    /// A greater ratio says yes to every draw that a lesser one says yes to, so making a fault weaker takes some of
    /// its effects away and adds no other. The ratio is kept to within 1/2^64; none and all are exact.
    ///
    /// # Panics
    ///
    /// When the denominator is 0.
    pub fn chance(&mut self, ratio: Ratio) -> bool {
        assert!(ratio.denominator > 0, "a ratio has a denominator");
        u128::from(self.next_u64()) * u128::from(ratio.denominator) < u128::from(ratio.numerator) << 64
    }

    /// A whole number of microseconds in `range`, both ends included, all equally likely.
    ///
    /// # Panics
    ///
    /// When `range.min` is greater than `range.max`.
    pub fn duration(&mut self, range: DurationRange) -> Duration {
        Duration::from_micros(self.between(whole_micros(range.min), whole_micros(range.max)))
    }

    /// A value from `min` to `max`, both included, small ones mostly: half of them are less than twice `min`, and
    /// each doubling after that is half as likely as the one before. The last one takes what is left.
    ///
    /// # Panics
    ///
    /// When `min` is 0, which has no double, or greater than `max`.
    pub fn heavy_tail(&mut self, min: u64, max: u64) -> u64 {
        assert!(min > 0, "zero cannot be doubled");
        assert!(min <= max, "a range runs from its lesser to its greater end");
        let doublings = (max / min).ilog2().min(self.next_u64().trailing_zeros());
        let low = min << doublings;
        self.between(low, max.min(low.saturating_add(low - 1)))
    }

    /// A value from `min` to `max`, both included, of which each order of magnitude is equally likely: as often between 1 and
    /// 10 as between 10 and 100. The range is cut into steps of an eighth of a doubling; the step is drawn first, then a
    /// value in it, so that no floating point is needed.
    ///
    /// # Panics
    ///
    /// When `min` is 0, of which there are no multiples, or greater than `max`.
    pub fn log_uniform(&mut self, min: u64, max: u64) -> u64 {
        assert!(min > 0, "zero has no multiples");
        assert!(min <= max, "a range runs from its lesser to its greater end");
        // Where a step begins, in the range that `max` belongs to. It stays below 2^64 * 2.
        let edge = |step: u32| {
            let eighth = u128::from(EIGHTHS_OF_A_DOUBLING[(step % 8) as usize]);
            ((u128::from(min) << (step / 8)) * eighth) >> 16
        };
        let doublings = (max / min).ilog2();
        let steps = (doublings * 8 + 1..=doublings * 8 + 8).find(|step| edge(*step) > u128::from(max));
        let step = self.below(u64::from(steps.unwrap_or(doublings * 8 + 8))) as u32;
        let low = edge(step) as u64;
        let high = u64::try_from(edge(step + 1) - 1).unwrap_or(u64::MAX);
        self.between(low, high.clamp(low, max))
    }

    /// One of `items`, all equally likely.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "one of no items cannot be picked");
        &items[self.below(items.len() as u64) as usize]
    }

    /// Puts `items` into an order of which all are equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAMS: Streams = Streams::new(42);

    fn first<const N: usize>(mut stream: Stream) -> [u64; N] {
        [(); N].map(|()| stream.next_u64())
    }

    fn ratio(numerator: u32, denominator: u32) -> Ratio {
        Ratio { numerator, denominator }
    }

    /// How often `draw` returns each of the values below `N`, in `draws` draws.
    fn counts<const N: usize>(draws: u64, mut draw: impl FnMut(&mut Stream) -> u64) -> [u64; N] {
        let mut stream = STREAMS.stream("counts");
        let mut counts = [0; N];
        (0..draws).for_each(|_| counts[draw(&mut stream) as usize] += 1);
        counts
    }

    #[track_caller]
    fn check_evenly_spread(counts: &[u64]) {
        let mean = counts.iter().sum::<u64>() / counts.len() as u64;
        let even = counts.iter().all(|count| count.abs_diff(mean) * 20 < mean);
        assert!(even, "expected each within 5% of {mean}: {counts:?}");
    }

    /// The values are those of ChaCha with 8 rounds in another implementation, so a changed library is noticed.
    #[test]
    fn the_values_of_a_seed_are_known() {
        assert_eq!(first(STREAMS.stream("latency")), KNOWN_PLAIN);
        assert_eq!(first(STREAMS.indexed("latency", 1, 2)), KNOWN_INDEXED);
        assert_eq!(first(STREAMS.numbered("latency", 1, 2, 3)), KNOWN_NUMBERED);
    }

    /// Changing how a draw is made from the values would silently change the meaning of every printed seed.
    #[test]
    fn the_draws_of_a_seed_are_known() {
        let mut stream = STREAMS.stream("draws");
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
        stream.shuffle(&mut items);
        let draws = [stream.below(1000), stream.between(1000, 1999), stream.heavy_tail(1, 1000)];
        let range = DurationRange { min: Duration::from_millis(1), max: Duration::from_millis(5) };
        let tosses = [(); 8].map(|()| stream.chance(ratio(1, 3)) as u8);
        assert_eq!((items, draws, stream.duration(range).as_micros(), tosses), KNOWN_DRAWS);
    }

    #[test]
    fn labels_hash_as_fnv_1a() {
        assert_eq!(fnv1a64(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a64("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn seed_label_indices_and_number_each_make_another_stream() {
        let mut values = [
            STREAMS.stream("latency"),
            Streams::new(43).stream("latency"),
            STREAMS.stream("loss"),
            STREAMS.indexed("latency", 1, 2),
            STREAMS.indexed("latency", 2, 1),
            STREAMS.numbered("latency", 1, 2, 3),
        ]
        .map(first::<1>)
        .to_vec();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 6);
    }

    #[test]
    fn draws_in_one_stream_move_nothing_in_another() {
        let (mut one, mut other) = (STREAMS.indexed("latency", 1, 2), STREAMS.indexed("latency", 2, 1));
        let undisturbed: [u64; 100] = first(other.clone());
        let disturbed = [(); 100].map(|()| {
            one.next_u64();
            other.next_u64()
        });
        assert_eq!(disturbed, undisturbed);
    }

    #[test]
    fn a_clone_goes_on_from_where_it_was_made() {
        let mut stream = STREAMS.stream("latency");
        let _: [u64; 37] = [(); 37].map(|()| stream.next_u64());
        assert_eq!(first::<64>(stream.clone()), first::<64>(stream));
    }

    #[test]
    fn a_stream_goes_on_from_where_it_is_told_to() {
        let values: [u64; 40] = first(STREAMS.stream("latency"));
        for position in 0..40 {
            let mut stream = STREAMS.stream("latency");
            stream.go_to(position);
            let rest = [(); 40].map(|()| stream.next_u64());
            assert_eq!(values[position as usize..], rest[..40 - position as usize]);
            assert_eq!(stream.position(), position + 40);
        }
    }

    #[test]
    fn every_value_below_n_is_equally_likely() {
        check_evenly_spread(&counts::<1>(10_000, |stream| stream.below(1)));
        check_evenly_spread(&counts::<3>(30_000, |stream| stream.below(3)));
        check_evenly_spread(&counts::<10>(100_000, |stream| stream.below(10)));
    }

    /// Without refusing draws the multiples of 3 would come up twice as often as the others.
    #[test]
    fn ranges_that_do_not_divide_two_to_the_64_are_unbiased_too() {
        check_evenly_spread(&counts::<3>(60_000, |stream| stream.below(3 << 62) % 3));
    }

    #[test]
    fn both_ends_of_a_range_come_up() {
        check_evenly_spread(&counts::<3>(30_000, |stream| stream.between(5, 7) - 5));
        let end = u64::MAX;
        check_evenly_spread(&counts::<2>(20_000, |stream| end - stream.between(end - 1, end)));
        check_evenly_spread(&counts::<4>(40_000, |stream| stream.between(0, end) >> 62));
    }

    #[test]
    fn a_duration_is_in_whole_microseconds_and_reaches_both_ends() {
        let range = DurationRange { min: Duration::from_micros(3), max: Duration::from_nanos(5_999) };
        check_evenly_spread(&counts::<3>(30_000, |stream| {
            let drawn = stream.duration(range);
            assert_eq!(drawn.subsec_nanos() % 1000, 0);
            drawn.as_micros() as u64 - 3
        }));
    }

    #[test]
    fn never_and_always_are_certain() {
        let yes = |numerator, denominator| {
            counts::<2>(10_000, |stream| stream.chance(ratio(numerator, denominator)).into())[1]
        };
        assert_eq!(yes(0, 1), 0);
        assert_eq!(yes(1, 1), 10_000);
        assert_eq!(yes(u32::MAX, u32::MAX), 10_000);
        assert!(yes(1, 10).abs_diff(1_000) < 100, "a tenth of 10,000 is about 1,000, not {}", yes(1, 10));
    }

    #[test]
    fn every_toss_takes_one_draw() {
        let (mut tossed, mut drawn) = (STREAMS.stream("toss"), STREAMS.stream("toss"));
        for toss in 0..100 {
            tossed.chance(ratio(toss, 100));
            drawn.next_u64();
        }
        assert_eq!(tossed.next_u64(), drawn.next_u64());
    }

    #[test]
    fn each_doubling_is_half_as_likely_as_the_one_before() {
        let bands: [u64; 4] = counts(160_000, |stream| u64::from((stream.heavy_tail(10, 150) / 10).ilog2()));
        for (count, expected) in bands.into_iter().zip([80_000, 40_000, 20_000, 20_000]) {
            assert!(u64::abs_diff(count, expected) * 20 < expected, "{bands:?}");
        }
        assert_eq!(counts::<8>(100, |stream| stream.heavy_tail(7, 7))[7], 100);
        assert_eq!(counts::<1>(100, |stream| u64::MAX - stream.heavy_tail(u64::MAX, u64::MAX))[0], 100);
    }

    #[test]
    fn each_order_of_magnitude_is_equally_likely() {
        check_evenly_spread(&counts::<6>(120_000, |stream| {
            u64::from((stream.log_uniform(1_000, 63_999) / 1_000).ilog2())
        }));
        assert_eq!(counts::<8>(100, |stream| stream.log_uniform(7, 7))[7], 100);
        let end = u64::MAX;
        assert_eq!(counts::<1>(100, |stream| end - stream.log_uniform(end, end))[0], 100);
        assert!(
            counts::<3>(10_000, |stream| stream.log_uniform(1, 3) - 1).iter().all(|count| *count > 1_000)
        );
    }

    #[test]
    fn all_orders_and_all_picks_are_equally_likely() {
        check_evenly_spread(&counts::<6>(60_000, |stream| {
            let mut items = [0, 1, 2];
            stream.shuffle(&mut items);
            items[0] * 2 + u64::from(items[1] > items[2])
        }));
        check_evenly_spread(&counts::<3>(30_000, |stream| *stream.pick(&[2, 0, 1])));
    }

    proptest! {
        #[test]
        fn draws_keep_to_their_range(seed: u64, a in 1_u64.., b in 1_u64..) {
            let (low, high) = (a.min(b), a.max(b));
            let mut stream = Streams::new(seed).stream("range");
            prop_assert!(stream.below(low) < low);
            prop_assert!((low..=high).contains(&stream.between(low, high)));
            prop_assert!((low..=high).contains(&stream.heavy_tail(low, high)));
            prop_assert!((low..=high).contains(&stream.log_uniform(low, high)));
        }

        #[test]
        fn a_greater_ratio_says_yes_to_all_that_a_lesser_one_does(
            seed: u64, denominator in 1_u32.., a: u32, b: u32,
        ) {
            let stream = Streams::new(seed).stream("toss");
            let says_yes = |numerator| stream.clone().chance(ratio(numerator, denominator));
            prop_assert!(!says_yes(a.min(b)) || says_yes(a.max(b)));
        }
    }

    const KNOWN_PLAIN: [u64; 4] =
        [0xbe18_71d5_687d_9a6a, 0xd459_7570_3842_f449, 0x2327_68bf_9114_5140, 0xce21_50fe_e381_809f];
    const KNOWN_INDEXED: [u64; 2] = [0xb5a1_e25a_e534_9cff, 0xfa70_ec86_8acd_9331];
    const KNOWN_NUMBERED: [u64; 2] = [0x832c_236f_ca7c_004a, 0xf20e_c175_aa7f_0961];
    const KNOWN_DRAWS: ([u8; 8], [u64; 3], u128, [u8; 8]) =
        ([0, 6, 7, 1, 3, 2, 4, 5], [349, 1365, 3], 4398, [0, 0, 1, 0, 0, 1, 0, 0]);
}
