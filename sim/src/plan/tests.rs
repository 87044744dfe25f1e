//! How the small values of a plan are written and read, case by case.

use super::*;
use core::fmt::{Debug, Display};
use core::str::FromStr;

#[track_caller]
fn check<T: FromStr + Display>(text: &str, written: &str)
where
    T::Err: Debug,
{
    assert_eq!(text.parse::<T>().unwrap().to_string(), written, "{text}");
}

#[track_caller]
fn check_refused<T: FromStr<Err = WordError> + Debug>(text: &str) {
    let error = text.parse::<T>().unwrap_err();
    assert_eq!(error.found.trim(), text.trim());
}

#[track_caller]
fn check_duration(text: &str, micros: u64, written: &str) {
    let duration = parse_duration(text).unwrap();
    assert_eq!(duration, Duration::from_micros(micros), "{text}");
    assert_eq!(show_duration(duration), written, "{text}");
    assert_eq!(parse_duration(written).unwrap(), duration, "{written}");
}

#[test]
fn durations_are_read_in_both_spellings_and_written_in_the_short_one() {
    check_duration("5 secs", 5_000_000, "5s");
    check_duration("5 mins", 300_000_000, "5m");
    check_duration("60s", 60_000_000, "60s");
    check_duration("2m", 120_000_000, "120s");
    check_duration("1500ms", 1_500_000, "1500ms");
    check_duration("1.5 secs", 1_500_000, "1500ms");
    check_duration("1h", 3_600_000_000, "1h");
    check_duration("90 min", 5_400_000_000, "90m");
    check_duration("250us", 250, "250us");
    check_duration("250µs", 250, "250us");
    check_duration("1000 nanos", 1, "1us");
    check_duration("0 sec", 0, "0s");
    check_duration("1 wk", 604_800_000_000, "168h");
    check_duration("1000 days", 86_400_000_000_000, "24000h");
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        " ",
        "5",
        "secs",
        "-5s",
        "5 parsecs",
        "5s 3ms",
        "5 SECS",
        "1.s",
        ".5s",
        "1.2.3s",
        "1ns",
        "1001 days",
        "1.0000001s",
        "99999999999999999999999999s",
        "5\u{a0}s",
        "٣s",
    ] {
        assert_eq!(parse_duration(text).unwrap_err().found, text);
    }
}

#[test]
fn ratios_are_written_in_percent_when_whole() {
    check::<Ratio>("10%", "10%");
    check::<Ratio>("0%", "0%");
    check::<Ratio>("100 %", "100%");
    check::<Ratio>("1/3", "1/3");
    check::<Ratio>("2/6", "1/3");
    check::<Ratio>("1 / 4", "25%");
    check::<Ratio>("0.5%", "1/200");
    for text in
        ["", "10", "101%", "-1%", "1/0", "4/3", "+1/3", "1/", "/3", "%", "1/4294967296", "0.000000000001%"]
    {
        check_refused::<Ratio>(text);
    }
}

#[test]
fn ranges_of_equal_ends_are_one_duration() {
    check::<DurationRange>("1ms..5ms", "1ms..5ms");
    check::<DurationRange>("2s", "2s");
    check::<DurationRange>("2s..2000ms", "2s");
    check::<DurationRange>("1 sec .. 1 min", "1s..60s");
    for text in ["", "..", "5ms..1ms", "1ms..", "..5ms", "1ms...5ms", "1ms..2ms..3ms"] {
        check_refused::<DurationRange>(text);
    }
}

#[test]
fn selectors_are_read_as_written() {
    for text in [
        "n1",
        "n10000",
        "coordinator",
        "primary",
        "rest",
        "all",
        "zookeeper",
        "zk1",
        "zk-leader",
        "zk-followers",
    ] {
        check::<Selector>(text, text);
    }
    for text in [
        "",
        "n",
        "n0",
        "n01",
        "n-1",
        "n+1",
        "n1 ",
        "N1",
        "zk",
        "zk0",
        "zk-leaders",
        "everyone",
        "n99999999999",
    ] {
        check_refused::<Selector>(text);
    }
}

