//! What is wrong with a scenario, and how that is said.

use super::*;
use crate::plan::NODES_MAX;

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(Scenario::parse(text, &KNOWN).unwrap_err().to_string(), expected);
}

/// The error of a file with three nodes whose sixth line, and those after it, are `rest`.
#[track_caller]
fn check_rest(rest: &str, expected: &str) {
    check_error(&format!("about = \"wrong\"\n\n[cluster]\nnodes = 3\n\n{rest}\n"), expected);
}

/// The error of a file whose only step, which begins in line 6, has `keys` from line 8 on.
#[track_caller]
fn check_step(keys: &str, expected: &str) {
    check_rest(&format!("[[plan]]\nat = \"60s\"\n{keys}"), expected);
}

const ACTIONS: &str = "cut, loss, duplicate, delay, crash, wipe, stop, start, restart, pause, slow, clock, expire, zookeeper, operator";

#[test]
fn errors_of_the_file_as_a_whole() {
    check_error("", "about: is missing, expected one sentence: what must hold");
    check_error("about = \"x\"", "cluster: is missing, expected a table, [cluster], with nodes");
    check_error("about = 3", "line 1: about: found integer `3`, expected a name");
    check_error(
        "about = \"x\"\ncluster = 3",
        "line 2: cluster: found integer `3`, expected a table, [cluster]",
    );
    check_error(
        "about = \"x\"\n[cluster]\nrules = \"default\"",
        "line 2: cluster.nodes: is missing, expected a number of nodes from 1 to 10000",
    );
    check_error(
        "about = \"x\"\nseed = -1",
        "line 2: seed: found integer `-1`, expected a whole number, 0 or more",
    );
    check_error("about = \"x\"\nabout = \"y\"", "line 2: duplicate key, found \"about\"");
}

#[test]
fn errors_of_the_cluster() {
    let cluster = |keys: &str| format!("about = \"x\"\n[cluster]\nnodes = 3\n{keys}");
    check_error(
        "about = \"x\"\n[cluster]\nnodes = 0",
        "line 3: cluster.nodes: found 0, expected a number of nodes from 1 to 10000",
    );
    check_error(
        "about = \"x\"\n[cluster]\nnodes = \"3\"",
        "line 3: cluster.nodes: found string \"3\", expected a whole number, 0 or more",
    );
    check_error(
        &cluster("node = 3"),
        "line 4: cluster.node: unknown key, expected one of nodes, rules, properties, firewall, flows, queued, start, flow_load, load_failures, nifi; did you mean nodes?",
    );
    check_error(
        &cluster("rules = \"nifi-9\""),
        "line 4: cluster.rules: found \"nifi-9\", expected one of default, 1.28, 2.x",
    );
    check_error(
        &cluster("flows = { n4 = \"B\" }"),
        "line 4: cluster.flows: found n4, expected n1 to n3, for cluster.nodes is 3",
    );
    check_error(
        &cluster("flows = { n3 = \"none\" }"),
        "line 4: cluster.flows.n3: found \"none\", expected \"empty\", \"empty:<name>\" or a name, of letters, digits, '.', '_' and '-', and not \"none\"",
    );
    check_error(
        &cluster("flows = { each = \"B\" }"),
        "line 4: cluster.flows.each: found \"each\", expected \"all\" or a node such as \"n1\"",
    );
    check_error(
        &cluster("queued = { n1 = \"q1\" }"),
        "line 4: cluster.queued.n1: found string \"q1\", expected a list in brackets",
    );
    check_error(
        &cluster("load_failures = { n1 = 5000000000 }"),
        "line 4: cluster.load_failures.n1: found 5000000000, expected at most 4294967295",
    );
    check_error(
        &cluster("[cluster.nifi]\nnifi.cluster.is.node = \"true\""),
        "line 5: cluster.nifi.nifi: found \"nifi\", expected a key of nifi.properties, as a whole in quotes, such as \"nifi.cluster.flow.election.max.wait.time\"",
    );
    check_error(
        &cluster("[cluster.nifi]\n\"nifi.cluster.is.node\" = true"),
        "line 5: cluster.nifi.\"nifi.cluster.is.node\": found boolean `true`, expected a string",
    );
    check_error(
        &cluster("[zookeeper]\ntick = \"0s\""),
        "line 5: zookeeper.tick: found \"0s\", expected at least \"1ms\"",
    );
    check_error(
        &cluster("[network]\nlatency = \"5ms..1ms\""),
        "line 5: network.latency: found \"5ms..1ms\", expected a duration such as \"2s\", or two with the shorter first such as \"1ms..5ms\"",
    );
}

