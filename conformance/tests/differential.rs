//! The model's server answers as the original does, in a hundred thousand random steps, most of them with several
//! requests. It has a `main` of its own, so that what it skips is seen: without the original or without the model's
//! server it says so, and how to have them.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use zeromaster_conformance::endpoint::Endpoint;
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

/// Why there is nothing to compare, or the two servers.
enum Subjects {
    Skipped(String),
    Found([Endpoint; 2]),
}

fn main() -> ExitCode {
    // Runners of tests ask what there is before they run it.
    if env::args().any(|argument| argument == "--list") {
        println!("differential: test");
        return ExitCode::SUCCESS;
    }
    match subjects() {
        Ok(Subjects::Skipped(reason)) => {
            eprintln!("\nSKIPPED: the model was not compared with the original: {reason}\n");
            ExitCode::SUCCESS
        }
        Ok(Subjects::Found(endpoints)) => compare(&endpoints).unwrap_or_else(|error| failure(error.as_ref())),
        Err(error) => failure(error.as_ref()),
    }
}

fn failure(error: &dyn Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn compare(endpoints: &[Endpoint; 2]) -> Result<ExitCode, Box<dyn Error>> {
    // A server that runs already is fresh for one seed only.
    let fresh = endpoints.iter().all(Endpoint::is_fresh);
    let seeds = if fresh { number(SEEDS_VARIABLE, SEEDS)? } else { 1 };
    let steps = usize::try_from(number(STEPS_VARIABLE, STEPS)?)?;
    for seed in 1..=seeds {
        let plan = Plan { endpoints: endpoints.clone(), seed, steps, only: None, across_versions: false };
        if let Verdict::Different(difference) = run(&plan, &mut |_, _| ())? {
            eprintln!("{difference}");
            return Ok(ExitCode::FAILURE);
        }
    }
    eprintln!("differential: the same in {seeds} runs of {steps} steps");
    Ok(ExitCode::SUCCESS)
}

fn subjects() -> Result<Subjects, Box<dyn Error>> {
    let distribution = match Distribution::from_environment() {
        Ok(distribution) => distribution,
        Err(absent) => return Ok(Subjects::Skipped(absent.to_string())),
    };
    let original = match env::var_os(JARS_VARIABLE) {
        Some(directory) => Endpoint::Jars(PathBuf::from(directory)),
        None => Endpoint::Real,
    };
    if let Ok(other) = env::var(SERVER_VARIABLE) {
        return Ok(Subjects::Found([original, other.parse()?]));
    }
    let Some(binary) = beside_this_test() else {
        let reason = format!(
            "there is no `zeromaster` beside this test; `cargo build -p zeromaster` makes it (with --release if this test \
             is run so), or name a server in {SERVER_VARIABLE}, like 127.0.0.1:2181"
        );
        return Ok(Subjects::Skipped(reason));
    };
    // The model has a profile for each version of the original: they must be of the same.
    let running = Ensemble::standalone(&distribution, &Config::default())?;
    let version = running.servers()[0].version().ok_or("the original does not say its version")?;
    // Set up as the original is: containers stay until the comparison is over, as their end is a matter of time.
    let line = format!(
        "'{}' zookeeper --listen 127.0.0.1:{{port}} --release {version} --extended-types --container-check 24h",
        binary.display()
    );
    Ok(Subjects::Found([original, Endpoint::Command(line)]))
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
