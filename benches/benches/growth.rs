//! How the cost of an event grows: with the nodes, with the simulated time, with the faults.
//!
//! `cargo bench -p zeromaster-benches --bench growth -- ../docs/growth.svg` measures, prints, and draws; cargo runs it in
//! `benches/`. Without a file it only prints; with `--test` everything runs once, tiny.

use plotters::prelude::*;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use zeromaster_benches::measure::processor_time;
use zeromaster_sim::Options;
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::{Scenario, ScenarioBuilder};
use zeromaster_sim::setup::Setup;

/// One run of one curve.
struct Point {
    x: f64,
    events: u64,
    processor: Duration,
}

impl Point {
    fn nanos_per_event(&self) -> f64 {
        self.processor.as_secs_f64() * 1e9 / self.events as f64
    }
}

struct Curve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<Point>,
}

/// Curves over the same x.
struct Chart {
    title: &'static str,
    x: &'static str,
    curves: Vec<Curve>,
}

const NODES: [u32; 11] = [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const LOSSES: [u32; 4] = [10, 100, 1_000, 10_000];
const MINUTES: [u32; 7] = [1, 10, 60, 360, 1_440, 4_320, 10_080];
const FAULTS_PER_MINUTE: [u32; 7] = [0, 1, 3, 10, 100, 300, 1_000];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tiny = arguments.iter().any(|argument| argument == "--test");
    let file = arguments.iter().find(|argument| argument.ends_with(".svg"));
    let few = |all: &'static [u32]| if tiny { &all[..2] } else { all };
    // The largest clusters last: the memory that they leave behind makes what follows dearer.
    let minutes = few(&MINUTES).iter().map(|minutes| measured(5, *minutes, 0, *minutes)).collect();
    let faults = few(&FAULTS_PER_MINUTE).iter().map(|faults| measured(10, 20, *faults, *faults)).collect();
    let (mut start, mut quiet) = (Vec::new(), Vec::new());
    for nodes in few(&NODES) {
        // Small clusters start often, and are looked at for long: what takes a few milliseconds says little.
        let (times, minutes) = if tiny { (1, 2) } else { ((500 / nodes).max(1), (2_000 / nodes).max(2)) };
        let starts: Vec<Point> = (0..times).map(|_| measured(*nodes, 2, 0, *nodes)).collect();
        let starts = Point {
            x: f64::from(*nodes),
            events: starts.iter().map(|start| start.events).sum(),
            processor: starts.iter().map(|start| start.processor).sum(),
        };
        quiet.push(after(&starts, times, minutes));
        start.push(starts);
    }
    let losses = few(&LOSSES).iter().map(|nodes| loss(*nodes)).collect();
    let curve = |name, colour, points| Curve { name, colour, points };
    let charts = [
        Chart {
            title: "nodes: the first two minutes, quiet ones after them, and three with the loss of the coordinator",
            x: "nodes",
            curves: vec![
                curve("start", RED, start),
                curve("quiet", BLUE, quiet),
                curve("start and loss", GREEN, losses),
            ],
        },
        Chart {
            title: "simulated time: five nodes",
            x: "minutes",
            curves: vec![curve("quiet", BLUE, minutes)],
        },
        Chart {
            title: "faults: ten nodes, twenty minutes",
            x: "faults a minute",
            curves: vec![curve("with faults", RED, faults)],
        },
    ];
    charts.iter().for_each(print);
    if let Some(file) = file {
        draw(file, &charts)?;
    }
    Ok(())
}

/// So many minutes after the first two: what a run of all of them takes more than one of two, of which there were so many.
fn after(starts: &Point, times: u32, minutes: u32) -> Point {
    let nodes = starts.x as u32;
    let whole = measured(nodes, 2 + minutes, 0, nodes);
    Point {
        x: starts.x,
        events: whole.events - starts.events / u64::from(times),
        processor: whole.processor.saturating_sub(starts.processor / times),
    }
}

