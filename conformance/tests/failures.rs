//! What a real ensemble does under failures is what the model allows, and takes the time that the model says. The model's
//! half needs no real servers; without them the other is ignored.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use zeromaster_conformance::failures::{Outcome, scripts::SCRIPTS, scripts::Script};
use zeromaster_conformance::needed::with_original;
use zeromaster_conformance::real::Distribution;

const SEEDS: u64 = 100;

/// A machine that is busy with something else can spoil one measurement; it does not spoil three.
const ATTEMPTS: u32 = 3;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One at a time: what takes longer beside another would be measured.
    arguments.test_threads.get_or_insert(1);
    let on_model = |script: &'static Script| {
        Trial::test(format!("on_model::{}", script.name), move || model(script).map(drop))
    };
    let on_real = |script: &'static Script| {
        with_original(format!("on_real::{}", script.name), move |distribution| {
            compare(script, distribution).map(|()| Completion::Completed)
        })
    };
    let trials = SCRIPTS.iter().map(on_model).chain(SCRIPTS.iter().map(on_real)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What the model does, which keeps what it promises.
fn model(script: &Script) -> Result<Outcome, Failed> {
    let outcome = Outcome::of_model(script, SEEDS);
    if outcome.broken.is_empty() { Ok(outcome) } else { Err(outcome.broken.join("\n").into()) }
}

fn compare(script: &Script, distribution: &Distribution) -> Result<(), Failed> {
    let model = model(script)?;
    let mut disagreements = String::new();
    for _ in 0..ATTEMPTS {
        let mut outcome = model.clone();
        outcome.play_on_real(script, distribution)?;
        if !outcome.broken.is_empty() {
            return Err(outcome.broken.join("\n").into());
        }
        let outside: Vec<String> = outcome.disagreements().map(ToString::to_string).collect();
        if outside.is_empty() {
            return Ok(());
        }
        disagreements = outside.join("\n");
    }
    Err(format!("outside the model's range (what, model, real):\n{disagreements}").into())
}
