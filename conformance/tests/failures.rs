//! What a real ensemble does under failures is what the model allows, and takes the time that the model says.

use std::process::ExitCode;
use zeromaster_conformance::failures::{Outcome, scripts::SCRIPTS, scripts::Script};
use zeromaster_conformance::real::Distribution;

const SEEDS: u64 = 100;

/// A machine that is busy with something else can spoil one measurement; it does not spoil three.
const ATTEMPTS: u32 = 3;

fn main() -> ExitCode {
    let distribution = Distribution::from_environment();
    if let Err(absent) = &distribution {
        eprintln!("skipped, but for the model's half: {absent}");
    }
    let required = std::env::var_os("ZOOKEEPER_REQUIRED").is_some();
    let mut failed = required && distribution.is_err();
    for script in SCRIPTS {
        match check(script, distribution.as_ref().ok()) {
            Ok(()) => println!("test {} ... ok", script.name),
            Err(why) => {
                failed = true;
                println!("test {} ... FAILED\n{why}", script.name);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check(script: &Script, distribution: Option<&Distribution>) -> Result<(), String> {
    let model = Outcome::of_model(script, SEEDS);
    if !model.broken.is_empty() {
        return Err(model.broken.join("\n"));
    }
    let Some(distribution) = distribution else { return Ok(()) };
    let mut disagreements = String::new();
    for _ in 0..ATTEMPTS {
        let mut outcome = model.clone();
        outcome.play_on_real(script, distribution).map_err(|error| error.to_string())?;
        if !outcome.broken.is_empty() {
            return Err(outcome.broken.join("\n"));
        }
        let outside: Vec<String> = outcome.disagreements().map(ToString::to_string).collect();
        if outside.is_empty() {
            return Ok(());
        }
        disagreements = outside.join("\n");
    }
    Err(format!("outside the model's range (what, model, real):\n{disagreements}"))
}
