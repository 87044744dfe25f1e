//! The command that holds two ZooKeeper servers against each other, step by step, and says where they first differ.

use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;
use zeromaster_conformance::comparison::Outcome;
use zeromaster_conformance::endpoint::Endpoint;
use zeromaster_conformance::run::{Difference, Plan, Verdict, run};
use zeromaster_conformance::shrink::shrink;
use zeromaster_conformance::unspecified::Unspecified;
use zeromaster_conformance::versions::VersionDifference;

/// Do two ZooKeeper servers answer the same?
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do random steps to both, in lock-step, and compare every answer.
    Diff(Diff),
    /// What is not compared, and why.
    Unspecified,
    /// In what 3.8.0 and 3.9.5 differ.
    Versions,
}

#[derive(Debug, Args)]
struct Diff {
    /// One server: real, real:DIRECTORY-OF-JARS, command:LINE-WITH-{port}, or ADDRESS:PORT.
    #[arg(long, default_value = "real")]
    left: Endpoint,
    /// The other server.
    #[arg(long)]
    right: Endpoint,
    /// Seeds, from the first to before the last: 1..11 are ten. Each has fresh servers.
    #[arg(long, default_value = "1..11", value_parser = range)]
    seeds: Range<u64>,
    /// Steps for each seed.
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Only these steps of the seed, counted from 1.
    #[arg(long, value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// Make the first difference's run shorter, for at most five minutes.
    #[arg(long)]
    shrink: bool,
    /// Leave out what 3.8.0 and 3.9.5 are known to differ in.
    #[arg(long)]
    across_versions: bool,
    /// Print every step and what the left server did.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Diff(arguments) => diff(&arguments),
        Command::Unspecified => {
            for unspecified in Unspecified::ALL {
                println!("{unspecified:?}: {}", unspecified.reason());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Versions => {
            for difference in VersionDifference::ALL {
                let [older, newer] = difference.texts();
                println!("{difference:?}\n    3.8.0: {older}\n    3.9.5: {newer}");
            }
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn diff(arguments: &Diff) -> Result<ExitCode, Box<dyn Error>> {
    let endpoints = [arguments.left.clone(), arguments.right.clone()];
    let seeds = arguments.seeds.end - arguments.seeds.start;
    if seeds > 1 && !endpoints.iter().all(Endpoint::is_fresh) {
        return Err(
            "a server that runs already is fresh for one seed only; give one, like --seeds 1..2".into()
        );
    }
    for seed in arguments.seeds.clone() {
        let plan = Plan {
            endpoints: endpoints.clone(),
            seed,
            steps: arguments.steps,
            only: arguments.only.clone(),
            across_versions: arguments.across_versions,
        };
        let started = Instant::now();
        let mut witness = |label: &str, outcome: &Outcome| {
            if arguments.verbose {
                println!("{label}: {}", outcome.step);
                outcome.transcripts[0].iter().for_each(|(slot, line)| println!("    {slot:?}: {line}"));
            }
        };
        match run(&plan, &mut witness)? {
            Verdict::Same(steps) => {
                println!("seed {seed}: the same in {steps} steps ({:.1} s)", started.elapsed().as_secs_f32());
            }
            Verdict::Different(difference) => {
                println!("{}", report(*difference, arguments.shrink)?);
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(difference: Difference, shorter: bool) -> Result<Difference, Box<dyn Error>> {
    if !shorter {
        return Ok(difference);
    }
    eprintln!("seed {}: the servers differ; making it shorter", difference.plan.seed);
    Ok(shrink(difference, &mut |steps| eprintln!("still different with {steps} steps"))?)
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let expected = || format!("`{text}` is no range of seeds; expected two numbers like 1..11");
    let (start, end) = text.split_once("..").ok_or_else(expected)?;
    let range = start.parse().map_err(|_| expected())?..end.parse().map_err(|_| expected())?;
    if range.is_empty() { Err(format!("there is no seed in `{text}`")) } else { Ok(range) }
}
