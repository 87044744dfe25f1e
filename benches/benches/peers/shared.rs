//! What the workloads in tasks share: the outcome that all tasks write to; and for madsim a runtime whose network has our
//! latencies, and the addresses in it.

#[cfg(not(madsim))]
compile_error!(
    "madsim needs --cfg madsim, which .cargo/config.toml sets and a RUSTFLAGS variable hides: unset it, or add the flag"
);

use crate::workload::{LATENCY, Outcome, Workload};
use madsim::runtime::{NodeHandle, Runtime};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub const COORDINATOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 11_443);

/// What all tasks of one run write to.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Outcome>>);

impl Shared {
    pub fn new(workload: Workload) -> Shared {
        Shared(Arc::new(Mutex::new(Outcome::new(workload))))
    }

    pub fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn outcome(&self) -> Outcome {
        self.lock().clone()
    }
}

pub fn runtime() -> Runtime {
    let mut config = madsim::Config::default();
    config.net.send_latency = LATENCY[0]..LATENCY[1];
    Runtime::with_seed_and_config(1, config)
}

pub fn coordinator(runtime: &Runtime) -> NodeHandle {
    runtime.create_node().name("coordinator").ip(COORDINATOR.ip()).build()
}

pub fn node(runtime: &Runtime, node: u32) -> NodeHandle {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + node);
    runtime.create_node().name(format!("n{node}")).ip(address.into()).build()
}

/// Microseconds of the simulation.
pub fn now() -> u64 {
    madsim::time::TimeHandle::current().elapsed().as_micros() as u64
}
