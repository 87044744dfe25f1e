//! Plants one flaw after the other in a copy of the node, and looks for what is to find it. Each line of the input names a
//! flaw, the property that must be violated, and where: `seeds A B`, for drawn scenarios, or `scenario PATH`. Built and
//! started by `tests/flaws.rs` beside this folder.

use std::io::{self, BufRead as _};
use std::panic;
use std::process::ExitCode;
use zeromaster_core::flaws;
use zeromaster_sim::draw::draw;
use zeromaster_sim::scenario::{Known, Scenario};
use zeromaster_sim::{Options, run};


/// How many seeds of a scenario file are tried.
const SEEDS_OF_A_SCENARIO: u64 = 20;

fn main() -> ExitCode {
    // A flaw may make the node panic; that is no finding, and not worth a page each.
    panic::set_hook(Box::new(|_| {}));
    let mut all_found = true;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [flaw, property, source @ ..] = words.as_slice() else { panic!("{line:?} names no flaw") };
        let found = search(flaw, property, source);
        println!("{flaw}: {}", found.as_deref().unwrap_or_else(|missed| missed));
        all_found &= found.is_ok();
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the flaw was found; an error that says what speaks against it.
fn search(flaw: &str, property: &str, source: &[&str]) -> Result<String, String> {
    let (scenario, seeds) = match source {
        ["seeds", first, end] => {
            let number = |word: &str| word.parse::<u64>().map_err(|error| format!("{word}: {error}"));
            (None, number(first)?..number(end)?)
        }
        ["scenario", path] => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            let scenario = Scenario::parse(&text, &Known::ALL).map_err(|error| format!("{path}: {error}"))?;
            (Some(scenario), 0..SEEDS_OF_A_SCENARIO)
        }
        other => return Err(format!("{other:?}: expected seeds or a scenario")),
    };
    let of_seed = |seed| scenario.clone().unwrap_or_else(|| draw(seed));
    flaws::plant(flaw);
    let found = seeds.clone().find(|seed| violates(of_seed(*seed), *seed, property));
    flaws::plant("");
    match found {
        None => Err(format!("MISSED by {property} in seeds {seeds:?}")),
        Some(seed) if violates(of_seed(seed), seed, property) => {
            Err(format!("{property} is violated without it, too, in seed {seed}"))
        }
        Some(seed) => Ok(format!("found by {property} in seed {seed}")),
    }
}

/// Whether the run violates the property; other violations do not end it.
fn violates(mut scenario: Scenario, seed: u64, property: &str) -> bool {
    scenario.expect.always = None;
    scenario.expect.eventually = None;
    scenario.expect.states.clear();
    scenario.expect.violates = [property.to_owned()].into();
    let outcome = panic::catch_unwind(|| run(&scenario, None, seed, Options::default()));
    let Ok(outcome) = outcome else { return false };
    let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    outcome.violations.iter().any(|found| found.property == property && found.excuse.is_none())
}
