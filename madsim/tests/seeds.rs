//! Drawn scenarios, as far as madsim can express them, under the seeds that they are drawn from.

use zeromaster_madsim::{expressible, run_with};
use zeromaster_sim::draw::draw;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Verdict};

/// The seeds, in four parts for as many threads.
const SEEDS: u64 = 240;

#[track_caller]
fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let (scenario, _) = expressible(&draw(seed));
        let setup = Setup::new(&scenario, None).unwrap();
        let outcome = run_with(&scenario, &setup, seed, Options::default()).unwrap();
        let first = outcome.first_violation();
        assert!(
            matches!(outcome.verdict, Verdict::Passed | Verdict::Excused),
            "{first:?}\n  zeromaster run --drawn --world madsim --seed {seed}"
        );
    }
}

#[test]
fn the_first_quarter_of_the_seeds_holds_what_is_promised() {
    check(0..SEEDS / 4);
}

#[test]
fn the_second_quarter_of_the_seeds_holds_what_is_promised() {
    check(SEEDS / 4..SEEDS / 2);
}

#[test]
fn the_third_quarter_of_the_seeds_holds_what_is_promised() {
    check(SEEDS / 2..SEEDS * 3 / 4);
}

#[test]
fn the_last_quarter_of_the_seeds_holds_what_is_promised() {
    check(SEEDS * 3 / 4..SEEDS);
}