#[test]
fn errors_of_a_step() {
    check_rest(
        "[[plan]]\ncrash = \"n1\"",
        "line 6: at: is missing, expected the time when the step begins, such as \"60s\" or \"60s..70s\", or what it waits for, with when or after",
    );
    check_step("", &format!("line 6: plan: a step without an action, expected one of {ACTIONS}"));
    check_step(
        "stop = \"n1\"\ncrash = \"n1\"",
        "line 9: crash: a second action beside stop, expected exactly one in a step",
    );
    check_step("crash = \"n4\"", "line 8: crash: found n4, expected n1 to n3, for cluster.nodes is 3");
    check_step(
        "crash = \"rest\"",
        "line 8: crash: found \"rest\", expected \"n1\" or another node, \"coordinator\", \"primary\", \"all\", \"zk1\" or another ZooKeeper server, \"zk-leader\", \"zk-followers\" or \"zookeeper\"",
    );
    check_step(
        "stop = \"zk1\"",
        "line 8: stop: found \"zk1\", expected \"n1\" or another node, \"coordinator\", \"primary\" or \"all\"",
    );
    check_step(
        "stop = [\"n1\"]",
        "line 8: stop: found sequence, expected \"n1\" or another node, \"coordinator\", \"primary\" or \"all\"",
    );
    check_step(
        "start = \"n1\"\nfor = \"1s\"",
        "line 9: for: makes no sense with start, expected only with cut, loss, duplicate, delay, crash, wipe, stop, pause, slow, clock, zookeeper",
    );
    check_step(
        "clock = \"n1\"\njump = \"1s\"\nfor = \"1s\"",
        "line 10: for: makes no sense with clock here, which is over at once",
    );
    check_step(
        "slow = \"n1\"\nby = \"1s\"\nfor = \"ever\"",
        "line 10: for: found \"ever\", expected a duration, for slow ends with the healing at the latest",
    );
    check_step("cut = \"n1 | n2\"\nfor = \"0s\"", "line 9: for: found \"0s\", expected a longer duration");
    check_step(
        "cut = \"n1 | n2\"\nfor = 60",
        "line 9: for: found integer `60`, expected \"ever\", or a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days",
    );
    check_step("pause = \"n1\"", "line 6: for: is missing, expected a length for pause, such as \"10s\"");
    check_step(
        "zookeeper = \"down\"",
        "line 6: for: is missing, expected a length for zookeeper, such as \"10s\"",
    );
    check_step("zookeeper = \"up\"", "line 8: zookeeper: found \"up\", expected \"down\"");
    check_step("slow = \"n1\"", "line 6: by: is missing, expected how much later, such as \"200ms\"");
    check_step("clock = \"n1\"", "line 6: clock: jump, drift and set are missing, expected one of them");
    check_step(
        "clock = \"n1\"\njump = \"1s\"\ndrift = \"1ppm\"",
        "line 10: drift: expected one of jump, drift and set",
    );
    check_step(
        "clock = \"n1\"\ndrift = \"100001ppm\"",
        "line 9: drift: found \"100001ppm\", expected a drift from \"-100000ppm\" to \"+100000ppm\", such as \"+500ppm\", and not zero",
    );
    check_step(
        "stop = \"n1\"\ndisk = \"wiped\"",
        "line 9: disk: makes no sense with stop, expected only with crash",
    );
    check_step(
        "crash = \"n1\"\ndisk = \"lost\"",
        "line 9: disk: found \"lost\", expected \"kept\", \"last-write-lost\" or \"wiped\"",
    );
    check_rest(
        "[[plan]]\nat = \"60s\"\ncrash = \"n1\"\n[[plan]]\nat = \"70s\"\nkill = \"n1\"",
        "line 11: kill: unknown key, expected one of at, when, after, for, cut, loss, duplicate, delay, between, protocol, crash, disk, wipe, stop, start, restart, pause, input, slow, by, clock, jump, drift, set, expire, zookeeper, operator",
    );
    check_error(
        "about = \"x\"\nheal = \"10s\"\n[cluster]\nnodes = 1\n[[plan]]\nat = \"11s\"\nstop = \"n1\"",
        "line 2: heal: found \"10s\", expected no earlier than the last step, which begins at \"11s\"",
    );
}

