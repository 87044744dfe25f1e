//! The same work on this project's engine and on its peers, in one table.
//!
//! `cargo bench -p zeromaster-benches --bench peers` measures; with `-- --test` everything runs once, tiny. Each
//! measurement is a process of its own: this program, started again with the engine's name.
//!
//! All of it is one thread, so what counts is the time that the process had a processor; how much of the wall's time that
//! was is printed too. The clocks are asked past libc, whose clock madsim replaces.

mod bare;
mod madsim_endpoint;
mod madsim_tcp;
mod ours;
mod shared;
mod table;
mod turmoil_udp;
mod workload;

use rustix::time::{ClockId, clock_gettime};
use std::process::{Command, ExitCode};
use std::time::Duration;
use workload::{Outcome, Workload};

/// One way to do the work.
struct Engine {
    name: &'static str,
    run: fn(Workload) -> Outcome,
    /// For each number of nodes: how many heartbeats each sends in one measurement, or why it is not measured.
    sizes: [(u32, Result<u32, &'static str>); 4],
}

/// Every host looks at every link in every tick.
const GROWS: &str = "not run: grows with the cube of the nodes, days for an hour of 1,000";
const BEHIND: &str = "not run: each receive takes 1 ms of simulated time, so it falls behind";

/// As many heartbeats as take about a second, so that starting up counts for little.
const ENGINES: [Engine; 5] = [
    Engine {
        name: "zeromaster",
        run: ours::run,
        sizes: [(10, Ok(300_000)), (100, Ok(30_000)), (1_000, Ok(3_000)), (10_000, Ok(300))],
    },
    Engine {
        name: "bare heap",
        run: bare::run,
        sizes: [(10, Ok(300_000)), (100, Ok(30_000)), (1_000, Ok(3_000)), (10_000, Ok(300))],
    },
    Engine {
        name: "madsim TCP",
        run: madsim_tcp::run,
        sizes: [(10, Ok(25_000)), (100, Ok(2_500)), (1_000, Ok(250)), (10_000, Ok(20))],
    },
    Engine {
        name: "madsim Endpoint",
        run: madsim_endpoint::run,
        sizes: [(10, Ok(15_000)), (100, Ok(1_500)), (1_000, Ok(150)), (10_000, Err(BEHIND))],
    },
    Engine {
        name: "turmoil",
        run: turmoil_udp::run,
        sizes: [(10, Ok(100)), (100, Ok(2)), (1_000, Err(GROWS)), (10_000, Err(GROWS))],
    },
];

const REPETITIONS: usize = 5;

/// What one process measured.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    delivered: u64,
    processor: Duration,
    wall: Duration,
    peak_kib: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["measure", engine, nodes, heartbeats] => measure(engine, nodes, heartbeats),
        _ if words.contains(&"--bench") && !words.contains(&"--test") => compare(),
        _ => test(),
    }
}

/// The child's part: does the work, and prints what it took.
fn measure(engine: &str, nodes: &str, heartbeats: &str) -> ExitCode {
    let engine =
        ENGINES.iter().find(|known| known.name == engine).expect("the parent names one of the engines");
    let number = |word: &str| word.parse().expect("the parent writes numbers");
    let workload = Workload { nodes: number(nodes), heartbeats: number(heartbeats) };
    let [processor, wall] = [ClockId::ProcessCPUTime, ClockId::Monotonic].map(now);
    let outcome = (engine.run)(workload);
    let [processor, wall] = [now(ClockId::ProcessCPUTime) - processor, now(ClockId::Monotonic) - wall]
        .map(|time| time.as_nanos());
    if let Some(problem) = outcome.problem(workload) {
        eprintln!("{} with {nodes} nodes: {problem}", engine.name);
        return ExitCode::FAILURE;
    }
    println!("{} {processor} {wall} {}", outcome.delivered, peak_kib());
    ExitCode::SUCCESS
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory that this process has had; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Has the work done by a process of its own.
fn measured(engine: &Engine, workload: Workload) -> Measurement {
    let program = std::env::current_exe().expect("a running program has a file");
    let arguments = [workload.nodes, workload.heartbeats].map(|number| number.to_string());
    let output = Command::new(program).args(["measure", engine.name]).args(arguments).output();
    let output = output.expect("a program that runs can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {}", engine.name, String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [delivered, processor, wall, peak_kib] = numbers[..] else { panic!("not a measurement: {text}") };
    let [processor, wall] = [processor, wall].map(Duration::from_nanos);
    Measurement { delivered, processor, wall, peak_kib }
}

/// Everything once, tiny.
fn test() -> ExitCode {
    for engine in &ENGINES {
        let measured = measured(engine, Workload { nodes: 10, heartbeats: 3 });
        println!("{}: {} messages delivered, tables as expected", engine.name, measured.delivered);
    }
    ExitCode::SUCCESS
}

/// Takes turns, so that a disturbance of the machine falls on all engines alike.
fn compare() -> ExitCode {
    let mut cells: Vec<table::Cell> = Vec::new();
    for size in 0..ENGINES[0].sizes.len() {
        for engine in &ENGINES {
            let (nodes, heartbeats) = engine.sizes[size];
            cells.push(table::Cell { engine: engine.name, nodes, measured: heartbeats.map(|_| Vec::new()) });
        }
        let first = cells.len() - ENGINES.len();
        for _ in 0..REPETITIONS {
            for (engine, cell) in ENGINES.iter().zip(&mut cells[first..]) {
                if let ((nodes, Ok(heartbeats)), Ok(runs)) = (engine.sizes[size], &mut cell.measured) {
                    runs.push(measured(engine, Workload { nodes, heartbeats }));
                }
            }
        }
        eprintln!("{} nodes measured", ENGINES[0].sizes[size].0);
    }
    println!("{}", table::text(&cells, REPETITIONS));
    ExitCode::SUCCESS
}
