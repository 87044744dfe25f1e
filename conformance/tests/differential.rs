//! The model's server answers as the original does, in a hundred thousand random steps, most of them with several
//! requests. Without the original, or without the model's server, it is ignored, and says how to have them.

use libtest_mimic::{Arguments, Completion, Failed};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use zeromaster_conformance::endpoint::Endpoint;
use zeromaster_conformance::needed::{missing, with_original};
use zeromaster_conformance::real::{Config, Distribution, Ensemble, JARS_VARIABLE};
use zeromaster_conformance::run::{Plan, Verdict, run};

/// How many seeds, each with fresh servers; this variable says otherwise.
const SEEDS_VARIABLE: &str = "ZEROMASTER_DIFFERENTIAL_SEEDS";
const SEEDS: u64 = 10;

/// How many steps a seed has; this variable says otherwise.
const STEPS_VARIABLE: &str = "ZEROMASTER_DIFFERENTIAL_STEPS";
const STEPS: u64 = 10_000;

/// Names another server to be compared with the original, as the command `diff` takes it.
const SERVER_VARIABLE: &str = "ZEROMASTER_DIFFERENTIAL_SERVER";

fn main() -> ExitCode {
    let trial = with_original("the_model_answers_as_the_original_does", |distribution| {
        match other(distribution)? {
            Some(other) => compare(&[original(), other]).map(|()| Completion::Completed),
            None => missing(format_args!(
                "there is no `zeromaster` beside this test; `cargo build -p zeromaster` makes it (with --release if this test \
             is run so), or name a server in {SERVER_VARIABLE}, like 127.0.0.1:2181"
            )),
        }
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn compare(endpoints: &[Endpoint; 2]) -> Result<(), Failed> {
    // A server that runs already is fresh for one seed only.
    let fresh = endpoints.iter().all(Endpoint::is_fresh);
    let seeds = if fresh { number(SEEDS_VARIABLE, SEEDS)? } else { 1 };
    let steps = usize::try_from(number(STEPS_VARIABLE, STEPS)?)?;
    for seed in 1..=seeds {
        let plan = Plan { endpoints: endpoints.clone(), seed, steps, only: None, across_versions: false };
        if let Verdict::Different(difference) =
            run(&plan, &mut |_, _| ()).map_err(|error| error.to_string())?
        {
            return Err(difference.into());
        }
    }
    eprintln!("differential: the same in {seeds} runs of {steps} steps");
    Ok(())
}

fn original() -> Endpoint {
    match env::var_os(JARS_VARIABLE) {
        Some(directory) => Endpoint::Jars(PathBuf::from(directory)),
        None => Endpoint::Real,
    }
}

/// The server to be compared with the original; `None` if the model's has not been built.
fn other(distribution: &Distribution) -> Result<Option<Endpoint>, Failed> {
    if let Ok(other) = env::var(SERVER_VARIABLE) {
        return Ok(Some(other.parse()?));
    }
    let Some(binary) = beside_this_test() else { return Ok(None) };
    // The model has a profile for each version of the original: they must be of the same.
    let running = Ensemble::standalone(distribution, &Config::default())?;
    let version = running.servers()[0].version().ok_or("the original does not say its version")?;
    // Set up as the original is: containers stay until the comparison is over, as their end is a matter of time.
    let line = format!(
        "'{}' zookeeper --listen 127.0.0.1:{{port}} --release {version} --extended-types --container-check 24h",
        binary.display()
    );
    Ok(Some(Endpoint::Command(line)))
}

/// The command, if it has been built into the directory that this test was built into.
fn beside_this_test() -> Option<PathBuf> {
    let this = env::current_exe().ok()?;
    let binary = this.parent()?.parent()?.join("zeromaster");
    binary.is_file().then_some(binary)
}

fn number(variable: &str, usual: u64) -> Result<u64, String> {
    match env::var(variable) {
        Err(_) => Ok(usual),
        Ok(text) => text.parse().map_err(|_| format!("{variable} is `{text}`; expected a number")),
    }
}