#[test]
fn errors_of_a_time_and_of_a_condition() {
    let a_time = "expected a time such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days, or two with the earlier first such as \"60s..70s\"";
    for wrong in ["soon", "70s..60s", "60s..", "..60s", "60s..70s..80s", "-1s", "1001 days"] {
        check_rest(
            &format!("[[plan]]\nat = \"{wrong}\"\ncrash = \"n1\""),
            &format!("line 7: at: found \"{wrong}\", {a_time}"),
        );
    }
    let a_state = "expected a node, \"is\" and CONNECTING, CONNECTED, DISCONNECTING, DISCONNECTED, OFFLOADING, OFFLOADED or REMOVED, such as \"n1 is CONNECTED\"; after DISCONNECTED a disconnection code may follow, such as \"n1 is DISCONNECTED LACK_OF_HEARTBEAT\"";
    for wrong in ["", "n1", "n1 is UP", "coordinator is CONNECTED", "n1 is CONNECTED UNKNOWN"] {
        check_step(
            &format!("when = \"{wrong}\"\ncrash = \"n1\""),
            &format!("line 8: when: found \"{wrong}\", {a_state}"),
        );
    }
    check_step(
        "when = \"n4 is CONNECTED\"\ncrash = \"n1\"",
        "line 8: when: found n4, expected n1 to n3, for cluster.nodes is 3",
    );
    check_step(
        "after = \"one-acting-coordinator\"\ncrash = \"n1\"",
        "line 8: after: found \"one-acting-coordinator\", expected one of all-connected, primary-exists",
    );
    check_step(
        "after = \"all-connected\"\nwhen = \"n1 is CONNECTED\"\ncrash = \"n1\"",
        "line 9: when: a second condition beside after, expected one of them",
    );
    check_step(
        "when = \"n1 is CONNECTED\"\nafter = \"all-connected\"\ncrash = \"n1\"",
        "line 9: after: a second condition beside when, expected one of them",
    );
    check_error(
        "about = \"x\"\nheal = \"65s\"\n[cluster]\nnodes = 1\n[[plan]]\nat = \"60s..70s\"\nstop = \"n1\"",
        "line 2: heal: found \"65s\", expected no earlier than the last step, which begins at \"70s\"",
    );
}

#[test]
fn errors_of_a_start() {
    let start = |start: &str| format!("about = \"x\"\n[cluster]\nnodes = 3\nstart = {{ n2 = \"{start}\" }}");
    check_error(
        &start("later"),
        "line 4: cluster.start.n2: found \"later\", expected a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days, or the state of another node such as \"n1 is CONNECTED\"",
    );
    check_error(
        &start("n4 is CONNECTED"),
        "line 4: cluster.start.n2: found n4, expected n1 to n3, for cluster.nodes is 3",
    );
    check_error(
        &start("n2 is CONNECTED"),
        "line 4: cluster.start.n2: found \"n2 is CONNECTED\", expected the state of another node, for n2 has none before it starts",
    );
}

