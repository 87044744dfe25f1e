//! A whole cluster under madsim: every node, every ZooKeeper server and the people are machines of its simulated network,
//! and the nodes run the shell that production runs. Scenarios, properties and timeline are those of `zeromaster-sim`.
//!
//! madsim is not what drives the nodes' time and chance in `zeromaster-sim`; it is an executor that knows nothing of this
//! project. What both worlds find is found twice, and what only this one finds is in the shell.
//!
//! | file | concern |
//! |---|---|
//! | `run` | one run: the machines, the phases, the plan |
//! | `unsupported` | what madsim cannot express, by name |
//! | `shared` | what all machines share: the witness, the cuts, what is on its way to start |
//! | `environment` | the shell's environment: madsim's clock and sockets, the witness's disk |
//! | `node` | one node's process, and what the witness is told of it |
//! | `shell` | what must hold of the shell itself |
//! | `server` | one ZooKeeper server's process |
//! | `tcp` | madsim's connections, as far as they differ from TCP's |
//! | `timer` | a wait that is kept |

#[cfg(not(madsim))]
compile_error!(
    "this crate needs --cfg madsim, which .cargo/config.toml sets; a RUSTFLAGS or RUSTDOCFLAGS variable hides that: unset it, or add --cfg madsim to it"
);

#[cfg(madsim)]
mod environment;
#[cfg(madsim)]
mod node;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod server;
#[cfg(madsim)]
mod shared;
#[cfg(madsim)]
mod shell;
#[cfg(madsim)]
mod tcp;
#[cfg(madsim)]
mod timer;
mod unsupported;

#[cfg(all(madsim, feature = "flaws"))]
pub use run::run_flawed;
#[cfg(madsim)]
pub use run::{PATIENCE, RunError, run, run_with};
#[cfg(madsim)]
pub use shell::SHELL;
pub use unsupported::{Unsupported, expressible, unsupported};
#[cfg(feature = "flaws")]
pub use zeromaster_runtime::Flaw;