#[test]
fn cuts_have_two_sides_and_a_direction() {
    check::<Cut>("n1|n2", "n1 | n2");
    check::<Cut>(" n1 ,n2 | rest ", "n1, n2 | rest");
    check::<Cut>("n1 > zookeeper", "n1 > zookeeper");
    for text in
        ["", "n1", "n1 |", "| n1", "|", "n1 | n2 | n3", "n1 > n2 | n3", "n1 | n2 > n3", "n1 > n2 > n3"]
    {
        check_refused::<Cut>(text);
    }
    assert_eq!("n1, | n2".parse::<Cut>().unwrap_err().found, "");
    assert_eq!("n1 | n2, moon".parse::<Cut>().unwrap_err().found, "moon");
}

#[test]
fn a_plan_is_sorted_by_time_and_keeps_the_order_within_one() {
    let step = |secs, node| {
        let action = Action::Start { node: Selector::Node(NodeNumber(node)) };
        Step::new(Duration::from_secs(secs), action, Lasts::UntilHealed)
    };
    let plan = Plan::new(vec![step(2, 1), step(1, 2), step(2, 3), step(1, 4)]);
    let order: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["start n2", "start n4", "start n1", "start n3"]);
    assert_eq!(plan.end(), Duration::from_secs(2));
}

#[test]
fn a_fault_without_a_length_is_given_time_to_show() {
    let crash = Action::Crash { node: Selector::Coordinator, disk: Disk::Wiped };
    let step = Step::new(Duration::from_secs(5), crash, Lasts::UntilHealed);
    assert_eq!(step.end(), Duration::from_secs(5) + OPEN_STEP);
    let spread = Step { spread: Duration::from_secs(3), ..step.clone() };
    assert_eq!(spread.end(), Duration::from_secs(8) + OPEN_STEP);
    let when = Some(Condition::Property("all-connected".into()));
    let plan = Plan::new(vec![Step { when, ..spread }]);
    assert_eq!(plan.end(), Duration::ZERO, "the time of a step with a condition is not known");
    assert_eq!(
        Step { lasts: Lasts::For(Duration::from_secs(1)), ..step.clone() }.end(),
        Duration::from_secs(6)
    );
    let for_ever = Step { lasts: Lasts::ForEver, ..step.clone() };
    assert_eq!(for_ever.end(), step.end());
    assert_eq!(for_ever.to_string(), "crash coordinator, disk wiped for ever");
    assert_eq!(step.to_string(), "crash coordinator, disk wiped");
}

#[test]
fn actions_speak_the_words_of_the_timeline() {
    let cut = Action::Cut { cut: "n1 | zookeeper".parse().unwrap(), protocol: None };
    let step = Step::new(Duration::ZERO, cut, Lasts::For(Duration::from_secs(60)));
    assert_eq!(step.to_string(), "cut n1 | zookeeper for 60s");
    let when = |condition| Step { when: Some(condition), ..step.clone() }.to_string();
    assert_eq!(
        when(Condition::State("n2 is CONNECTED".parse().unwrap())),
        "cut n1 | zookeeper for 60s, when n2 is CONNECTED"
    );
    assert_eq!(
        when(Condition::Property("all-connected".into())),
        "cut n1 | zookeeper for 60s, after all-connected"
    );
    let ratio = "10%".parse().unwrap();
    let loss = Action::Loss { between: Cut::everything(), ratio, protocol: Some(Protocol::Cluster) };
    assert_eq!(loss.to_string(), "loss 10% between all | all, cluster only");
    let set = |by_ms| Action::WallClock { server: Selector::ZooKeeperLeader, by_ms };
    assert_eq!(set(-90_000).to_string(), "clock zk-leader set by -90s");
    assert_eq!(set(3_600_000).to_string(), "clock zk-leader set by +1h");
    let drift = Action::ClockDrift { node: Selector::Primary, ppm: 500 };
    assert_eq!(drift.to_string(), "clock primary drift +500ppm");
    let request = "disconnect n3".parse().unwrap();
    assert_eq!(
        Action::Operator { at: Selector::Coordinator, request }.to_string(),
        "operator disconnect n3 at coordinator"
    );
}
