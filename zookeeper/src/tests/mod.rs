//! Tests of the two machines, alone, joined, and under random input; tests of one file's tables are in that file.

mod any_input;
mod client;
mod joined;
mod server;
mod set_watches;

use crate::types::{CreateMode, Operation};
use alloc::sync::Arc;
use core::time::Duration;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn create(path: &str, mode: CreateMode) -> Operation {
    Operation::Create { path: path.into(), data: Arc::from([]), mode }
}

fn delete(path: &str) -> Operation {
    Operation::Delete { path: path.into(), version: None }
}

fn set_data(path: &str) -> Operation {
    Operation::SetData { path: path.into(), data: Arc::from(*b"new"), version: None }
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
