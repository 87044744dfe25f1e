//! What a run takes of memory: allocations for each event once the cluster is quiet, and the most that a run holds at once.
//!
//! A run of twice the length is compared with one of the single length, so that the start does not count. As a test it says
//! that a quiet cluster allocates nothing.

use allocation_counter::{AllocationInfo, measure};
use std::hint::black_box;
use std::time::Duration;
use zeromaster_benches::quiet::Quiet;
use zeromaster_sim::Options;

fn main() {
    let tiny = std::env::args().any(|argument| argument == "--test");
    // Long enough for the logs of the ZooKeeper servers to be full when the second half begins.
    let sizes: &[(u32, u64)] =
        if tiny { &[(3, 600)] } else { &[(5, 3_600), (10, 3_600), (100, 1_200), (1_000, 300)] };
    println!("nodes  allocations for an event  bytes for an event  most bytes at once  events at the start");
    for &(nodes, seconds) in sizes {
        let (one, events_of_one) = counted(nodes, seconds);
        let (two, events_of_two) = counted(nodes, seconds * 2);
        let events = events_of_two - events_of_one;
        let allocations = two.count_total - one.count_total;
        assert!(!tiny || allocations == 0, "a quiet cluster of {nodes} allocated {allocations} times");
        println!(
            "{nodes:5}  {:>24}  {:>18}  {:>18}  {events_of_one:>19}",
            thousandths(allocations, events),
            thousandths(two.bytes_total - one.bytes_total, events),
            two.bytes_max,
        );
    }
}

fn counted(nodes: u32, seconds: u64) -> (AllocationInfo, u64) {
    let quiet = Quiet::new(nodes, Duration::from_secs(seconds));
    let mut events = 0;
    let info = measure(|| events = black_box(quiet.run(Options::default())).counts.events);
    (info, events)
}

/// `count / of` with three decimals.
fn thousandths(count: u64, of: u64) -> String {
    let thousandths = count * 1_000 / of.max(1);
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}
