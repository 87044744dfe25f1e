//! The exit codes.

use std::process::ExitCode;
use zeromaster_sim::Verdict;

/// How the command ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Everything that was promised held.
    Passed,
    /// A liveness property was violated.
    NotConverged,
    /// A safety property was violated.
    Violated,
    /// The command cannot do what it was asked: an argument or a file is wrong.
    Usage,
    /// A signal ended the campaign before all of it was run.
    Interrupted,
    /// A bug of this program.
    Bug,
}

impl Exit {
    /// The codes, for the help.
    pub const LEGEND: &str = "\
Exit codes:
    0  passed, or excused: what did not hold was not promised under these faults
    1  a safety property was violated
    2  an argument or a file is wrong, or standard output cannot be written
    3  a liveness property was violated: the cluster did not find itself again in time
  101  a bug of this program
  130  fuzz was ended by SIGINT (Ctrl-C), SIGTERM or SIGHUP before all seeds were run";

    /// The codes of a command that serves until it is ended.
    pub const SERVER_LEGEND: &str = "\
Exit codes:
    0  ended by SIGINT or SIGTERM
    2  an argument is wrong, an address is taken, or standard output cannot be written
  101  a bug of this program";

    /// How a command ends after one run.
    pub fn of(verdict: &Verdict) -> Exit {
        match verdict {
            Verdict::Passed | Verdict::Excused => Exit::Passed,
            Verdict::Violated => Exit::Violated,
            Verdict::NotConverged => Exit::NotConverged,
        }
    }

    /// The code, as a parent process sees it.
    pub fn code(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::Violated => 1,
            Exit::Usage => 2,
            Exit::NotConverged => 3,
            Exit::Bug => 101,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
