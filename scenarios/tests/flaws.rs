//! Each property can fail: for each there is a flaw that it finds. A flaw is a patch of the node in `flaws/`, whose first
//! lines say what it does, which property must be violated (`violates:`), and in which runs (`run:`, either `seeds A..B` of
//! drawn scenarios or `scenario THEME/NAME`). It is planted behind `crate::flaws::is("NAME")`, so that one copy of the node,
//! built once, has all of them, and a runner switches one on at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeromaster_scenarios::{all, files_below, folder};
use zeromaster_sim::properties::{LIVENESS, SAFETY};

/// The properties for which there is no flaw: those of ZooKeeper's servers and clients, which are not in the node.
const WITHOUT_A_FLAW: [&str; 6] = [
    "one-history",
    "acknowledged-writes-survive",
    "sessions-outlive-their-leases",
    "no-session-expires-early",
    "no-client-goes-back",
    "zookeeper-serves",
];

/// What the copy is made of.
const CRATES: [&str; 4] = ["core", "zookeeper", "adapter", "sim"];

/// A patch in `flaws/`.
struct Flaw {
    name: String,
    /// The property that must be violated.
    violates: String,
    /// Where, in the words of the runner.
    run: String,
    hunks: Vec<Hunk>,
}

/// Some lines of one file, as they are and as the flaw has them.
struct Hunk {
    file: String,
    before: String,
    after: String,
}

fn flaws() -> Vec<Flaw> {
    let patches = files_below(folder(), "patch").unwrap();
    patches.into_iter().map(|(_, name, path)| parse(name, &fs::read_to_string(path).unwrap())).collect()
}

/// Reads a patch in unified form, with lines of comment before it.
fn parse(name: String, text: &str) -> Flaw {
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{name}: no line \"# {key} …\"")).trim().to_owned()
    };
    let run = match field("run:").split_once(' ') {
        Some(("seeds", range)) => format!("seeds {}", range.replace("..", " ")),
        Some(("scenario", scenario)) => {
            format!("scenario {}", folder().join(format!("{scenario}.toml")).display())
        }
        other => panic!("{name}: run: {other:?}, expected seeds A..B or scenario THEME/NAME"),
    };
    let violates = field("violates:");
    let (mut file, mut hunks) = (String::new(), Vec::<Hunk>::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(path) = line.strip_prefix("+++ b/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@") {
            hunks.push(Hunk { file: file.clone(), before: String::new(), after: String::new() });
        } else if !line.starts_with("--- ")
            && let Some(hunk) = hunks.last_mut()
        {
            let (sign, content) = line.split_at_checked(1).unwrap_or((" ", ""));
            if sign != "+" {
                hunk.before += &format!("{content}\n");
            }
            if sign != "-" {
                hunk.after += &format!("{content}\n");
            }
        }
    }
    assert!(!hunks.is_empty(), "{name}: changes nothing");
    Flaw { name, violates, run, hunks }
}

/// The files that the flaws change, each with all of them.
fn planted(flaws: &[Flaw]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for flaw in flaws {
        for Hunk { file, before, after } in &flaw.hunks {
            let content = files.entry(file.clone()).or_insert_with(|| read(file));
            let places = content.matches(before.as_str()).count();
            let name = &flaw.name;
            assert_eq!(places, 1, "{name}.patch: expected exactly one place in {file} with\n{before}");
            assert!(
                after.contains(&format!("crate::flaws::is(\"{name}\")")) || flaw.hunks.len() > 1,
                "{name}"
            );
            *content = content.replacen(before.as_str(), after, 1);
        }
    }
    files
}