#[test]
fn errors_about_zookeeper_servers() {
    check_rest(
        "[zookeeper]\nservers = 0",
        "line 7: zookeeper.servers: found 0, expected a number from 1 to 9",
    );
    check_rest(
        "[zookeeper]\nsync_limit = 0",
        "line 7: zookeeper.sync_limit: found 0, expected a number from 1 to 10000",
    );
    check_rest(
        "[zookeeper]\nrelease = \"3.7\"",
        "line 7: zookeeper.release: found \"3.7\", expected \"3.8.0\" or \"3.9.5\"",
    );
    check_rest(
        "[zookeeper]\nmin_session_timeout = \"41s\"",
        "line 7: zookeeper.min_session_timeout: found \"41s\", expected at most max_session_timeout, \"40s\", which is twenty ticks by default",
    );
    check_rest(
        "[zookeeper]\ntick = \"3s\"\nmax_session_timeout = \"5s\"",
        "line 8: zookeeper.max_session_timeout: found \"5s\", expected at least min_session_timeout, \"6s\", which is two ticks by default",
    );
    check_rest(
        "[zookeeper]\nmax_session_timeout = \"5s\"\nmin_session_timeout = \"6s\"",
        "line 8: zookeeper.min_session_timeout: found \"6s\", expected at most max_session_timeout, \"5s\"",
    );
    check_rest(
        "[zookeeper]\nmax_session_timeout = \"25 days\"",
        "line 7: zookeeper.max_session_timeout: found \"600h\", expected whole milliseconds from \"1ms\" to \"2147483647ms\"",
    );
    check_rest(
        "[zookeeper]\nmin_session_timeout = \"0s\"",
        "line 7: zookeeper.min_session_timeout: found \"0s\", expected whole milliseconds from \"1ms\" to \"2147483647ms\"",
    );
    check_step("crash = \"zk2\"", "line 8: crash: found zk2, expected zk1, for zookeeper.servers is 1");
    check_rest(
        "[zookeeper]\nservers = 3\n[[plan]]\nat = \"1s\"\ncut = \"n1 | zk4\"",
        "line 10: cut: found zk4, expected zk1 to zk3, for zookeeper.servers is 3",
    );
    check_step(
        "crash = \"zk1\"\ndisk = \"wiped\"",
        "line 9: disk: found \"wiped\", expected \"kept\", for a ZooKeeper server loses nothing",
    );
    check_step(
        "clock = \"n1\"\nset = \"+1h\"",
        "line 9: set: expected only with ZooKeeper servers, for nodes have no wall clock",
    );
    check_step(
        "clock = \"zk1\"\nset = \"1h\"",
        "line 9: set: found \"1h\", expected a duration with its sign such as \"+1h\" or \"-90s\", of whole milliseconds and not zero",
    );
    check_step(
        "cut = \"zk1 | zookeeper\"\nprotocol = \"zookeeper\"",
        "line 8: cut: found \"zk1 | zookeeper\", expected nodes on one side, for protocol = \"zookeeper\"",
    );
    check_step(
        "cut = \"n1 | zookeeper\"\nprotocol = \"ensemble\"",
        "line 8: cut: found \"n1 | zookeeper\", expected ZooKeeper servers on both sides, for protocol = \"ensemble\"",
    );
}

#[test]
fn errors_of_links() {
    check_step(
        "cut = \"n1\"",
        "line 8: cut: found \"n1\", expected two sides of selectors with \"|\" or \">\" between them, such as \"n1, n2 | rest\" or \"n1 > zookeeper\"",
    );
    check_step("cut = \"n1 | n7\"", "line 8: cut: found n7, expected n1 to n3, for cluster.nodes is 3");
    check_step("cut = \"n1 | n1\"", "line 8: cut: found \"n1 | n1\", expected n1 only once");
    check_step(
        "cut = \"rest | all\"",
        "line 8: cut: found \"rest | all\", expected single nodes for rest to be the rest of",
    );
    check_step(
        "cut = \"rest > zookeeper\"",
        "line 8: cut: found \"rest > zookeeper\", expected single nodes for rest to be the rest of",
    );
    check_step(
        "cut = \"n1 | n2\"\nprotocol = \"zookeeper\"",
        "line 8: cut: found \"n1 | n2\", expected zookeeper on one side, for protocol = \"zookeeper\"",
    );
    check_step(
        "loss = \"1%\"\nbetween = \"n1 | zk1\"\nprotocol = \"cluster\"",
        "line 9: between: found \"n1 | zk1\", expected nodes on both sides, for protocol = \"cluster\"",
    );
    check_step(
        "loss = \"110%\"",
        "line 8: loss: found \"110%\", expected a ratio from 0 to 1 such as \"10%\" or \"1/3\"",
    );
    check_step(
        "cut = \"n1 | n2\"\nbetween = \"n1 | n2\"",
        "line 9: between: makes no sense with cut, expected only with loss, duplicate, delay",
    );
}

