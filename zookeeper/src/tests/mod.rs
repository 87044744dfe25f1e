//! Tests of the machines, alone, joined, and under random input; tests of one file's tables are in that file.

mod any_input;
mod any_schedule;
mod client;
mod client_any_input;
mod elections;
mod ensemble;
mod joined;
mod requests;
mod server;
mod set_watches;
mod shared_sessions;

use crate::{ANY_VERSION, Create, CreateMode, Operation};
use alloc::sync::Arc;
use core::time::Duration;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn create(path: &str, mode: CreateMode) -> Operation {
    Operation::Create(Create::open(path.into(), Arc::from([]), mode).into())
}

fn delete(path: &str) -> Operation {
    Operation::Delete { path: path.into(), version: ANY_VERSION }
}

fn set_data(path: &str) -> Operation {
    Operation::SetData { path: path.into(), data: Some(Arc::from(*b"new")), version: ANY_VERSION }
}

fn exists(path: &str) -> Operation {
    Operation::Exists { path: path.into(), watch: true }
}

fn get_data(path: &str) -> Operation {
    Operation::GetData { path: path.into(), watch: true }
}

fn get_children(path: &str) -> Operation {
    Operation::GetChildren { path: path.into(), watch: true }
}
