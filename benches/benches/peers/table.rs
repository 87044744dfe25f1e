//! What was measured, as text.

use crate::Measurement;
use std::fmt::Write;

/// The lock file of the workspace, which knows what was linked.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// An engine at one size.
pub struct Cell {
    pub engine: &'static str,
    pub nodes: u32,
    pub measured: Result<Vec<Measurement>, &'static str>,
}

/// An event is a timer that goes off or a message that arrives: three for every two messages.
const EVENTS_FOR_MESSAGES: [f64; 2] = [3.0, 2.0];

/// The whole table, the first engine of each size being the measure of the others.
pub fn text(cells: &[Cell], repetitions: usize) -> String {
    let mut text = String::new();
    let versions = ["madsim", "turmoil", "tokio"].map(|name| format!("{name} {}", version(name)));
    let _ = writeln!(text, "{}; {}", machine(), versions.join(", "));
    let _ = writeln!(
        text,
        "{repetitions} runs of each, one process and one thread each: median [least to greatest]. Messages that\n\
         reached their receivers in a second of processor time; beside it, how much of the wall's time that was."
    );
    let _ = writeln!(
        text,
        "zeromaster and the bare heap call state machines; madsim and turmoil run arbitrary async code, which is\n\
         more work and what they are for."
    );
    let _ = writeln!(
        text,
        "\n{:>6}  {:16} {:>31} {:>10} {:>11} {:>9} {:>10}",
        "nodes", "engine", "million messages/s", "ns/event", "to ours", "on a CPU", "peak MiB"
    );
    for (index, cell) in cells.iter().enumerate() {
        let ours = cells.iter().find(|first| first.nodes == cell.nodes).map_or(0.0, median);
        if index > 0 && cells[index - 1].nodes != cell.nodes {
            text.push('\n');
        }
        let _ = write!(text, "{:>6}  {:16} ", cell.nodes, cell.engine);
        let _ = match &cell.measured {
            Err(reason) => writeln!(text, "{reason}"),
            Ok(runs) => writeln!(text, "{}", line(runs, median(cell), ours)),
        };
    }
    text
}

fn line(runs: &[Measurement], rate: f64, ours: f64) -> String {
    let rates = sorted(runs);
    let (least, most) = (rates.first().copied().unwrap_or(0.0), rates.last().copied().unwrap_or(0.0));
    let [events, messages] = EVENTS_FOR_MESSAGES;
    let nanoseconds = 1e9 / rate * messages / events;
    let busy = |run: &Measurement| run.processor.as_secs_f64() / run.wall.as_secs_f64();
    let busy = 100.0 * runs.iter().map(busy).sum::<f64>() / runs.len() as f64;
    let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
    let range = format!("{} [{} to {}]", millions(rate), millions(least), millions(most));
    let ratio = if rate < ours { format!("1/{}", short(ours / rate)) } else { short(rate / ours) };
    format!("{range:>31} {:>10} {ratio:>11} {busy:>7.0} % {peak:>10.1}", short(nanoseconds))
}

fn sorted(runs: &[Measurement]) -> Vec<f64> {
    let rate = |run: &Measurement| run.delivered as f64 / run.processor.as_secs_f64();
    let mut rates: Vec<f64> = runs.iter().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

/// Messages for each second of processor time; 0 where nothing was measured.
fn median(cell: &Cell) -> f64 {
    let rates = cell.measured.as_ref().map_or(Vec::new(), |runs| sorted(runs));
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

fn millions(rate: f64) -> String {
    let millions = rate / 1e6;
    if millions < 0.1 { format!("{millions:.6}") } else { format!("{millions:.2}") }
}

fn short(number: f64) -> String {
    if number < 10.0 { format!("{number:.2}") } else { format!("{number:.0}") }
}

fn version(package: &str) -> &'static str {
    let after =
        LOCK.split_once(&format!("name = \"{package}\"\nversion = \"")).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or("")
}

/// What kind of processor, and how many; no name of the machine.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let values = |key: &'static str| text.lines().filter(move |line| line.starts_with(key));
    let model = values("model name").next().and_then(|line| Some(line.split_once(": ")?.1));
    format!(
        "{} x {}",
        values("processor").count(),
        model.unwrap_or("a processor that does not say what it is")
    )
}
