//! The command: what would this NiFi cluster do under these faults? Here are the files, the environment, standard output
//! and the threads; everything that decides is in the library.

mod args;
mod complaint;
mod escape;
mod exit;
mod files;
mod fuzz;
mod output;
mod panics;
mod replay;
mod run;
mod scenarios;
mod screen;
mod subject;
mod usage;
mod waiting;
mod world;
mod zookeeper;

use args::{Arguments, Command};
use complaint::Complaint;
use exit::Exit;
use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::listen();
    let exit = match panics::catch(command) {
        Ok(Ok(exit)) => exit,
        Ok(Err(complaint)) => {
            complaint.say();
            Exit::Usage
        }
        Err(words) => {
            output::error(panics::in_words(&words));
            Exit::Bug
        }
    };
    exit.into()
}

fn command() -> Result<Exit, Complaint> {
    match usage::parse::<Arguments>(args_os().collect()) {
        Err(unusable) => unusable.explain(),
        Ok(arguments) => match arguments.command {
            Command::Run(arguments) => run::run(&arguments),
            Command::Fuzz(arguments) => fuzz::fuzz(&arguments),
            Command::Scenarios(arguments) => scenarios::list(&arguments.directory),
            Command::Schema => schema(),
            Command::Zookeeper(arguments) => zookeeper::serve(&arguments),
        },
    }
}

fn schema() -> Result<Exit, Complaint> {
    output::print(&format!("{:#}\n", zeromaster_sim::scenario::schema()))?;
    Ok(Exit::Passed)
}
