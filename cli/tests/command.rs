//! The command as people use it: what it prints where, and how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs the command with these arguments, separated by spaces, in the folder of this package.
fn zeromaster(arguments: &str) -> Output {
    command(arguments).output().expect("the command can be started")
}

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeromaster"));
    command.args(arguments.split(' ').filter(|word| !word.is_empty()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("what it prints is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("what it says is text")
}

/// The command ends with `code`; what it printed.
#[track_caller]
fn check(arguments: &str, code: i32) -> String {
    let output = zeromaster(arguments);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "zeromaster {arguments}\n{out}\n{err}");
    out
}

/// The command ends with 2, prints nothing, and says this.
#[track_caller]
fn check_refused(arguments: &str, expected: &str) {
    let output = zeromaster(arguments);
    assert_eq!(output.status.code(), Some(2), "zeromaster {arguments}");
    assert_eq!(stdout(&output), "", "zeromaster {arguments}");
    let said = stderr(&output);
    assert!(said.contains(expected), "zeromaster {arguments}\nsaid:     {said}\nexpected: {expected}");
}

/// A file of this test; `name` is unique among the tests.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// A file of NiFi's; where it is absent, the test says so and passes.
#[expect(clippy::disallowed_macros, reason = "a test may panic")]
fn real_file(name: &str) -> Option<String> {
    let path = Path::new("../../shared/data/nifi").join(name);
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists() {
        eprintln!("skipped: there is no {}", path.display());
        return None;
    }
    Some(path.display().to_string())
}

/// A coordinator sleeps longer than its ZooKeeper session lives.
const SLEEPER: &str = r#"
about = "A coordinator that slept through its own succession must not decide anything when it wakes."
[cluster]
nodes = 3
nifi."nifi.cluster.flow.election.max.wait.time" = "10 secs"
[[plan]]
at = "60s"
pause = "coordinator"
for = "60s"
"#;

/// Under the rules of NiFi 1.28 it decides something when it wakes.
const WAKER: &str = r#"
about = "A coordinator that wakes after its session has ended leaves everything to its successor."
until = "90s"

[cluster]
nodes = 4
start = { n2 = "2s", n3 = "3s", n4 = "31s" }

[cluster.nifi]
"nifi.cluster.flow.election.max.candidates" = "1"
"nifi.zookeeper.session.timeout" = "3 secs"

[zookeeper]
tick = "500ms"

[[plan]]
at = "30100ms"
pause = "coordinator"
for = "4700ms"
"#;

#[test]
fn with_nothing_to_go_by_a_story_is_told() {
    let story = check("run", 0);
    for part in ["flow elected", "Cluster Coordinator", "crash", "[C C C]", "passed"] {
        assert!(story.contains(part), "{part}\n{story}");
    }
    assert!(story.lines().count() < 80, "a minute is enough to read it");
}

#[test]
fn a_cluster_of_any_size_starts_until_all_are_connected() {
    for (nodes, states) in [(1, "[C]"), (3, "[C C C]"), (7, "[C C C C C C C]")] {
        let timeline = check(&format!("run --nodes {nodes}"), 0);
        let last = timeline.lines().last().unwrap_or_default();
        assert!(last.contains(states) && last.contains("passed"), "{timeline}");
    }
}

#[test]
fn the_exit_code_is_the_verdict() {
    let sleeper = file("exit/sleeper.toml", SLEEPER);
    let sleeper = sleeper.display();
    check(&format!("run {sleeper} --quiet"), 0);
    let waker = file("exit/waker.toml", WAKER);
    let waker = waker.display();
    check(&format!("run {waker} --quiet"), 0);
    check(&format!("run {waker} --quiet --rules 1.28"), 1);

    let asked_too_much =
        SLEEPER.replace("[[plan]]", "[expect.eventually]\n\"all-connected\" = \"1ms\"\n[[plan]]");
    let impatient = file("exit/impatient.toml", &asked_too_much);
    check(&format!("run {} --quiet", impatient.display()), 3);
    check(&format!("fuzz {} --seeds 0..3", impatient.display()), 3);
    check(&format!("fuzz {waker} --seeds 0..3 --rules 1.28"), 1);
    check(&format!("fuzz {sleeper} --seeds 0..3"), 0);
    check("run --drawn", 2);
    check("--help", 0);
}

#[test]
fn a_violation_is_reported_with_the_line_that_shows_it_again() {
    let waker = file("report/waker.toml", WAKER);
    let arguments = format!("run {} --rules 1.28 --seed 4", waker.display());
    let printed = check(&arguments, 1);
    let (timeline, report) = printed.split_once("\nviolated: ").expect("there is a report");
    assert!(timeline.starts_with("# seed 4 ") && timeline.contains("VIOLATED"), "{timeline}");
    assert!(report.starts_with("one-acting-coordinator at 34.800 s"), "{report}");
    assert!(report.contains("what each node believed:\n  n1: "), "{report}");
    let replay = report.lines().find_map(|line| line.strip_prefix("  zeromaster ")).expect("there is a line");
    assert_eq!(check(replay, 1), printed);

    let lines = zeromaster(&format!("{arguments} --format jsonl"));
    assert!(stdout(&lines).lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    assert!(stderr(&lines).contains("violated: one-acting-coordinator"));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for arguments in ["run --seed 3", "run --drawn --seed 11", "run --nodes 4 --seed 9 --format jsonl"] {
        assert_eq!(check(arguments, 0), check(arguments, 0), "{arguments}");
    }
    assert_ne!(check("run --seed 3", 0), check("run --seed 4", 0));
}

#[test]
fn a_printed_plan_runs_to_the_same_timeline() {
    let properties = file("plan/nifi.properties", "nifi.cluster.flow.election.max.wait.time=7 secs\n");
    let firewall = file("plan/firewall", "n1\nn2 # the third one stays out\r\n10.0.0.4/31\n");
    let with_files =
        format!("--nodes 4 --properties {} --firewall {}", properties.display(), firewall.display());
    let drawn = (0..8).chain([u64::MAX]).map(|seed| format!("--drawn --seed {seed}"));
    let others = ["", "--seed 5 --until 600s", "--nodes 2 --rules 1.28", &with_files].map(str::to_owned);
    for (number, arguments) in drawn.chain(others).enumerate() {
        let plan = check(&format!("run {arguments} --print-plan"), 0);
        let path = file(&format!("plan/{number}.toml"), &plan);
        let replayed = check(&format!("run {}", path.display()), 0);
        assert_eq!(replayed, check(&format!("run {arguments}"), 0), "{arguments}\n{plan}");
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_jobs() {
    for arguments in ["fuzz --seeds 0..40", "fuzz --seeds 100..160 --rules 1.28"] {
        let one = zeromaster(&format!("{arguments} --jobs 1"));
        let two = zeromaster(&format!("{arguments} --jobs 2"));
        assert_eq!((one.status, stdout(&one)), (two.status, stdout(&two)), "{arguments}");
        assert!(stderr(&one).contains("runs per second"), "{arguments}");
    }
}

#[test]
fn findings_come_in_the_order_of_the_seeds_and_each_can_be_replayed() {
    let found = check("fuzz --seeds 100..140 --rules 1.28", 1);
    let seeds: Vec<u64> = found
        .lines()
        .filter_map(|line| line.strip_prefix("seed ")?.split(':').next()?.parse().ok())
        .collect();
    assert!(!seeds.is_empty() && seeds.is_sorted(), "{found}");
    let replay = found.lines().find_map(|line| line.strip_prefix("  zeromaster ")).expect("there is a line");
    let replayed = zeromaster(replay);
    assert_eq!(replayed.status.code().map(|code| code == 0), Some(false), "{replay}");
}

#[test]
fn single_rules_are_overridden_by_arguments_and_by_files() {
    let rules = "--rules 1.28 --rule complete_by_attempt=true --rule leadership_cache=2s";
    let timeline = check(&format!("run {rules}"), 0);
    let header = "# seed 1 · 3 nodes · 1 ZooKeeper server · rules 1.28 with complete_by_attempt = true, leadership_cache = \"2s\"\n";
    assert!(timeline.starts_with(header), "{timeline}");
    let plan = check(&format!("run {rules} --print-plan"), 0);
    assert!(plan.contains("\n[cluster.rules]\nbase = \"1.28\"\ncomplete_by_attempt = true\n"), "{plan}");
    let printed = file("rules/printed.toml", &plan);
    assert_eq!(timeline, check(&format!("run {}", printed.display()), 0));
    // With the one rule that it breaks under, the scenario holds.
    let waker = file("rules/waker.toml", WAKER);
    let waker = waker.display();
    check(&format!("run {waker} --quiet --rules 1.28 --rule act_under_lease=false"), 1);
    check(&format!("run {waker} --quiet --rules 1.28 --rule act_under_lease=true"), 0);

    let found = zeromaster(&format!("fuzz {waker} --seeds 0..3 {rules}"));
    assert!(stdout(&found).contains(&format!(" {rules} --seed ")), "{}", stdout(&found));
    let found = zeromaster(&format!("fuzz --seeds 0..200 {rules}"));
    assert!(
        stdout(&found).contains(&format!("  zeromaster run --drawn {rules} --seed ")),
        "{}",
        stdout(&found)
    );
}

#[test]
fn a_scenario_runs_in_the_other_world() {
    let sleeper = file("madsim/sleeper.toml", SLEEPER);
    let arguments = format!("run {} --world madsim", sleeper.display());
    let timeline = check(&arguments, 0);
    assert!(
        timeline.starts_with("# seed 1 · 3 nodes · 1 ZooKeeper server · rules default · world madsim\n"),
        "{timeline}"
    );
    for word in ["pause", "expired", "resumes", "passed"] {
        assert!(timeline.contains(word), "{word} is missing in\n{timeline}");
    }
    assert_eq!(timeline, check(&arguments, 0));
}

#[test]
fn what_the_other_world_cannot_express_is_refused_by_name() {
    let text = SLEEPER.replace("pause = \"coordinator\"\nfor = \"60s\"", "clock = \"n2\"\njump = \"9s\"");
    let jump = file("madsim/jump.toml", &text);
    check(&format!("run {} --quiet", jump.display()), 0);
    let refused = "madsim cannot express clock n2 jump 9s at 60s: it has one clock for all machines";
    check_refused(&format!("run {} --world madsim", jump.display()), refused);
    check_refused(&format!("fuzz {} --seeds 0..2 --world madsim", jump.display()), refused);
}

#[test]
fn drawn_plans_are_cut_down_to_what_the_other_world_can_express() {
    let tally = check("fuzz --seeds 0..8 --world madsim --jobs 2", 0);
    assert_eq!(tally, check("fuzz --seeds 0..8 --world madsim --jobs 1", 0));
    assert!(tally.contains("steps left out"), "{tally}");
    let one = zeromaster("run --drawn --seed 0 --world madsim --quiet");
    assert!(stderr(&one).contains("left out: madsim cannot express"), "{}", stderr(&one));
}

#[test]
fn a_wrong_value_is_named_with_its_file_its_line_and_what_was_expected() {
    let text = "# two lines\nnifi.cluster.is.node=true\nnifi.cluster.protocol.heartbeat.interval=5 apples\n";
    let properties = file("wrong/nifi.properties", text);
    let properties = properties.display();
    let key = "nifi.cluster.protocol.heartbeat.interval";
    check_refused(
        &format!("run --properties {properties}"),
        &format!("{properties}: line 3: {key} = 5 apples: expected a duration such as \"5 secs\""),
    );

    // From the scenario file the path of the properties file is short.
    let head = "about = \"x\"\n[cluster]\nnodes = 2\n";
    let names_it = file("wrong/names.toml", &format!("{head}properties = \"nifi.properties\"\n"));
    check_refused(&format!("run {}", names_it.display()), &format!("{properties}: line 3: {key}"));
    let overrides = file("wrong/overrides.toml", &format!("{head}nifi.\"{key}\" = \"5 apples\"\n"));
    let overrides = overrides.display();
    check_refused(
        &format!("run {overrides}"),
        &format!("{overrides}: line 4: cluster.nifi: {key} = 5 apples"),
    );

    let cut = file("wrong/cut.toml", &format!("{head}[[plan]]\nat = \"1s\"\ncut = \"n9 | rest\"\n"));
    let cut = cut.display();
    check_refused(&format!("run {cut}"), &format!("{cut}: line 6: cut: found n9, expected n1 to n2"));
    check_refused(&format!("fuzz --seeds 0..5 {cut}"), &format!("{cut}: line 6: cut: found n9"));

    let sleeper = file("wrong/small.toml", &SLEEPER.replace("coordinator\"\n", "n3\"\n"));
    let sleeper = sleeper.display();
    check_refused(&format!("run {sleeper} --nodes 2"), &format!("--nodes 2: {sleeper}: pause: found n3"));
    check_refused("run nowhere.toml", "nowhere.toml: there is no such file");
    check_refused("scenarios nowhere", "nowhere: there is no such file or folder");
    check_refused("fuzz --seeds 5..5", "expected two seeds such as 0..1000");
    check_refused("run --rules 3.0", "1.28");
    let rules = format!("{head}[cluster.rules]\nbase = \"1.28\"\ncomplete_by_attemp = true\n");
    let rules = file("wrong/rules.toml", &rules);
    let rules = rules.display();
    check_refused(
        &format!("run {rules}"),
        &format!("{rules}: line 6: cluster.rules.complete_by_attemp: unknown rule, expected one of"),
    );
    check_refused(&format!("run {rules}"), "; did you mean complete_by_attempt?");
    check_refused("run --rule complete_by_attempt=maybe", "found \"maybe\", expected true or false");
    check_refused("fuzz --seeds 0..2 --rule leadership_chek=NameRead", "did you mean leadership_check?");
    check_refused("run --until later", "expected a duration");
    check_refused("zookeeper --super-digest super:test", "SHA-1");
}

#[test]
fn a_file_without_any_property_of_nifi_is_refused() {
    for (name, text) in [
        ("strange/zoo.cfg", "tickTime=2000\nclientPort=2181\n"),
        ("strange/empty.properties", ""),
        ("strange/pom.xml", "<project>\n  <artifactId>nifi</artifactId>\n</project>\n"),
        (
            "strange/nifi-app.log",
            "2026-11-30 10:00:00,000 INFO [main] org.apache.nifi.NiFi Launching NiFi...\n",
        ),
        ("strange/bytes", "\0\u{1}\u{7f}nifi\u{0}=\\u12\n"),
    ] {
        let path = file(name, text);
        check_refused(
            &format!("run --nodes 1 --properties {}", path.display()),
            &format!(
                "{}: no property of NiFi is in it, expected a nifi.properties with keys such as",
                path.display()
            ),
        );
    }
    let one = file("strange/nifi.properties", "nifi.cluster.node.connection.timeout=5 secs\n");
    // The default of NiFi's code, 3 s, of which a server makes two ticks; NiFi ships 10 s.
    let run = check(&format!("run --nodes 1 --properties {}", one.display()), 0);
    assert!(run.contains("timeout 4s"), "{run}");
}

#[test]
fn keys_that_nifi_does_not_know_and_keys_without_effect_are_named() {
    let text = "# two nodes\nnifi.cluster.is.node=true\nnifi.cluster.flow.election.max.candidate=3\n\
                nifi.zookeeper.connect.string=h:2181\nnifi.zookeeper.auth.type=sasl\nnifi.content.anything=1\n\
                nifi.cluster.load.balance.host=\n";
    let path = file("keys/nifi.properties", text);
    let run = zeromaster(&format!("run --nodes 1 --properties {}", path.display()));
    let path = path.display();
    let expected = format!(
        "warning: {path}: line 3: nifi.cluster.flow.election.max.candidate: NiFi has no such key, and its value has no \
         effect; did you mean nifi.cluster.flow.election.max.candidates?\n\
         note: {path}: these keys have no effect here: nifi.zookeeper.auth.type\n"
    );
    assert_eq!((run.status.code(), stderr(&run)), (Some(0), expected));
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_the_nearest() {
    let head = "about = \"x\"\n[cluster]\nnodes = 2\n";
    for (name, rest, expected) in [
        (
            "always",
            "[expect]\nalways = [\"one-histori\"]\n",
            "line 5: expect.always: found \"one-histori\", expected one of",
        ),
        ("always-meant", "[expect]\nalways = [\"one-histori\"]\n", "; did you mean one-history?"),
        ("eventually", "[expect]\neventually = { all-conected = \"1s\" }\n", "did you mean all-connected?"),
        ("violates", "[expect]\nviolates = [\"one-elected-flo\"]\n", "did you mean one-elected-flow?"),
        (
            "key",
            "[cluster.nifi]\n\"nifi.cluster.is.nod\" = \"true\"\n",
            "line 5: cluster.nifi.\"nifi.cluster.is.nod\": NiFi has no such key; did you mean nifi.cluster.is.node?",
        ),
    ] {
        let path = file(&format!("names/{name}.toml"), &format!("{head}{rest}"));
        check_refused(&format!("run {}", path.display()), expected);
    }
}

#[test]
fn there_are_as_many_zookeeper_servers_as_the_connect_string_names() {
    let header = |name: &str, text: &str, scenario: &str| {
        let properties = file(&format!("servers/{name}.properties"), text);
        let head = "about = \"x\"\n[cluster]\nnodes = 2\n";
        let scenario = file(&format!("servers/{name}.toml"), &format!("{head}{scenario}"));
        let run = check(&format!("run {} --properties {}", scenario.display(), properties.display()), 0);
        run.lines().next().unwrap_or_default().to_owned()
    };
    let rest = &"nifi.cluster.is.node=true\nnifi.cluster.flow.election.max.candidates=2\n\
                nifi.zookeeper.session.timeout=10 secs\n"
        .to_owned();
    let three = format!("{rest}nifi.zookeeper.connect.string=a:2181,b:2181,c:2181\n");
    let embedded = format!("{three}nifi.state.management.embedded.zookeeper.start=true\n");
    for (name, text, scenario, expected) in [
        ("three", &three, "", "# seed 1 · 2 nodes · 3 ZooKeeper servers · rules default"),
        (
            "said",
            &three,
            "[zookeeper]\nservers = 1\n",
            "# seed 1 · 2 nodes · 1 ZooKeeper server · rules default",
        ),
        (
            "embedded",
            &embedded,
            "",
            "# seed 1 · 2 nodes · 3 ZooKeeper servers, zk1 to zk2 in n1 to n2 · rules default",
        ),
        (
            "ticks",
            rest,
            "[zookeeper]\ntick = \"6s\"\n",
            "# seed 1 · 2 nodes · 1 ZooKeeper server · session timeout 12s, asked for 10s · rules default",
        ),
    ] {
        assert_eq!(header(name, text, scenario), expected, "{name}");
    }
    let ten: Vec<String> = (1..=10).map(|host| format!("h{host}:2181")).collect();
    let ten = file("servers/ten.properties", &format!("nifi.zookeeper.connect.string={}\n", ten.join(",")));
    check_refused(&format!("run --properties {}", ten.display()), "expected at most 9 servers");
    let step = "[[plan]]\nat = \"1s\"\ncrash = \"zk4\"\n";
    let fourth = file(
        "servers/fourth.toml",
        &format!("about = \"x\"\n[cluster]\nnodes = 2\nproperties = \"three.properties\"\n{step}"),
    );
    check_refused(
        &format!("run {}", fourth.display()),
        "crash zk4 at 1s: found zk4, expected zk1 to zk3, the servers that",
    );
}

#[test]
fn nodes_may_have_files_of_their_own_and_what_should_be_alike_is_pointed_out() {
    let most = "nifi.cluster.is.node=true\nnifi.cluster.flow.election.max.candidates=3\nnifi.zookeeper.connect.string=h\n\
                nifi.zookeeper.session.timeout=10 secs\n";
    let all = file("own/all.properties", most);
    let own = file("own/n2.properties", &format!("{most}nifi.cluster.protocol.heartbeat.interval=2 secs\n"));
    let (all, own) = (all.display(), own.display());
    let run = zeromaster(&format!("run --quiet --properties {all} --properties n2={own}"));
    let expected = format!(
        "warning: {own}: line 5: nifi.cluster.protocol.heartbeat.interval differs: 5 secs, but 2 secs on n2; NiFi does not \
         compare it: each node sends by its own value, and the coordinator of the moment counts by its own\n"
    );
    assert_eq!((run.status.code(), stderr(&run)), (Some(0), expected));

    // The same from a scenario file, whose paths are short, and from its printed form, whose are not.
    let head = "about = \"x\"\n[cluster]\nnodes = 3\n";
    let files = "properties = { all = \"all.properties\", n2 = \"n2.properties\" }\n";
    let scenario = file("own/scenario.toml", &format!("{head}{files}"));
    let one = check(&format!("run {}", scenario.display()), 0);
    let printed = check(&format!("run {} --print-plan", scenario.display()), 0);
    let printed = file("own/elsewhere/printed.toml", &printed);
    assert_eq!(check(&format!("run {}", printed.display()), 0), one);

    let wrong = file("own/wrong.properties", &format!("{most}nifi.cluster.node.read.timeout=5 apples\n"));
    let wrong = wrong.display();
    check_refused(
        &format!("run --properties {all} --properties n3={wrong}"),
        &format!("{wrong}: line 5: nifi.cluster.node.read.timeout = 5 apples: expected a duration"),
    );
    check_refused(
        &format!("run --properties n4={own}"),
        "found n4, expected n1 to n3, for there are 3 nodes",
    );
    check_refused(&format!("run --properties {all} --properties {own}"), "a second file for every node");
    check_refused(&format!("run --properties n2={all} --properties n2={own}"), "a second file for n2");
}

#[test]
fn nodes_may_follow_other_rules_if_the_two_can_share_a_cluster() {
    let head = "about = \"x\"\n[cluster]\nnodes = 3\n";
    let quick = "nifi.\"nifi.cluster.flow.election.max.candidates\" = \"3\"\n";
    let upgrade =
        file("rules/upgrade.toml", &format!("{head}rules = {{ all = \"1.28\", n3 = \"2.x\" }}\n{quick}"));
    let upgrade = upgrade.display();
    let run = check(&format!("run {upgrade}"), 0);
    assert!(run.starts_with("# seed 1 · 3 nodes · 1 ZooKeeper server · rules 1.28, n3 2.x\n"), "{run}");
    let printed = file("rules/printed.toml", &check(&format!("run {upgrade} --print-plan"), 0));
    assert_eq!(check(&format!("run {}", printed.display()), 0), run);
    // Another rule set for the others is no cluster with 2.x any more.
    check_refused(
        &format!("run {upgrade} --rules default"),
        "rules: n3 cannot share a cluster with the others: they look",
    );

    for (name, rules, expected) in [
        (
            "strangers",
            "{ all = \"1.28\", n3 = \"default\" }",
            "line 4: cluster.rules.n3: found \"default\", which cannot share a cluster with \"1.28\": they look for the \
             coordinator in different places of ZooKeeper (coordinator_lookup)",
        ),
        (
            "unknown",
            "{ n3 = \"1.82\" }",
            "line 4: cluster.rules.n3: found \"1.82\", expected one of default, 1.28, 2.x",
        ),
        (
            "nobody",
            "{ n4 = \"2.x\" }",
            "line 4: cluster.rules.n4: found n4, expected n1 to n3, for cluster.nodes is 3",
        ),
        (
            "number",
            "{ all = \"1.28\", n2 = 2 }",
            "line 4: cluster.rules.n2: found 2, expected the name of a rule set",
        ),
        (
            "twice",
            "{ all = \"1.28\", base = \"1.28\" }",
            "line 4: cluster.rules.all: makes no sense beside base",
        ),
    ] {
        let path = file(&format!("rules/{name}.toml"), &format!("{head}rules = {rules}\n"));
        check_refused(&format!("run {}", path.display()), expected);
    }
}

#[test]
fn leases_of_kubernetes_are_refused_and_a_file_for_no_cluster_is_warned_of() {
    let text = "nifi.cluster.is.node=true\nnifi.cluster.leader.election.implementation=KubernetesLeaderElectionManager\n";
    let path = file("election/nifi.properties", text);
    check_refused(
        &format!("run --properties {}", path.display()),
        &format!(
            "{}: line 2: nifi.cluster.leader.election.implementation = KubernetesLeaderElectionManager: expected \
             CuratorLeaderElectionManager, election in ZooKeeper; leases of Kubernetes are not modelled",
            path.display()
        ),
    );
    let path = file(
        "election/standalone.properties",
        "nifi.cluster.is.node=false\nnifi.zookeeper.connect.string=\n",
    );
    let run = zeromaster(&format!("run --nodes 1 --properties {}", path.display()));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let path = path.display();
    for part in [
        format!(
            "warning: {path}: line 1: nifi.cluster.is.node is not true: every NiFi with this file runs alone"
        ),
        format!(
            "warning: {path}: line 2: nifi.zookeeper.connect.string names no server: a NiFi that is a node of a cluster does not"
        ),
    ] {
        assert!(stderr(&run).contains(&part), "{part}\n{}", stderr(&run));
    }
}

#[test]
fn a_firewall_file_is_used_if_it_is_where_the_properties_say() {
    let wait = "nifi.cluster.flow.election.max.wait.time=5 secs\n";
    let named = format!("{wait}nifi.cluster.firewall.file=./firewall\n");
    let properties = file("firewall/here/nifi.properties", &named);
    file("firewall/here/firewall", "n1\nn2\nnot a host\n");
    let run = zeromaster(&format!("run --properties {}", properties.display()));
    assert!(stdout(&run).contains("BLOCKED_BY_FIREWALL"), "{}", stdout(&run));
    assert!(stderr(&run).contains("firewall: line 3: not a host: expected"), "{}", stderr(&run));

    let properties = file("firewall/elsewhere/nifi.properties", &named);
    let run = zeromaster(&format!("run --properties {}", properties.display()));
    assert!(stdout(&run).lines().last().is_some_and(|line| line.contains("[C C C]")), "{}", stdout(&run));
    assert!(stderr(&run).contains("line 2: nifi.cluster.firewall.file: "), "{}", stderr(&run));
}

#[test]
fn a_heartbeat_period_that_nifi_cuts_is_warned_of_with_its_place() {
    let key = "nifi.cluster.protocol.heartbeat.interval";
    let rest = "nifi.cluster.flow.election.max.wait.time=5 secs\n";
    let cut = format!("line 2: {key} = 1500 millis: NiFi cuts the period of sending to whole seconds");
    let properties = file("period/nifi.properties", &format!("{rest}{key}=1500 ms\n"));
    for (rules, warned) in [("1.28", true), ("2.x", true), ("default", false)] {
        let run = zeromaster(&format!("run --properties {} --rules {rules}", properties.display()));
        assert_eq!(run.status.code(), Some(0), "{rules}: {}", stderr(&run));
        assert_eq!(stderr(&run).contains(&cut), warned, "{rules}: {}", stderr(&run));
    }
    let scenario = format!(
        "about = \"A scenario.\"\n[cluster]\nnodes = 2\nrules = \"1.28\"\n[cluster.nifi]\n\"{key}\" = \"2500 ms\"\n"
    );
    let run = zeromaster(&format!("run {}", file("period/scenario.toml", &scenario).display()));
    let said = stderr(&run);
    assert!(said.contains(&format!("line 6: cluster.nifi: {key} = 2500 millis: ")), "{said}");
    assert!(said.contains("so heartbeats are sent every 2 secs; the monitor keeps the interval"), "{said}");
}

#[test]
fn a_heartbeat_period_of_which_nothing_is_left_is_refused_with_what_to_do() {
    let key = "nifi.cluster.protocol.heartbeat.interval";
    let properties = file("no-period/nifi.properties", &format!("{key}=500 ms\n"));
    for rules in ["1.28", "2.x"] {
        let arguments = format!("run --properties {} --rules {rules}", properties.display());
        check_refused(&arguments, &format!("{key} = 500 millis: "));
        check_refused(&arguments, "expected at least 1 sec under these rules");
    }
}

#[test]
fn scenario_files_are_listed_by_path_with_what_they_are_about() {
    let folder = file("list/b/second.toml", "about = \"The second.\"\n[cluster]\nnodes = 1\n");
    file("list/a.toml", "about = \"The first.\"\n[cluster]\nnodes = 1\n");
    file("list/Cargo.toml", "[package]\n");
    let folder = folder.parent().and_then(Path::parent).expect("it is in two folders").display().to_string();
    let expected = format!("{folder}/a.toml         The first.\n{folder}/b/second.toml  The second.\n");
    assert_eq!(check(&format!("scenarios {folder}"), 0), expected);
    let broken = file("broken/a.toml", "about = 5\n");
    check_refused(
        &format!("scenarios {}", broken.parent().expect("a folder").display()),
        "a.toml: line 1: about",
    );
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(&check("schema", 0)).expect("it is JSON");
    assert_eq!(schema["type"], "object");
    assert!(schema["properties"]["plan"].is_object());
}

#[test]
fn a_reader_may_leave_at_any_time() {
    for arguments in ["run", "schema", "fuzz --seeds 0..30 --rules 1.28", "run --help"] {
        let mut process =
            command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(process.stdout.take());
        let output = process.wait_with_output().expect("it ends");
        assert!(output.status.code().is_some_and(|code| code != 101), "{arguments}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn a_real_file_starts_with_a_vote_that_lasts_as_long_as_it_says() {
    for release in ["1.0.0", "1.28.1", "2.9.0"] {
        let Some(properties) = real_file(&format!("{release}/nifi.properties")) else { continue };
        let timeline = check(&format!("run --properties {properties} --nodes 5"), 0);
        let elected = timeline.lines().find(|line| line.contains("flow elected")).expect("a flow is elected");
        assert!(elected.trim_start().starts_with("300."), "{release}: {elected}");
        assert!(timeline.lines().last().is_some_and(|line| line.contains("[C C C C C]")), "{timeline}");
    }
}

#[test]
fn the_system_tests_cluster_starts_within_seconds() {
    let Some(properties) = real_file("system-test-cluster/node1.nifi.properties") else { return };
    let timeline = check(&format!("run --properties {properties} --nodes 2"), 0);
    let elected = timeline.lines().find(|line| line.contains("flow elected")).expect("a flow is elected");
    let seconds = elected.trim_start().split('.').next();
    assert!(matches!(seconds, Some("0" | "1")), "{elected}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let sleeper = "../scenarios/zookeeper/coordinator-wakes-beside-its-successor.toml";
    let printed = check("run", 0) + &check(&format!("run {sleeper} --rules 1.28"), 1);
    let printed = printed + &check("run --world madsim", 0);
    let is_entry = |line: &&str| {
        let time = line.trim_start().split(' ').next().unwrap_or_default();
        time.contains('.') && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let entries: Vec<&str> = readme.lines().filter(is_entry).collect();
    assert!(entries.len() > 10, "the readme shows a timeline");
    for entry in entries {
        assert!(printed.lines().any(|line| line == entry), "no longer printed:\n{entry}\n{printed}");
    }
}

/// Starts `zeromaster zookeeper` with these arguments too, and gives what it prints when it serves.
#[cfg(unix)]
fn zookeeper(arguments: &str) -> (std::process::Child, String) {
    use std::io::{BufRead as _, BufReader};
    let mut command = command(&format!("zookeeper {arguments}"));
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command can be started");
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("it is piped");
    BufReader::new(out).read_line(&mut line).expect("it prints a line");
    (child, line)
}

/// The command serves, ends with 0 when it gets this signal, and says this on standard error.
#[cfg(unix)]
#[track_caller]
fn check_served(arguments: &str, servers: usize, signal: &str, said: &[&str]) {
    use std::io::{Read as _, Write as _};
    let (child, line) = zookeeper(arguments);
    let addresses = line.strip_prefix("ready ").and_then(|rest| rest.strip_suffix('\n')).expect(&line);
    let addresses: Vec<&str> = addresses.split(',').collect();
    assert_eq!(addresses.len(), servers, "{line}");
    for address in addresses {
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        stream.write_all(b"isro").expect("it takes it");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert_eq!(answer, "rw");
    }
    let killed =
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("there is kill");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{arguments}");
    for words in said {
        assert!(stderr(&output).contains(words), "{words}\n{}", stderr(&output));
    }
}

#[test]
#[cfg(unix)]
fn zookeeper_serves_until_it_is_told_to_end() {
    check_served("--listen 127.0.0.1:0", 1, "-TERM", &[]);
    check_served("--listen 127.0.0.1:0 --release 3.8.0 --tick 500ms --extended-types", 1, "-INT", &[]);
    check_served(
        "--listen 127.0.0.1:0 --servers 3 --verbose",
        3,
        "-TERM",
        &["leads epoch 1", "follows server"],
    );
}

#[test]
fn zookeeper_refuses_what_cannot_be() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has one");
    check_refused(&format!("zookeeper --listen {address}"), &format!("cannot listen at {address}: "));
    check_refused("zookeeper --listen nonsense", "--listen nonsense: ");
    check_refused("zookeeper --tick 0s --listen 127.0.0.1:0", "tick is zero");
    check_refused("zookeeper --release 3.4.0", "expected 3.8.0 or 3.9.5");
    check_refused("zookeeper --servers 0", "1..=255");
    check_refused(
        "zookeeper --servers 3 --listen 127.0.0.1:0,127.0.0.1:0",
        "expected 3 addresses for 3 servers",
    );
}