/// One run of `nodes` nodes for `minutes`, with so many faults in each of them; it is drawn at `x`.
fn measured(nodes: u32, minutes: u32, faults: u32, x: u32) -> Point {
    progress(&format!("{nodes} nodes, {minutes} minutes, {faults} faults a minute"));
    let mut builder = cluster(nodes, minutes);
    // The first minute is for the start.
    for fault in 0..faults * (minutes - 1) {
        let at = Duration::from_secs(60) + Duration::from_secs(60) / faults * fault;
        let (one, other) = (fault % nodes + 1, (fault + 1 + fault / nodes) % nodes + 1);
        builder = builder.at(at);
        builder = match fault % 3 {
            1 => builder.delay("10ms..90ms").between(format!("n{one} | zk{}", fault % 2 + 1)).lasting(SHORT),
            2 if one != other => builder.cut(format!("n{one} | n{other}")).lasting(SHORT),
            _ => builder.pause(format!("n{one}")).lasting(Duration::from_millis(300)),
        };
    }
    run(builder, x)
}

/// Three minutes in which the coordinator dies after the first, and comes back after the second.
fn loss(nodes: u32) -> Point {
    progress(&format!("{nodes} nodes lose their coordinator"));
    let minute = Duration::from_secs(60);
    run(cluster(nodes, 3).at(minute).crash("coordinator").lasting(minute), nodes)
}

/// A cluster on an ensemble of three. Everybody votes at once.
fn cluster(nodes: u32, minutes: u32) -> ScenarioBuilder {
    Scenario::of(nodes)
        .until(Duration::from_secs(u64::from(minutes) * 60))
        .zookeeper_servers(3)
        .property("nifi.cluster.flow.election.max.candidates", &nodes.to_string())
}

fn run(builder: ScenarioBuilder, x: u32) -> Point {
    let scenario = builder.build().expect("a scenario of our own");
    let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
    let (processor, outcome) = processor_time(|| run_with(&scenario, &setup, 1, Options::default()));
    progress("");
    if let Some(violation) = outcome.first_violation() {
        eprintln!("{} nodes: {}: {}", scenario.nodes, violation.property, violation.text);
    }
    Point { x: f64::from(x), events: outcome.counts.events, processor }
}

const SHORT: Duration = Duration::from_secs(2);

/// What is being measured, where somebody watches.
fn progress(text: &str) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        // Who cannot be shown what is going on can do without.
        let _ = write!(terminal, "\r\x1b[K{text}");
    }
}

fn print(chart: &Chart) {
    for Curve { name, points, .. } in &chart.curves {
        println!("{}: {name}", chart.title);
        println!("{:>16}  {:>12}  {:>12}  {:>12}", chart.x, "events", "seconds", "ns an event");
        for point in points {
            let (x, events, nanos) = (point.x, point.events, point.nanos_per_event());
            println!("{x:>16}  {events:>12}  {:>12.3}  {nanos:>12.0}", point.processor.as_secs_f64());
        }
    }
}

/// Both scales are logarithmic: a line that rises by one decade over one decade is a cost that grows with x.
fn draw(file: &str, charts: &[Chart]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (860, 300 * charts.len() as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    for (chart, area) in charts.iter().zip(area.split_evenly((charts.len(), 1))) {
        // Nothing is at 0 there; half a fault a minute stands for none.
        let x = |point: &Point| point.x.max(0.5);
        let points = || chart.curves.iter().flat_map(|curve| &curve.points);
        let first = points().map(x).fold(f64::INFINITY, f64::min);
        let last = points().map(x).fold(0.0, f64::max);
        let highest = points().map(Point::nanos_per_event).fold(1_000.0, f64::max);
        let mut axes = ChartBuilder::on(&area)
            .caption(chart.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d((first..last * 1.1).log_scale(), (LEAST..highest * 2.0).log_scale())?;
        axes.configure_mesh()
            .x_desc(chart.x)
            .y_desc("ns an event")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&labelled)
            .light_line_style(WHITE)
            .draw()?;
        for Curve { name, colour, points } in &chart.curves {
            let colour = *colour;
            let line = points.iter().map(|point| (x(point), point.nanos_per_event().max(LEAST)));
            axes.draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            axes.draw_series(line.map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        axes.configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// The label of a cost. On a logarithmic scale some of them have no room for one.
fn labelled(nanos: &f64) -> String {
    let label = format!("{nanos:.0}");
    if label.starts_with(['1', '2', '5']) { label } else { String::new() }
}

/// Where the scale of costs begins, in nanoseconds.
const LEAST: f64 = 100.0;
