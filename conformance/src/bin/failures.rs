//! Plays the scripted failures on the model and on real servers, and prints a table of what was seen.

use clap::Parser;
use std::process::ExitCode;
use zeromaster_conformance::failures::{Outcome, scripts::SCRIPTS};
use zeromaster_conformance::real::Distribution;

/// Plays scripted failures of an ensemble of three servers, on the model and on real ones, and prints a table.
///
/// Exit codes: 0 the two agree, 1 they do not, 2 usage, 77 there is no real ZooKeeper here.
#[derive(Parser)]
struct Arguments {
    /// The scripts to play; all when none is named.
    scripts: Vec<String>,
    /// How often each is played on real servers.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// How many seeds of the model.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let distribution = match Distribution::from_environment() {
        Ok(distribution) => distribution,
        Err(absent) => {
            eprintln!("skipped: {absent}");
            return ExitCode::from(77);
        }
    };
    let chosen = SCRIPTS.iter().filter(|script| {
        arguments.scripts.is_empty() || arguments.scripts.iter().any(|name| name == script.name)
    });
    let mut agrees = true;
    for script in chosen {
        eprintln!("{} …", script.name);
        let mut outcome = Outcome::of_model(script, arguments.seeds);
        for _ in 0..arguments.runs {
            if let Err(error) = outcome.play_on_real(script, &distribution) {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        }
        println!("### {}\n\n{}\n", script.name, script.about);
        if !outcome.timings.is_empty() {
            println!(
                "| what takes the time | model, {} seeds | real, {} runs |",
                arguments.seeds, arguments.runs
            );
            println!("|---|---|---|");
            outcome.timings.iter().for_each(|timing| println!("{timing}"));
            println!();
        }
        for what in &outcome.broken {
            println!("**broken**, {what}\n");
        }
        for timing in outcome.disagreements() {
            println!("**outside the model's range**: {}\n", timing.what);
        }
        agrees &= outcome.broken.is_empty() && outcome.disagreements().next().is_none();
    }
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