fn read(file: &str) -> String {
    let path = folder().join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_flaw_applies_and_names_a_property() {
    let flaws = flaws();
    let names: BTreeSet<&str> = SAFETY.into_iter().chain(LIVENESS).collect();
    for flaw in &flaws {
        assert!(names.contains(flaw.violates.as_str()), "{}: no property {}", flaw.name, flaw.violates);
        // Each alone, and below all together.
        planted(std::slice::from_ref(flaw));
    }
    planted(&flaws);
}

#[test]
fn every_property_has_a_flaw_or_a_rule_that_violates_it() {
    let scenarios = all().unwrap();
    let by_rules = scenarios.iter().flat_map(|file| file.parse().unwrap().expect.violates);
    let shown: BTreeSet<String> = by_rules.chain(flaws().into_iter().map(|flaw| flaw.violates)).collect();
    let without: Vec<&str> =
        SAFETY.into_iter().chain(LIVENESS).filter(|name| !shown.contains(*name)).collect();
    assert_eq!(without, WITHOUT_A_FLAW);
}

/// A copy of the node with all flaws, and of the simulation around it, is built once.
#[test]
#[ignore = "builds a copy of the workspace; .ci/run runs it"]
fn every_flaw_is_found_by_its_property() {
    let flaws = flaws();
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flaws");
    make_copy(&copy, &flaws);
    let cargo = |command: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([command, "--quiet", "--offline", "--package", "runner"]).current_dir(&copy);
        cargo.env("CARGO_TARGET_DIR", copy.join("target"));
        cargo
    };
    let built = cargo("build").status().unwrap();
    assert!(built.success(), "the copy in {} does not build", copy.display());
    let mut runner = cargo("run").stdin(Stdio::piped()).spawn().unwrap();
    {
        let mut input = runner.stdin.take().unwrap();
        for Flaw { name, violates, run, .. } in &flaws {
            writeln!(input, "{name} {violates} {run}").unwrap();
        }
    }
    assert!(runner.wait().unwrap().success(), "some flaws were not found, see above");
}

/// A file that has not changed since the last copy keeps its time of change, so that it is not built again.
fn make_copy(copy: &Path, flaws: &[Flaw]) {
    let mut files = planted(flaws);
    for name in CRATES {
        let root = folder().join("..").join(name);
        for path in sources(&root) {
            let relative = path.strip_prefix(&root).unwrap().display().to_string();
            let file = format!("{name}/{relative}");
            files.entry(file.clone()).or_insert_with(|| read(&file));
        }
    }
    let edit = |files: &mut BTreeMap<String, String>, file: &str, from: &str, to: &str| {
        let content = files.get_mut(file).unwrap_or_else(|| panic!("{file} is part of the copy"));
        assert_eq!(content.matches(from).count(), 1, "{file}: expected exactly one {from:?}");
        *content = content.replacen(from, to, 1);
    };
    edit(&mut files, "core/src/lib.rs", "pub mod flow;\n", "pub mod flaws;\npub mod flow;\n");
    // The node's own beliefs would end the run before a property looks.
    let checks = "pub fn check_invariants(&self) {\n";
    let unless =
        format!("{checks}        if crate::flaws::is_planted() {{\n            return;\n        }}\n");
    edit(&mut files, "core/src/node/mod.rs", checks, &unless);
    files.insert("core/src/flaws.rs".into(), include_str!("../flaws/switch.rs").into());
    files.insert("runner/src/main.rs".into(), include_str!("../flaws/runner.rs").into());
    files.insert("runner/Cargo.toml".into(), RUNNER.into());
    files.insert("Cargo.lock".into(), read("Cargo.lock"));
    let manifest = read("Cargo.toml");
    let outside = |line: &&str| !line.starts_with("members = ") && !line.starts_with("exclude = ");
    let manifest: Vec<&str> = manifest.lines().filter(outside).collect();
    let members = format!("[workspace]\nmembers = {:?}", [&CRATES[..], &["runner"]].concat());
    files.insert("Cargo.toml".into(), manifest.join("\n").replacen("[workspace]", &members, 1));
    for (file, content) in files {
        let path = copy.join(file);
        if fs::read_to_string(&path).ok().as_ref() != Some(&content) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// The manifest of a crate and the files below its `src`.
#[allow(clippy::disallowed_methods, reason = "the order in which files are copied decides nothing")]
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("Cargo.toml")];
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

const RUNNER: &str = "\
[package]
name = \"runner\"
version = \"0.0.0\"
edition = \"2024\"

[dependencies]
zeromaster-core.workspace = true
zeromaster-sim.workspace = true
";
