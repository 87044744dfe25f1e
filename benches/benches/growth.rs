//! How the cost of an event grows: with the nodes, with the simulated time, with the faults.
//!
//! `cargo bench -p zeromaster-benches --bench growth -- docs/growth.svg` measures, prints, and draws. Without a file it only
//! prints; with `--test` everything runs once, tiny.

use plotters::prelude::*;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use zeromaster_benches::measure::processor_time;
use zeromaster_sim::Options;
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::Scenario;
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
    title: &'static str,
    x: &'static str,
    points: Vec<Point>,
}

const NODES: [u32; 11] = [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const MINUTES: [u32; 7] = [1, 10, 60, 360, 1_440, 4_320, 10_080];
const FAULTS_PER_MINUTE: [u32; 7] = [0, 1, 3, 10, 100, 300, 1_000];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tiny = arguments.iter().any(|argument| argument == "--test");
    let file = arguments.iter().find(|argument| argument.ends_with(".svg"));
    let few = |all: &'static [u32]| if tiny { &all[..2] } else { all };
    let curves = [
        Curve {
            title: "nodes: two minutes, from the start on",
            x: "nodes",
            points: few(&NODES).iter().map(|nodes| measured(*nodes, 2, 0, *nodes)).collect(),
        },
        Curve {
            title: "simulated time: five nodes",
            x: "minutes",
            points: few(&MINUTES).iter().map(|minutes| measured(5, *minutes, 0, *minutes)).collect(),
        },
        Curve {
            title: "faults: ten nodes, twenty minutes",
            x: "faults a minute",
            points: few(&FAULTS_PER_MINUTE).iter().map(|faults| measured(10, 20, *faults, *faults)).collect(),
        },
    ];
    for Curve { title, x, points } in &curves {
        println!("{title}\n{x:>16}  {:>12}  {:>12}  {:>12}", "events", "seconds", "ns an event");
        for point in points {
            let seconds = point.processor.as_secs_f64();
            println!(
                "{:>16}  {:>12}  {seconds:>12.3}  {:>12.0}",
                point.x,
                point.events,
                point.nanos_per_event()
            );
        }
    }
    if let Some(file) = file {
        draw(file, &curves)?;
    }
    Ok(())
}

/// One run of `nodes` nodes for `minutes`, with so many faults in each of them; it is drawn at `x`.
fn measured(nodes: u32, minutes: u32, faults: u32, x: u32) -> Point {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[K{nodes} nodes, {minutes} minutes, {faults} faults a minute");
    }
    let length = Duration::from_secs(u64::from(minutes) * 60);
    let mut builder = Scenario::of(nodes)
        .until(length)
        .zookeeper_servers(3)
        .property("nifi.cluster.flow.election.max.candidates", &nodes.to_string());
    // The first minute is for the start.
    for fault in 0..faults * (minutes - 1) {
        let at = Duration::from_secs(60) + Duration::from_secs(60) / faults * fault;
        let (one, other) = (fault % nodes + 1, (fault + 1 + fault / nodes) % nodes + 1);
        builder = builder.at(at);
        builder = match fault % 3 {
            0 => builder.pause(format!("n{one}")).lasting(Duration::from_millis(300)),
            1 => builder.delay("10ms..90ms").between(format!("n{one} | zk{}", fault % 2 + 1)).lasting(SHORT),
            _ if one == other => builder.pause(format!("n{one}")).lasting(Duration::from_millis(300)),
            _ => builder.cut(format!("n{one} | n{other}")).lasting(SHORT),
        };
    }
    let scenario = builder.build().expect("a scenario of our own");
    let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
    let (processor, outcome) = processor_time(|| run_with(&scenario, &setup, 1, Options::default()));
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[K");
    }
    if let Some(violation) = outcome.first_violation() {
        eprintln!("{nodes} nodes, {faults} faults a minute: {}: {}", violation.property, violation.text);
    }
    Point { x: f64::from(x), events: outcome.counts.events, processor }
}

const SHORT: Duration = Duration::from_secs(2);

fn draw(file: &str, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (860, 300 * curves.len() as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    for (curve, area) in curves.iter().zip(area.split_evenly((curves.len(), 1))) {
        // On a logarithmic scale nothing is at 0; half a fault a minute stands for none.
        let x = |point: &Point| point.x.max(0.5);
        let (first, last) = (&curve.points[0], &curve.points[curve.points.len() - 1]);
        let highest = curve.points.iter().map(Point::nanos_per_event).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .caption(curve.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d((x(first)..x(last) * 1.1).log_scale(), 0.0..highest * 1.15)?;
        chart
            .configure_mesh()
            .x_desc(curve.x)
            .y_desc("ns an event")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .light_line_style(WHITE)
            .draw()?;
        let line = curve.points.iter().map(|point| (x(point), point.nanos_per_event()));
        chart.draw_series(LineSeries::new(line.clone(), BLUE.stroke_width(2)))?;
        chart.draw_series(line.map(|at| Circle::new(at, 3, BLUE.filled())))?;
    }
    area.present()?;
    Ok(())
}
