//! How the command behaves towards terminals, pipes, full disks, signals and strange words, whatever it is asked to do.

use std::ffi::OsString;
use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn command(arguments: &[OsString]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeromaster"));
    command.args(arguments).env_remove("RUST_BACKTRACE").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The words between the spaces.
fn words(text: &str) -> Vec<OsString> {
    text.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect()
}

fn output(arguments: &[OsString]) -> Output {
    command(arguments).output().expect("the command can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).expect("what is printed is text")
}

/// A file of this test; `name` is unique among the tests.
fn file(name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manners").join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
    std::fs::write(&path, content).expect("the file can be written");
    path
}

/// A scenario, and what breaks it in several ways.
const SCENARIO: &str = r#"about = "A coordinator that slept must not decide anything when it wakes."
seed = 7
until = "100s"
heal = "80s"
[cluster]
nodes = 3
rules = "1.28"
start = { n2 = "2s" }
flows = { all = "A" }
firewall = "n1"
[cluster.nifi]
"nifi.cluster.flow.election.max.wait.time" = "10 secs"
"nifi.zookeeper.session.timeout" = "3 secs"
[zookeeper]
tick = "500ms"
[network]
latency = "1ms..5ms"
[[plan]]
at = "60s"
pause = "coordinator"
for = "60s"
[[plan]]
at = "61s"
cut = "n1 | rest"
for = "5s"
[expect.eventually]
all-connected = "1000s"
"#;

/// Something for every subcommand to do, or to refuse, and the code with which it ends.
fn everything() -> Vec<(Vec<OsString>, i32)> {
    let broken = file("everything/broken.toml", "about = 5\n");
    let unknown = file("everything/unknown.properties", "nifi.cluster.node.adress=n1\n");
    let mut all: Vec<_> = [
        ("--help", 0),
        ("--version", 0),
        ("", 2),
        ("nonsense", 2),
        ("run", 0),
        ("run --help", 0),
        ("run --nodes 0", 2),
        ("run --quiet", 0),
        ("run --print-plan", 0),
        ("run --format jsonl", 0),
        ("run --drawn --seed 0 --world madsim", 0),
        ("fuzz --seeds 0..30", 0),
        ("fuzz --seeds 0..5 --jobs 1000000", 2),
        ("scenarios ../scenarios", 0),
        ("scenarios nowhere", 2),
        ("schema", 0),
        ("zookeeper --help", 0),
        ("zookeeper --listen nonsense", 2),
    ]
    .map(|(arguments, code)| (words(arguments), code))
    .into();
    all.push(([words("run"), vec![broken.into()]].concat(), 2));
    all.push(([words("run --nodes 1 --properties"), vec![unknown.into()]].concat(), 0));
    all
}

#[track_caller]
fn check_code(output: &Output, expected: &[i32], what: &str) {
    let code = output.status.code();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(code.is_some_and(|code| expected.contains(&code)), "{what}: {}\n{out}\n{err}", output.status);
}

#[test]
fn a_reader_that_has_left_is_no_reason_to_panic() {
    for (arguments, code) in everything() {
        // As in `2>&1 | head -1`, whose end comes before the first word.
        let (reader, writer) = pipe().expect("there are pipes");
        drop(reader);
        let both = writer.try_clone().expect("it can be had twice");
        let output = command(&arguments).stdout(writer).stderr(both).output().expect("it starts");
        check_code(&output, &[code], &format!("{arguments:?}"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_no_reason_to_panic() {
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").expect("it is there"));
    for (arguments, code) in everything() {
        let what = format!("{arguments:?}");
        // Messages may be lost.
        check_code(&command(&arguments).stderr(full()).output().expect("it starts"), &[code], &what);
        // Data may not.
        let output = command(&arguments).stdout(full()).output().expect("it starts");
        check_code(&output, &[2], &what);
        let said = text(&output.stderr);
        assert!(code == 2 || said.contains("error: standard output: "), "{what}: {said}");
        let output = command(&arguments).stdout(full()).stderr(full()).output().expect("it starts");
        check_code(&output, &[2], &what);
    }
}

#[test]
fn every_message_says_what_it_is() {
    let doubtful = file("messages/nifi.properties", "nifi.cluster.node.adress=n1\n");
    let doubtful = doubtful.display();
    let firewall = file("messages/firewall", "n1\nn2\nn3\nnot a host\n");
    let firewall = firewall.display();
    let broken = file("messages/broken/broken.toml", "about = 5\n");
    let broken_folder = broken.parent().expect("it is in a folder").display();
    let jump = SCENARIO.replace("pause = \"coordinator\"\nfor = \"60s\"", "clock = \"n2\"\njump = \"9s\"");
    let jump = file("messages/jump.toml", jump);
    let jump = jump.display();
    for (arguments, begins, code) in [
        (format!("run --nodes 1 --properties {doubtful}"), "warning: ", 0),
        (format!("run --nodes 3 --firewall {firewall}"), "warning: ", 0),
        ("run --drawn --seed 0 --world madsim".to_owned(), "warning: ", 0),
        (format!("run {}", broken.display()), "error: ", 2),
        (format!("scenarios {broken_folder}"), "error: ", 2),
        ("run nowhere.toml".to_owned(), "error: ", 2),
        (format!("run {jump} --world madsim"), "error: ", 2),
        ("run --seed x".to_owned(), "error: ", 2),
        ("fuzz --seeds 5..5".to_owned(), "error: ", 2),
        ("zookeeper --listen nonsense".to_owned(), "error: ", 2),
        ("zookeeper --listen 127.0.0.1:0 --tick 0s".to_owned(), "error: ", 2),
        ("zookeeper --servers 0".to_owned(), "error: ", 2),
        ("nonsense".to_owned(), "error: ", 2),
    ] {
        let output = output(&words(&arguments));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.starts_with(begins), "{arguments}: {said}");
        let is_message = |line: &str| line.starts_with("error: ") || line.starts_with("warning: ");
        // What clap says has lines of its own, below its error.
        let is_clap = said.contains("try '--help'");
        assert!(is_clap || said.lines().all(is_message), "{arguments}: {said}");
    }
}

/// Neither stream has a control character but the ends of lines, and what was escaped is there.
#[track_caller]
fn check_tame(arguments: &[OsString]) {
    let output = output(arguments);
    assert!(matches!(output.status.code(), Some(0..=3)), "{arguments:?}: {}", output.status);
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    let wild = |character: char| character != '\n' && character.is_control();
    assert!(!printed.contains(wild) && !said.contains(wild), "{arguments:?}: {printed:?}\n{said:?}");
    // A text of several lines is one in a scenario file too.
    let is_file = arguments.iter().any(|word| word == "--print-plan");
    assert!(!said.contains("\nspoofed"), "{arguments:?}: {said}");
    assert!(is_file || !printed.contains("\nspoofed"), "{arguments:?}: {printed}");
}

#[test]
fn no_control_character_of_the_input_reaches_the_terminal() {
    let strange = "a\u{1b}[31m\u{7}\u{9b}1m\r\nspoofed\t\u{7f}";
    for arguments in [
        vec![strange],
        vec!["run", strange],
        vec!["run", "a", strange],
        vec!["run", "--seed", strange],
        vec!["run", "--rules", strange],
        vec!["run", "--rule", strange],
        vec!["run", "--properties", strange],
        vec!["run", "--firewall", strange],
        vec!["run", "--until", strange],
        vec!["fuzz", "--seeds", strange],
        vec!["fuzz", "--seeds", "0..3", "--jobs", strange],
        vec!["fuzz", "--seeds", "0..3", strange],
        vec!["scenarios", strange],
        vec!["zookeeper", "--listen", strange],
        vec!["zookeeper", "--super-digest", strange],
    ] {
        check_tame(&arguments.into_iter().map(OsString::from).collect::<Vec<_>>());
    }
}

#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let raw = "\u{1b}[31m\u{7}\u{7f}";
    let toml = r"\u001b[31m\u0007\u009b\r\nspoofed";
    let scenarios = [
        SCENARIO.replace("slept", &format!("slept{toml}")),
        SCENARIO.replace("slept", &format!("slept{raw}")),
        SCENARIO.replace("rules = \"1.28\"", &format!("rules = \"{toml}\"")),
        SCENARIO.replace("rules = \"1.28\"", &format!("properties = \"{toml}\"")),
        SCENARIO.replace("\"n1\"\n[cluster.nifi]", &format!("\"n1\\n{toml}\"\n[cluster.nifi]")),
        SCENARIO.replace("10 secs", &format!("10 secs{toml}")),
        SCENARIO.replace("nifi.zookeeper.session.timeout", &format!("nifi.zookeeper.session.timeout{toml}")),
        SCENARIO.replace("\"A\"", &format!("\"A{toml}\"")),
        SCENARIO.replace("n1 | rest", &format!("n1 | rest{toml}")),
        SCENARIO.replace("\"60s\"", &format!("\"60s{toml}\"")),
        SCENARIO.replace("[network]", &format!("[\"{toml}\"]")),
        SCENARIO.replace("latency =", &format!("\"{toml}\" =")),
        SCENARIO.replace("all-connected", &format!("\"all-connected{toml}\"")),
        format!("{SCENARIO}{raw}"),
        format!("{SCENARIO}x = \"{raw}"),
    ];
    for (number, scenario) in scenarios.iter().enumerate() {
        let path = file(format!("control/{number}/a.toml"), scenario);
        let folder = path.parent().expect("it is in a folder").to_owned();
        for format in ["text", "jsonl"] {
            check_tame(&["run".into(), path.clone().into(), "--format".into(), format.into()]);
        }
        check_tame(&["run".into(), path.clone().into(), "--print-plan".into()]);
        check_tame(&["fuzz".into(), path.into(), "--seeds".into(), "0..3".into()]);
        check_tame(&["scenarios".into(), folder.into()]);
    }

    let key = "nifi.cluster.protocol.heartbeat.interval";
    for (number, properties) in [
        format!("{key}=5 {raw}"),
        format!("{key}=5 \\u001b[31m\\r\\nspoofed"),
        format!("{key}{raw}=5"),
        format!("nifi.cluster.firewall.file={raw}\n"),
        "nifi.cluster.firewall.file=a\\nspoofed\n".to_owned(),
        "nifi.cluster.flow.election.max.wait.time=\\u009b\n".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = file(format!("control/{number}.properties"), properties);
        check_tame(&["run".into(), "--properties".into(), path.into()]);
    }
    // NiFi reads this as Latin-1, in which it is a control character of one byte.
    let latin = file("control/latin.properties", b"nifi.cluster.protocol.heartbeat.interval=\x9b31m\n");
    check_tame(&["run".into(), "--properties".into(), latin.into()]);
    let firewall = file("control/firewall", format!("n1\nn2\nn3\n{raw}\n"));
    check_tame(&["run".into(), "--firewall".into(), firewall.into()]);
}

#[test]
#[cfg(unix)]
fn the_line_that_shows_a_finding_again_is_tame_and_names_the_file() {
    use std::os::unix::ffi::OsStringExt as _;
    let name = OsString::from_vec(b"name/it's \x1b[31m\xff.toml".to_vec());
    let path =
        file(&name, include_bytes!("../../scenarios/zookeeper/coordinator-wakes-beside-its-successor.toml"));
    let printed = output(&[words("run --quiet --rules 1.28"), vec![path.clone().into()]].concat());
    let printed = text(&printed.stdout);
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
    let line = printed.lines().find_map(|line| line.strip_prefix("  zeromaster ")).expect("there is a line");
    // As the shell of the person reads it.
    let shell = Command::new("bash").args(["-c", &format!("printf '%s' {line}")]).output();
    let Ok(shell) = shell else { return };
    let path = path.into_os_string().into_vec();
    let found = shell.stdout.windows(path.len()).any(|window| window == path);
    assert!(found, "{line}\n{:?}", String::from_utf8_lossy(&shell.stdout));
}

#[test]
#[cfg(unix)]
fn a_file_without_an_end_is_refused() {
    for arguments in ["run /dev/zero", "run --properties /dev/zero", "run --firewall /dev/zero"] {
        let run = output(&words(arguments));
        assert_eq!(run.status.code(), Some(2), "{arguments}");
        let said = text(&run.stderr);
        assert!(said.starts_with("error: /dev/zero: expected at most 16 MiB"), "{arguments}: {said}");
    }
}

/// A line for another package, or another profile, would compile everything once more.
#[test]
fn the_readme_compiles_the_command_once() {
    let readme = include_str!("../../README.md");
    let compiling: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with("cargo build") || line.starts_with("cargo run"))
        .collect();
    assert_eq!(
        compiling,
        ["cargo build --release -p zeromaster", "cargo run --release -p zeromaster -- run"]
    );
}

#[test]
fn there_are_never_more_jobs_than_seeds_or_than_can_be_started() {
    let run = output(&words("fuzz --seeds 0..2 --jobs 5"));
    assert!(text(&run.stderr).contains(" with 2 jobs: "), "{}", text(&run.stderr));
    for jobs in ["0", "1025", "1000000", "18446744073709551616", "-1", ""] {
        let arguments = ["fuzz", "--seeds", "0..2000000", "--jobs", jobs].map(OsString::from);
        let run = output(&arguments);
        assert_eq!(run.status.code(), Some(2), "{jobs}");
        assert!(text(&run.stderr).starts_with("error: "), "{jobs}: {}", text(&run.stderr));
    }
}

#[test]
fn the_last_seeds_of_all_are_run_once() {
    let run = output(&words("fuzz --seeds 18446744073709551614..18446744073709551615 --jobs 2"));
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let counted = "seeds 18446744073709551614..18446744073709551615: 1 run\n";
    assert!(text(&run.stdout).starts_with(counted), "{}", text(&run.stdout));
}

/// Every beginning of a scenario, every line of it without its key, its value or itself, and every value replaced.
#[test]
fn a_broken_file_is_refused_with_its_name() {
    let lines: Vec<&str> = SCENARIO.lines().collect();
    let with_line = |number: usize, new: &str| {
        let mut lines = lines.clone();
        lines[number] = new;
        lines.join("\n")
    };
    let mut broken: Vec<String> =
        (0..SCENARIO.len()).step_by(17).map(|end| SCENARIO[..end].to_owned()).collect();
    for (number, line) in lines.iter().enumerate() {
        broken.push(with_line(number, ""));
        let Some((key, value)) = line.split_once(" = ") else {
            broken.push(with_line(number, &line.replace(']', "")));
            continue;
        };
        broken.push(with_line(number, value));
        broken.push(with_line(number, &format!("{key} = ")));
        broken.push(with_line(number, &format!("{key}x = {value}")));
        broken.push(with_line(number, &format!("{line}\n{line}")));
        for other in [
            "-1",
            "99999999999999999999",
            "1e400",
            "\"\"",
            "\"\u{1b}\"",
            "[]",
            "{}",
            "\"999999999 days\"",
            "nan",
        ] {
            broken.push(with_line(number, &format!("{key} = {other}")));
        }
    }
    assert!(broken.len() > 250, "{}", broken.len());
    let mut refused = 0;
    for (number, scenario) in broken.iter().enumerate() {
        let path = file(format!("broken/{number}.toml"), scenario);
        let run = output(&["run".into(), path.clone().into(), "--quiet".into()]);
        let said = text(&run.stderr);
        // Some of these are scenarios, of which some are violated.
        assert!(matches!(run.status.code(), Some(0..=3)), "{}: {scenario}\n{said}", run.status);
        if run.status.code() == Some(2) {
            let place = format!("error: {}: ", path.display());
            assert!(said.starts_with(&place) && said.lines().count() == 1, "{scenario}\n{said}");
            refused += 1;
        }
    }
    assert!(refused > 200, "{refused} of {}", broken.len());
}

#[cfg(unix)]
mod on_a_terminal {
    use super::*;
    use rustix::io::ioctl_fionbio;
    use rustix::process::{Pid, Signal, kill_process};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};
    use std::fs::File;
    use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
    use std::process::Child;

    /// A terminal of so many columns: the side of the person, and that of the command. Like those that `script` makes it
    /// does not know how many rows it has.
    fn terminal(columns: u16) -> (File, File) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there is a terminal");
        grantpt(&person).and_then(|()| unlockpt(&person)).expect("it can be used");
        let size = Winsize { ws_row: 0, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&person, size).expect("it has a size");
        let name = ptsname(&person, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("it is text");
        let commands = File::options().read(true).write(true).open(name).expect("it can be opened");
        (File::from(person), commands)
    }

    /// Everything that a person has been shown, until the command has ended.
    fn shown(mut person: File) -> String {
        let mut bytes = Vec::new();
        // Linux ends it with an error.
        let _ = person.read_to_end(&mut bytes);
        text(&bytes)
    }

    /// The texts drawn on one line, one over the other, without the sequences that move the cursor.
    fn drawings(shown: &str) -> Vec<String> {
        let mut plain = String::new();
        let mut characters = shown.chars();
        while let Some(character) = characters.next() {
            match character {
                '\u{1b}' => {
                    assert_eq!(characters.next(), Some('['));
                    characters.by_ref().find(char::is_ascii_alphabetic);
                }
                other => plain.push(other),
            }
        }
        plain.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn the_bar_fits_the_terminal() {
        for columns in [1, 20, 40, 80, 200] {
            let (person, commands) = terminal(columns);
            let arguments = words("fuzz --seeds 0..60 --rules 1.28 --jobs 1");
            let mut command = command(&arguments);
            let mut child = command
                .env("TERM", "xterm")
                .stdout(Stdio::null())
                .stderr(commands)
                .spawn()
                .expect("it starts");
            drop(command);
            let shown = shown(person);
            assert_eq!(child.wait().ok().and_then(|status| status.code()), Some(1));
            let drawings = drawings(&shown);
            let (end, bars) = drawings.split_last().expect("something is shown");
            assert!(end.contains("60 runs in"), "{end}");
            assert!(!bars.is_empty() && (columns < 20 || bars[0].contains("0/60 seeds")), "{bars:?}");
            for bar in bars {
                assert!(bar.chars().count() <= columns.into(), "{columns} columns: {bar:?}");
            }
        }
    }

    #[test]
    fn a_terminal_that_cannot_be_drawn_on_gets_no_bar() {
        let (person, commands) = terminal(80);
        let mut command = command(&words("fuzz --seeds 0..5"));
        let status = command.env("TERM", "dumb").stdout(Stdio::null()).stderr(commands).status();
        drop(command);
        assert_eq!(status.ok().and_then(|status| status.code()), Some(0));
        let shown = shown(person);
        assert!(!shown.contains('\u{1b}') && shown.starts_with("5 runs in"), "{shown:?}");
    }

    #[test]
    fn with_a_bar_too_a_lost_reader_is_no_reason_to_panic() {
        let (mut person, commands) = terminal(80);
        let (reader, writer) = pipe().expect("there are pipes");
        drop(reader);
        let mut command = command(&words("fuzz --seeds 0..300 --rules 1.28"));
        let spawned = command.env("TERM", "xterm").stdout(writer).stderr(commands).spawn();
        let mut child = spawned.expect("it starts");
        drop(command);
        // The person closes the window when the bar is there.
        let drawn = person.read(&mut [0]).expect("something is drawn");
        assert_eq!(drawn, 1);
        drop(person);
        let code = child.wait().ok().and_then(|status| status.code());
        assert!(matches!(code, Some(0..=2)), "{code:?}");
    }

    fn send(child: &Child, signal: Signal) {
        kill_process(Pid::from_child(child), signal).expect("it runs");
    }

    /// A campaign that would take for ever tells its first finding, ends by the signal, and counts what it has run.
    #[track_caller]
    fn check_interrupted(signal: Signal) {
        let mut command = command(&words("fuzz --rules 1.28 --jobs 2 --seeds 0..18446744073709551615"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut printed = String::new();
        out.read_line(&mut printed).expect("it finds something");
        assert!(printed.starts_with("seed "), "{printed}");
        send(&child, signal);
        out.read_to_string(&mut printed).expect("it is text");
        let output = child.wait_with_output().expect("it ends");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");

        let rest =
            said.lines().find_map(|line| line.strip_prefix("  zeromaster fuzz --seeds ")).expect(&said);
        let (next, rest) = rest.split_once("..").expect("there are seeds");
        assert_eq!(rest, "18446744073709551615 --jobs 2 --rules 1.28");
        // What was printed is what the seeds before give, to the last byte.
        let again = super::output(&words(&format!("fuzz --rules 1.28 --seeds 0..{next}")));
        assert_eq!(printed, text(&again.stdout));
    }

    #[test]
    fn a_signal_ends_a_campaign_with_its_tally_and_the_seeds_left() {
        check_interrupted(Signal::INT);
        check_interrupted(Signal::TERM);
        check_interrupted(Signal::HUP);
    }

    /// A pipe that takes nothing more, as that of a pager whose person reads.
    fn full_pipe() -> (PipeReader, PipeWriter) {
        let (reader, mut writer) = pipe().expect("there are pipes");
        ioctl_fionbio(&writer, true).expect("it need not wait");
        while writer.write(b"x").is_ok() {}
        ioctl_fionbio(&writer, false).expect("it waits again");
        (reader, writer)
    }

    #[test]
    fn a_second_signal_does_not_wait_for_the_reader() {
        let (_reader, writer) = full_pipe();
        let (mut person, commands) = terminal(80);
        let mut command = command(&words("fuzz --rules 1.28 --seeds 0..18446744073709551615"));
        let spawned = command.env("TERM", "xterm").stdout(writer).stderr(commands).spawn();
        let mut child = spawned.expect("it starts");
        drop(command);
        // With a bar it is ready for signals. The first leads to a tally that the pipe does not take.
        person.read_exact(&mut [0]).expect("something is drawn");
        let shown = std::thread::spawn(|| shown(person));
        let status = loop {
            send(&child, Signal::INT);
            match child.try_wait().expect("it is a child") {
                Some(status) => break status,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(status.code(), Some(130), "{:?}", shown.join());
    }

    #[test]
    fn a_zookeeper_serves_although_it_cannot_be_heard() {
        let (reader, writer) = pipe().expect("there are pipes");
        drop(reader);
        let mut command = command(&words("zookeeper --listen 127.0.0.1:0 --servers 3 --verbose"));
        let mut child = command.stdout(Stdio::piped()).stderr(writer).spawn().expect("it starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        out.read_line(&mut line).expect("it is text");
        assert!(line.starts_with("ready "), "{line}");
        send(&child, Signal::TERM);
        assert_eq!(child.wait().ok().and_then(|status| status.code()), Some(0));
    }
}
