//! Holds ZooKeeper servers against each other over TCP, as black boxes: real ones and the model's. Nothing here but
//! `failures::model` uses the model's code, so that no mistake is shared.

pub mod answer;
pub mod comparison;
pub mod endpoint;
pub mod failures;
pub mod generate;
pub mod jute;
pub mod memory;
pub mod needed;
pub mod operation;
pub mod process;
pub mod random;
pub mod raw;
pub mod real;
pub mod run;
pub mod shrink;
pub mod side;
pub mod step;
pub mod unspecified;
pub mod versions;
pub mod view;