#[test]
fn errors_of_an_operator() {
    check_step(
        "operator = \"n1\"",
        "line 8: operator: found string \"n1\", expected a table such as { at = \"n2\", disconnect = \"n3\" }",
    );
    check_step(
        "operator = { disconnect = \"n1\" }",
        "line 8: operator.at: is missing, expected the node that is asked, such as \"n2\"",
    );
    check_step(
        "operator = { at = \"n1\" }",
        "line 8: operator: a request is missing, expected one of connect, disconnect, remove, offload",
    );
    check_step(
        "operator = { at = \"n1\", connect = \"n2\", remove = \"n2\" }",
        "line 8: operator.remove: a second request beside operator.connect, expected exactly one",
    );
    check_step(
        "operator = { at = \"n1\", remove = \"n9\" }",
        "line 8: operator.remove: found n9, expected n1 to n3, for cluster.nodes is 3",
    );
    check_step(
        "operator = { at = \"all\", remove = \"n1\" }",
        "line 8: operator.at: found \"all\", expected \"n1\" or another node, \"coordinator\" or \"primary\"",
    );
}

#[test]
fn errors_of_expectations() {
    check_rest(
        "[expect]\nalways = [\"all-connected\"]",
        "line 7: expect.always: found \"all-connected\", expected one of one-acting-coordinator, no-flow-is-lost",
    );
    check_rest(
        "[expect]\neventually = { sometime = \"60s\" }",
        "line 7: expect.eventually: found \"sometime\", expected one of all-connected, primary-exists",
    );
    check_rest(
        "[expect]\nviolates = [\"x\"]",
        "line 7: expect.violates: found \"x\", expected one of one-acting-coordinator, no-flow-is-lost, all-connected, primary-exists",
    );
    let reaches = |event: &str| {
        let text = format!("{SMALLEST}[expect]\nreaches = [\"elected\", \"{event}\"]");
        Scenario::parse(&text, &KNOWN).unwrap_err().to_string()
    };
    let unknown = reaches("electd");
    assert!(
        unknown.starts_with(
            "line 5: expect.reaches: found \"electd\", expected an event of the timeline, one of CONNECTING, "
        ),
        "{unknown}"
    );
    assert!(unknown.ends_with("; did you mean elected?"), "{unknown}");
    assert!(reaches("passed").contains("found \"passed\", expected an event"), "a verdict is none");
    let state = |keys: &str| format!("[[expect.state]]\nat = \"1s\"\nnode = \"n1\"\n{keys}");
    check_rest(
        &state(""),
        "line 6: state: is missing, expected CONNECTING, CONNECTED, DISCONNECTING, DISCONNECTED, OFFLOADING, OFFLOADED or REMOVED",
    );
    check_rest(
        &state("state = \"GONE\""),
        "line 9: state: found \"GONE\", expected CONNECTING, CONNECTED, DISCONNECTING, DISCONNECTED, OFFLOADING, OFFLOADED or REMOVED",
    );
    check_rest(
        &state("state = \"CONNECTED\"\ncode = \"UNKNOWN\""),
        "line 10: code: makes no sense with CONNECTED, expected only with DISCONNECTED",
    );
    check_rest(
        &state("state = \"DISCONNECTED\"\ncode = \"LOST\""),
        "line 10: code: found \"LOST\", expected a disconnection code such as LACK_OF_HEARTBEAT or NODE_SHUTDOWN",
    );
}

