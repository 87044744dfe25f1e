//! Plans as people write them: steps that wait, times that are drawn, what is warned of, and what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of this test with three nodes, of which n1 coordinates; `name` is unique among the tests.
fn file(name: &str, rest: &str) -> PathBuf {
    let text = format!(
        "about = \"A plan.\"\n{rest}\n[cluster]\nnodes = 3\nstart = {{ n2 = \"2s\", n3 = \"3s\" }}\n\
         [cluster.nifi]\n\"nifi.cluster.flow.election.max.candidates\" = \"1\"\n"
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan").join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// `zeromaster run` of a file with these arguments.
fn run(path: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeromaster"));
    command.arg("run").arg(path).args(arguments);
    command.output().expect("the command can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what it prints is text")
}

#[test]
fn what_had_no_effect_is_warned_of_on_standard_error_in_both_worlds_and_in_every_form() {
    let plan = "[[plan]]\nat = \"60s\"\ncrash = \"n2\"\nfor = \"20s\"\n[[plan]]\nat = \"70s\"\nstop = \"n2\"\n\
                [[plan]]\nat = \"5ms\"\ncut = \"coordinator | rest\"\nfor = \"1ms\"";
    let path = file("no-effect.toml", plan);
    for world in ["sim", "madsim"] {
        for form in [&[][..], &["--quiet"], &["--format", "jsonl"]] {
            let output = run(&path, &[&["--world", world], form].concat());
            assert_eq!(output.status.code(), Some(0), "{world} {form:?}: {}", text(&output.stderr));
            assert_eq!(
                text(&output.stderr),
                "warning: cut coordinator | rest for 1ms at 5ms: nobody was coordinator at 0.005 s\n\
                 warning: stop n2 at 70s struck nobody: n2 did not run at 70.000 s\n",
                "{world} {form:?}"
            );
            assert!(!text(&output.stdout).contains("warning"), "{world} {form:?}");
        }
    }
}

#[test]
fn a_printed_plan_keeps_ranges_and_conditions_and_runs_to_the_same_timeline() {
    let plan = "[[plan]]\nat = \"60s..70s\"\ncrash = \"coordinator\"\nfor = \"20s\"\n\
                [[plan]]\nat = \"90s\"\nwhen = \"n1 is CONNECTED\"\nexpire = \"n2\"\n\
                [[plan]]\nat = \"100s\"\nafter = \"all-connected\"\npause = \"n3\"\nfor = \"5s\"\n\
                [expect]\nreaches = [\"expired\", \"elected\"]";
    let path = file("printed.toml", plan);
    for arguments in [&["--seed", "7"][..], &["--seed", "8", "--nodes", "4"]] {
        let printed = run(&path, &[arguments, &["--print-plan"]].concat());
        let printed = text(&printed.stdout);
        for key in
            ["at = \"60s..70s\"", "when = \"n1 is CONNECTED\"", "after = \"all-connected\"", "reaches = "]
        {
            assert!(printed.contains(key), "{key}\n{printed}");
        }
        let again = path.with_file_name("printed-again.toml");
        std::fs::write(&again, &printed).expect("the file can be written");
        let (first, second) = (run(&path, arguments), run(&again, &[]));
        assert_eq!(first.status.code(), Some(0), "{}", text(&first.stdout));
        assert_eq!(text(&first.stdout), text(&second.stdout));
        assert_eq!(text(&run(&again, &["--print-plan"]).stdout), printed);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line_and_its_key() {
    let step = |keys: &str| format!("[[plan]]\n{keys}");
    for (number, (rest, expected)) in [
        (step("crash = \"n1\""), "line 2: at: is missing"),
        (step("at = \"9s..8s\"\ncrash = \"n1\""), "line 3: at: found \"9s..8s\""),
        (step("at = [\"8s\", \"9s\"]\ncrash = \"n1\""), "line 3: at: found sequence"),
        (step("when = \"n1 is up\"\ncrash = \"n1\""), "line 3: when: found \"n1 is up\""),
        (step("when = \"n7 is CONNECTED\"\ncrash = \"n1\""), "line 3: when: found n7"),
        (step("when = true\ncrash = \"n1\""), "line 3: when: found boolean `true`"),
        (step("after = \"all-conected\"\ncrash = \"n1\""), "line 3: after: found \"all-conected\""),
        (
            step("when = \"n1 is REMOVED\"\nafter = \"all-connected\"\ncrash = \"n1\""),
            "line 4: after: a second condition beside when",
        ),
        ("[expect]\nreaches = [\"expird\"]".into(), "line 3: expect.reaches: found \"expird\""),
        ("[expect]\nreaches = \"expired\"".into(), "line 3: expect.reaches: found string \"expired\""),
        (
            "[zookeeper]\nmin_session_timeout = \"50s\"".into(),
            "line 3: zookeeper.min_session_timeout: found \"50s\", expected at most max_session_timeout",
        ),
        (
            "[zookeeper]\nmax_session_timeout = \"\"".into(),
            "line 3: zookeeper.max_session_timeout: found \"\"",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = file(&format!("refused-{number}.toml"), &rest);
        let output = run(&path, &[]);
        assert_eq!(output.status.code(), Some(2), "{rest}");
        assert!(output.stdout.is_empty(), "{rest}");
        let said = text(&output.stderr);
        assert!(said.contains(&format!("refused-{number}.toml: {expected}")), "{rest}\n{said}");
    }
    let path = file("refused-nodes.toml", &step("when = \"n3 is CONNECTED\"\ncrash = \"n1\""));
    let output = run(&path, &["--nodes", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--nodes 2: "), "{}", text(&output.stderr));
}

#[test]
fn an_event_that_must_happen_and_does_not_is_a_violation() {
    let path = file("unreached.toml", "[expect]\nreaches = [\"OFFLOADED\", \"elected\"]");
    for world in ["sim", "madsim"] {
        let output = run(&path, &["--world", world]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("violated: expected-event at "), "{said}");
        assert!(said.contains("these events did not happen in the run: \"OFFLOADED\"\n"), "{said}");
    }
}

/// A campaign of steps that strike nobody tests nothing, however many of its runs pass.
#[test]
fn a_campaign_counts_the_runs_in_which_a_step_had_no_effect() {
    let plan = "[[plan]]\nat = \"20s\"\ncrash = \"n2\"\nfor = \"20s\"\n[[plan]]\nat = \"25s\"\nstop = \"n2\"";
    let path = file("campaign.toml", plan);
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeromaster"));
    let output =
        command.arg("fuzz").arg(&path).args(["--seeds", "0..3"]).output().expect("it can be started");
    let tally = text(&output.stdout);
    assert!(tally.contains("        3  passed\n"), "{tally}");
    let expected = "        3  with a step that had no effect\n                3  stop n2 at 25s\n";
    assert!(tally.ends_with(expected), "{tally}");
}
