//! The command: what would this NiFi cluster do under these faults? Here are the files, the environment, standard output
//! and the threads; everything that decides is in the library.

mod args;
mod complaint;
mod exit;
mod files;
mod fuzz;
mod output;
mod panics;
mod replay;
mod run;
mod scenarios;
mod subject;
mod world;
mod zookeeper;

use args::{Arguments, Command};
use clap::Parser;
use complaint::Complaint;
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Command::Scenarios(arguments) => scenarios::list(&arguments.directory),
        Command::Schema => schema(),
        Command::Zookeeper(arguments) => zookeeper::serve(&arguments),
    };
    done.unwrap_or_else(|complaint| {
        eprintln!("{complaint}");
        Exit::Usage
    })
    .into()
}

fn schema() -> Result<Exit, Complaint> {
    output::print(&format!("{:#}\n", zeromaster_sim::scenario::schema()))?;
    Ok(Exit::Passed)
}