#[test]
fn errors_of_the_rules() {
    let check_rules = |rules: &str, expected: &str| {
        check_error(&format!("{SMALLEST}[cluster.rules]\n{rules}"), expected);
    };
    check_rules(
        "base = \"nifi-9\"",
        "line 5: cluster.rules.base: found \"nifi-9\", expected one of default, 1.28, 2.x",
    );
    check_rules(
        "base = \"default\"\ncomplete_by_attempt = \"yes\"",
        "line 6: cluster.rules.complete_by_attempt: found \"yes\", expected true or false",
    );
    check_rules(
        "leadership_check = \"NamRead\"",
        "line 5: cluster.rules.leadership_check: found \"NamRead\", expected OwnZnode or NameRead; did you mean NameRead?",
    );
    check_rules(
        "leadership_cache = 5",
        "line 5: cluster.rules.leadership_cache: found 5, expected a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days",
    );
    check_rules(
        "# a comment\nauto_reconnect = [\"GONE\"]",
        "line 6: cluster.rules.auto_reconnect: found \"GONE\", expected a list in brackets of UNKNOWN, NOT_YET_CONNECTED, USER_DISCONNECTED, LACK_OF_HEARTBEAT, BLOCKED_BY_FIREWALL, STARTUP_FAILURE, MISMATCHED_FLOWS, MISSING_BUNDLE, UNABLE_TO_COMMUNICATE, FAILED_TO_SERVICE_REQUEST, HEARTBEAT_RECEIVED_FROM_DISCONNECTED_NODE, NODE_SHUTDOWN",
    );
    check_error(
        "about = \"x\"\n[cluster]\nnodes = 1\nrules = true",
        "line 4: cluster.rules: found boolean `true`, expected a name, or a table, [cluster.rules], with base and with single rules",
    );
    let unknown = Scenario::parse(&format!("{SMALLEST}[cluster.rules]\nact_under_leese = true"), &KNOWN);
    let unknown = unknown.unwrap_err();
    assert_eq!((unknown.line, unknown.key.as_str()), (Some(5), "cluster.rules.act_under_leese"));
    assert!(unknown.message.starts_with("unknown rule, expected one of act_under_lease, "), "{unknown}");
    assert!(unknown.message.ends_with("; did you mean act_under_lease?"), "{unknown}");
}

#[test]
fn a_builder_reports_its_first_mistake() {
    let check = |builder: ScenarioBuilder, expected: &str| {
        assert_eq!(builder.build().unwrap_err().to_string(), expected);
    };
    check(Scenario::of(0), "cluster.nodes: found 0, expected a number of nodes from 1 to 10000");
    check(
        Scenario::of(NODES_MAX + 1),
        "cluster.nodes: found 10001, expected a number of nodes from 1 to 10000",
    );
    check(
        Scenario::of(3).rule("complete_by_attempt", "yes"),
        "cluster.rules: complete_by_attempt: found \"yes\", expected true or false",
    );
    check(Scenario::of(3).cut("n1 | n2"), "cut: there is no step yet, expected at() before it");
    check(
        Scenario::of(3).at("1s").stop("n1").at("2s").cut("n1 | n9"),
        "step 2, cut: found n9, expected n1 to n3, for cluster.nodes is 3",
    );
    check(
        Scenario::of(3).at("1s").loss("a lot").stop("nobody"),
        "step 1, loss: found \"a lot\", expected a ratio from 0 to 1 such as \"10%\" or \"1/3\"",
    );
    check(
        Scenario::of(3).at("1s").stop("n1").crash("n1"),
        "step 1, stop: a second action beside crash, expected exactly one in a step",
    );
    check(
        Scenario::of(3).at("70s..60s").stop("n1"),
        "step 1, at: found \"70s..60s\", expected a time such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days, or two with the earlier first such as \"60s..70s\"",
    );
    check(
        Scenario::of(3).at("1s").stop("n1").at("2s").when("n9 is CONNECTED").stop("n1"),
        "step 2, when: found n9, expected n1 to n3, for cluster.nodes is 3",
    );
    check(
        Scenario::of(3).until(Duration::from_nanos(1)),
        "until: found \"1ns\", expected a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days",
    );
}
