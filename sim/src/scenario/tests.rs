//! Scenario files: what they mean, and that they are written as they are read.

mod errors;
mod schema;

use super::strategies;

use super::*;
use crate::plan::{Action, Selector};
use proptest::prelude::*;
use zeromaster_core::rules::Rules;

const RULES: &[&str] = &["default", "1.28", "2.x"];
const SAFETY: &[&str] = &["one-acting-coordinator", "no-flow-is-lost"];
const LIVENESS: &[&str] = &["all-connected", "primary-exists"];
const KNOWN: Known<'static> = Known { rules: RULES, safety: SAFETY, liveness: LIVENESS };

const SMALLEST: &str = "about = \"it runs\"\n[cluster]\nnodes = 1\n";

/// Every key of the file, and every action.
const EVERYTHING: &str = r#"
about = "Nothing is left out."
seed = 7
until = "10 mins"
heal = "400s"

[cluster]
nodes = 4
rules = "1.28"
properties = "nifi.properties"
firewall = "10.0.0.0/8\n"
flows = { all = "B", n3 = "empty", n4 = "empty:two", n2 = "B" }
queued = { n3 = ["q1", "q2"], n1 = [] }
start = { n3 = "30s", n1 = "0s", n2 = "n1 is CONNECTED" }
flow_load = "500ms..2s"
load_failures = { n2 = 1, n1 = 0 }

[cluster.nifi]
"nifi.cluster.flow.election.max.wait.time" = "10 secs"

[zookeeper]
servers = 3
tick = "3s"
init_limit = 8
sync_limit = 4
min_session_timeout = "4s"
max_session_timeout = "900s"
release = "3.8.0"
library = "curator-on-3.9.3"

[network]
latency = "1ms..5ms"

[[plan]]
at = "60s"
cut = "coordinator | zookeeper"
for = "60s"

[[plan]]
at = "10s"
loss = "10%"

[[plan]]
at = "11s"
duplicate = "5%"
between = "n1 > rest"
protocol = "cluster"

[[plan]]
at = "12s"
delay = "1s..3s"
protocol = "zookeeper"

[[plan]]
at = "1m"
crash = "n2"
disk = "last-write-lost"

[[plan]]
at = "61s"
stop = "n2"

[[plan]]
at = "62s"
start = "n2"

[[plan]]
at = "63s"
restart = "all"

[[plan]]
at = "64s"
pause = "primary"
for = "20s"
input = "dropped"

[[plan]]
at = "65s"
slow = "n2"
by = "200ms"

[[plan]]
at = "66s"
clock = "n2"
jump = "30s"

[[plan]]
at = "67s"
clock = "n2"
drift = "-500ppm"

[[plan]]
at = "68s"
expire = "n2"

[[plan]]
at = "69s"
zookeeper = "down"
for = "5s"

[[plan]]
at = "70s"
wipe = "n2"

[[plan]]
at = "71s"
operator = { at = "n2", disconnect = "n3" }

[[plan]]
at = "72s"
operator = { at = "coordinator", connect = "n3" }

[[plan]]
at = "73s"
operator = { at = "n2", remove = "n3" }

[[plan]]
at = "74s"
operator = { at = "n2", offload = "primary" }

[[plan]]
at = "75s"
crash = "zk-leader"
for = "5s"

[[plan]]
at = "76s"
cut = "zk1 | zookeeper"
protocol = "ensemble"
for = "ever"

[[plan]]
at = "77s"
clock = "zk3"
set = "-90s"

[[plan]]
at = "78s..90s"
stop = "n3"

[[plan]]
when = "n1 is DISCONNECTED LACK_OF_HEARTBEAT"
start = "n1"

[[plan]]
at = "80s..85s"
after = "all-connected"
expire = "coordinator"

[expect]
reaches = ["expired", "in office", "elected"]
always = ["one-acting-coordinator"]
eventually = { "all-connected" = "60s" }
violates = ["one-acting-coordinator"]

[[expect.state]]
at = "45s"
node = "n3"
state = "DISCONNECTED"
code = "LACK_OF_HEARTBEAT"

[[expect.state]]
at = "40s"
node = "n2"
state = "CONNECTED"
"#;

fn everything() -> Scenario {
    Scenario::parse(EVERYTHING, &KNOWN).unwrap()
}

