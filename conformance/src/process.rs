//! A server's process in a directory of its own, of which nothing survives: neither when it is dropped, nor when the
//! process that started it is killed.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory below the system's place for temporary files, removed when this is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    guard: Child,
}

impl Directory {
    /// A new, empty directory.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn create() -> io::Result<Directory> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("zeromaster-conformance-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A killed process with the same id may have left one behind.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => fs::create_dir_all(&path)?,
        }
        // Whoever writes there is killed by a guard of its own at the same time.
        let guard = guard("sleep 1; rm -rf -- \"$1\"", path.as_os_str())?;
        Ok(Directory { path, guard })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        // Whoever cannot remove a temporary directory leaves it to the system.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A running process, its process group, and a guard that ends the group if we end without doing so.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
}

impl Process {
    /// Starts the command in a process group of its own; what it prints goes to the end of the file `output`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command, output: &Path) -> io::Result<Process> {
        let log = File::options().create(true).append(true).open(output)?;
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?;
        let group = child.id().to_string();
        let guard = guard("kill -KILL -\"$1\"", OsStr::new(&group)).inspect_err(|_| kill_group(&child))?;
        Ok(Process { child, guard })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The process' id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it where it stands (SIGSTOP), and waits until it does; its connections stay open and silent.
    pub fn pause(&self) {
        signal(&self.child, Signal::STOP);
        // The signal only asks for it: a thread on another processor goes on for a moment.
        let stands = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(WaitId::Pid(pid(&self.child)), stands);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        signal(&self.child, Signal::CONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard goes first: once the child is reaped, its id may belong to somebody else.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        kill_group(&self.child);
        let _ = self.child.wait();
    }
}

/// A shell that waits for the end of a pipe which only we hold open, and then does `what` with `argument`.
fn guard(what: &str, argument: &OsStr) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", &format!("read -r _; {what}"), "guard"])
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn signal(child: &Child, signal: Signal) {
    // It may have ended by itself, which is for the caller to notice.
    let _ = kill_process(pid(child), signal);
}

fn kill_group(child: &Child) {
    let _ = kill_process_group(pid(child), Signal::KILL);
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}
