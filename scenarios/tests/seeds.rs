//! Every scenario holds what it promises, and every state that it expects, for the first 200 seeds.

use std::collections::BTreeSet;
use zeromaster_scenarios::all;
use zeromaster_sim::report::report;
use zeromaster_sim::run::run_with;
use zeromaster_sim::{Options, Verdict};

const SEEDS: u64 = 200;

/// One test for each theme, so that they run beside each other.
macro_rules! themes {
    ($($test:ident: $theme:literal;)+) => {
        const THEMES: &[&str] = &[$($theme),+];
        $(
            #[test]
            fn $test() {
                check($theme);
            }
        )+
    };
}

themes! {
    start_up_holds_for_every_seed: "start-up";
    heartbeat_holds_for_every_seed: "heartbeat";
    election_holds_for_every_seed: "election";
    partition_holds_for_every_seed: "partition";
    zookeeper_holds_for_every_seed: "zookeeper";
    churn_holds_for_every_seed: "churn";
    operator_holds_for_every_seed: "operator";
    regressions_hold_for_every_seed: "regressions";
    nifi_breaks_for_every_seed: "nifi";
}

#[track_caller]
fn check(theme: &str) {
    let mut failed = Vec::new();
    for file in all().unwrap().into_iter().filter(|file| file.theme == theme) {
        let scenario = file.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let setup = file.setup(&scenario);
        for seed in 0..SEEDS {
            let outcome = run_with(&scenario, &setup, seed, Options::default());
            if !matches!(outcome.verdict, Verdict::Passed | Verdict::Excused) {
                let replay = format!("zeromaster run scenarios/{file}.toml --seed {seed}");
                let story = report(&outcome, &scenario.expect.violates, &replay);
                failed.push(story.unwrap_or_else(|| format!("{file}, seed {seed}")));
                // One story for each scenario is enough.
                break;
            }
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn no_theme_is_left_out() {
    let themes: BTreeSet<String> = all().unwrap().into_iter().map(|file| file.theme).collect();
    let checked: BTreeSet<String> = THEMES.iter().map(ToString::to_string).collect();
    assert_eq!(themes, checked);
}