#[test]
fn the_smallest_file_has_every_default() {
    let scenario = Scenario::parse(SMALLEST, &KNOWN).unwrap();
    assert_eq!(scenario, Scenario::of(1).about("it runs").build().unwrap());
    assert_eq!((scenario.seed, scenario.rules.base()), (1, "default"));
    assert_eq!(scenario.flows.of_node(NodeNumber(1)).to_string(), "A");
    assert_eq!(
        (scenario.flow_load.to_string(), scenario.latency.to_string()),
        ("200ms..1s".into(), "1ms..3ms".into())
    );
    assert_eq!(scenario.zookeeper, ZooKeeper::default());
    assert_eq!((scenario.zookeeper.servers, scenario.zookeeper.tick), (1, Duration::from_secs(2)));
    assert_eq!(scenario.expect, Expect::default());
    assert_eq!((scenario.heals_at(), scenario.ends_after()), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn the_builder_and_the_file_give_the_same_value() {
    let built = Scenario::of(4)
        .about("Nothing is left out.")
        .seed(7)
        .until(Duration::from_secs(600))
        .heal("400s")
        .rules("1.28")
        .properties("nifi.properties")
        .firewall("10.0.0.0/8\n")
        .flow("all", "B")
        .flow("n3", "empty")
        .flow(NodeNumber(4), FlowName::Empty("two".into()))
        .queued("n3", &["q1", "q2"])
        .starting("n3", "30s")
        .starting_when("n2", "n1 is CONNECTED")
        .flow_load("500ms..2s")
        .load_failures("n2", 1)
        .property("nifi.cluster.flow.election.max.wait.time", "10 secs")
        .zookeeper_servers(3)
        .zookeeper_tick("3s")
        .zookeeper_limits(8, 4)
        .zookeeper_min_session_timeout("4s")
        .zookeeper_max_session_timeout(Duration::from_secs(900))
        .zookeeper_release("3.8.0")
        .zookeeper_library("curator-on-3.9.3")
        .latency("1ms..5ms")
        .at("60s")
        .cut("coordinator | zookeeper")
        .lasting("60s")
        .at("10s")
        .loss("10%")
        .at("11s")
        .duplicate("5%")
        .between("n1 > rest")
        .protocol("cluster")
        .at("12s")
        .delay("1s..3s")
        .between("all | zookeeper")
        .protocol("zookeeper")
        .at("60s")
        .crash("n2")
        .disk("last-write-lost")
        .at("61s")
        .stop(Selector::Node(NodeNumber(2)))
        .at("62s")
        .start("n2")
        .at("63s")
        .restart("all")
        .at("64s")
        .pause("primary")
        .lasting("20s")
        .input("dropped")
        .at("65s")
        .slow("n2", "200ms")
        .at("66s")
        .clock_jump("n2", "30s")
        .at("67s")
        .clock_drift("n2", -500)
        .at("68s")
        .expire("n2")
        .at("69s")
        .zookeeper_down()
        .lasting("5s")
        .at("70s")
        .wipe("n2")
        .at("71s")
        .operator("n2", "disconnect n3")
        .at("72s")
        .operator("coordinator", "connect n3")
        .at("73s")
        .operator("n2", "remove n3")
        .at("74s")
        .operator("n2", "offload primary")
        .at("75s")
        .crash("zk-leader")
        .lasting("5s")
        .at("76s")
        .cut("zk1 | zookeeper")
        .protocol("ensemble")
        .lasting_for_ever()
        .at("77s")
        .clock_set("zk3", "-90s")
        .at(DurationRange { min: Duration::from_secs(78), max: Duration::from_secs(90) })
        .stop("n3")
        .at(Duration::ZERO)
        .when("n1 is DISCONNECTED LACK_OF_HEARTBEAT")
        .start("n1")
        .at("80s..85s")
        .after("all-connected")
        .expire("coordinator")
        .reaches("elected")
        .reaches("expired")
        .reaches("in office")
        .always("one-acting-coordinator")
        .eventually("all-connected", "60s")
        .violates("one-acting-coordinator")
        .state("45s", "n3", "DISCONNECTED LACK_OF_HEARTBEAT")
        .state("40s", "n2", "CONNECTED")
        .build()
        .unwrap();
    assert_eq!(built, everything());
}

#[test]
fn what_is_written_is_the_same_scenario_and_stays_as_it_is() {
    let text = everything().to_toml();
    assert_eq!(Scenario::parse(&text, &KNOWN).unwrap(), everything());
    assert_eq!(Scenario::parse(&text, &KNOWN).unwrap().to_toml(), text);
    let expected = "about = \"it runs\"\nseed = 1\n\n[cluster]\nnodes = 1\nrules = \"default\"\n";
    assert_eq!(Scenario::parse(SMALLEST, &KNOWN).unwrap().to_toml(), expected);
}

#[test]
fn rules_are_a_name_or_a_table_or_a_value() {
    let named = |rules: &str| {
        let text = format!("about = \"rules\"\n[cluster]\nnodes = 1\n{rules}");
        Scenario::parse(&text, &Known { rules: &Rules::NAMES, ..KNOWN }).unwrap()
    };
    let built = |builder: ScenarioBuilder| builder.about("rules").build().unwrap();
    let table =
        "[cluster.rules]\nbase = \"1.28\"\ncomplete_by_attempt = true\nleadership_cache = \"2 secs\"\n";
    let value = Rules {
        complete_by_attempt: true,
        leadership_cache: Duration::from_secs(2),
        ..Rules::named("1.28").unwrap()
    };
    let scenario = named(table);
    assert_eq!(scenario.rules.rules(), Some(value));
    assert_eq!(scenario, built(Scenario::of(1).rules_value(value)));
    let by_rule =
        Scenario::of(1).rules("1.28").rule("complete_by_attempt", true).rule("leadership_cache", "2s");
    assert_eq!(scenario, built(by_rule));
    let from_value =
        Scenario::of(1).rules_value(Rules::named("1.28").unwrap()).rule("leadership_cache", "2s");
    assert_eq!(scenario, built(from_value.rule("complete_by_attempt", true)));
    let written = "[cluster.rules]\nbase = \"1.28\"\ncomplete_by_attempt = true\nleadership_cache = \"2s\"\n";
    assert!(scenario.to_toml().ends_with(written), "{}", scenario.to_toml());
    // What comes to the rules of the base is the base.
    let same = named("[cluster.rules]\nbase = \"1.28\"\ncomplete_by_attempt = false\n");
    assert_eq!(same, named("rules = \"1.28\"\n"));
    assert_eq!(
        named("rules = { connecting_expires = false }\n").rules.to_string(),
        "default with connecting_expires = false"
    );
}

#[test]
fn steps_are_sorted_and_a_wipe_is_a_crash() {
    let steps = everything().plan.steps;
    assert!(steps.is_sorted_by_key(|step| step.at));
    let crashes: Vec<String> = steps
        .iter()
        .filter(|step| matches!(step.action, Action::Crash { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(crashes, ["crash n2, last write lost", "crash n2, disk wiped", "crash zk-leader for 5s"]);
}

#[test]
fn the_run_lasts_until_everything_is_over() {
    assert_eq!(everything().ends_after(), Duration::from_secs(600));
    let crash = Scenario::of(2).at("10s").crash("n1");
    assert_eq!(crash.clone().build().unwrap().heals_at(), Duration::from_secs(70));
    let late = crash.state("99s", "n1", "CONNECTED").build().unwrap();
    assert_eq!((late.heals_at(), late.ends_after()), (Duration::from_secs(70), Duration::from_secs(99)));
}

proptest! {
    #[test]
    fn every_scenario_is_read_back_as_it_was_written(scenario in strategies::scenario(RULES, SAFETY, LIVENESS)) {
        let text = scenario.to_toml();
        let read = Scenario::parse(&text, &KNOWN);
        prop_assert_eq!(read.as_ref(), Ok(&scenario), "{}", text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(position in 0..EVERYTHING.len(), length in 0..40_usize, with in "[\\PC\n]{0,4}") {
        let end = (position + length).min(EVERYTHING.len());
        let damaged = format!("{}{with}{}", &EVERYTHING[..position], &EVERYTHING[end..]);
        if let Err(error) = Scenario::parse(&damaged, &KNOWN) {
            prop_assert!(!error.to_string().contains('\n'), "{}", error);
        }
    }
}
