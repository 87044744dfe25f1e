//! One node, seen from outside: what goes in, what comes out, and what it believes.

mod announcements;
mod connection;
mod convergence;
mod elected_flow;
mod harness;
mod joining;
mod leading;
mod monitor;
mod nifi;
mod office;
mod reachable;
mod reading;
mod strategies;
mod zookeeper;
