//! `zeromaster scenarios`: the scenario files in a folder, and what each is about.

use crate::complaint::Complaint;
use crate::escape;
use crate::exit::Exit;
use crate::files::{read_scenario, unreadable};
use crate::output::print;
use std::path::{Path, PathBuf};

/// Prints a line for each scenario file in `directory` and the folders in it, by path. A file that is none is talked
/// about on standard error.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(directory: &Path) -> Result<Exit, Complaint> {
    let mut paths = Vec::new();
    collect(directory, &mut paths)?;
    paths.sort();
    let mut exit = Exit::Passed;
    let mut rows = Vec::new();
    let line = |text: &str| escape::line(text).into_owned();
    for path in paths {
        match read_scenario(&path) {
            Ok((_, scenario)) => rows.push((line(&path.display().to_string()), line(&scenario.about))),
            Err(complaint) => {
                complaint.say();
                exit = Exit::Usage;
            }
        }
    }
    let width = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    let lines = rows.iter().map(|(path, about)| format!("{path:width$}  {about}\n"));
    print(&lines.collect::<String>())?;
    Ok(exit)
}

/// The names of all files in TOML below `directory`, but for Cargo's own, in no order.
fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Complaint> {
    let complain = |error| unreadable(directory, &error);
    for entry in std::fs::read_dir(directory).map_err(complain)? {
        let entry = entry.map_err(complain)?;
        let path = entry.path();
        if entry.file_type().map_err(complain)?.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|end| end == "toml") && entry.file_name() != "Cargo.toml" {
            paths.push(path);
        }
    }
    Ok(())
}
