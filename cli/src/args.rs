//! The arguments.

use crate::exit::Exit;
use crate::world::World;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use zeromaster_core::rules::Rules;
use zeromaster_embedded::{Release, SERVERS_MAX};
use zeromaster_sim::plan::{NODES_MAX, NodeNumber, parse_duration};
use zeromaster_sim::scenario::{RuleChoice, RuleError, RuleOverride};

/// What would this NiFi cluster do under these faults, and how long until it is whole again? Simulated, from a real
/// nifi.properties, the same every time.
#[derive(Parser, Debug)]
#[command(name = "zeromaster", version, max_term_width = 110, after_help = Exit::LEGEND)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Run(RunArguments),
    Fuzz(FuzzArguments),
    /// List the scenario files in a folder, with what each is about
    Scenarios(ScenariosArguments),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    Zookeeper(ZookeeperArguments),
}

/// Run a cluster once, and print what happens
///
/// With a scenario file: that. With --drawn: the scenario that is drawn from the seed. With --nodes or --properties
/// alone: the start of a cluster, until every node is CONNECTED. With nothing: a story of three nodes on NiFi's shipped
/// defaults, who vote, lose their coordinator, and find another.
///
/// A step of the plan that struck nobody, or that waited in vain for its condition, is told of after the verdict, as a
/// warning on standard error.
#[derive(Args, Debug)]
#[command(after_help = Exit::LEGEND)]
pub struct RunArguments {
    /// A scenario file
    pub file: Option<PathBuf>,

    /// Settles everything that the scenario leaves open [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Draw the scenario from the seed as well
    #[arg(long, requires = "seed", conflicts_with_all = ["file", "nodes", "properties", "firewall"])]
    pub drawn: bool,

    /// Print the scenario as a file instead of running it; that file runs to the same timeline
    #[arg(long)]
    pub print_plan: bool,

    /// How many nodes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: Option<u32>,

    /// A real nifi.properties, for every node, or for one node as n2=FILE; may be given several times. Where nodes differ in
    /// what should be alike, that is pointed out
    #[arg(long, value_name = "[NODE=]FILE", value_parser = OsStringValueParser::new().map(PropertiesArgument::read))]
    pub properties: Vec<PropertiesArgument>,

    /// A firewall file as nifi.cluster.firewall.file names one; node n3 is the host n3 with the address 10.0.0.3
    #[arg(long, value_name = "FILE")]
    pub firewall: Option<PathBuf>,

    #[command(flatten)]
    pub rules: RulesArgument,

    #[command(flatten)]
    pub world: WorldArgument,

    /// Run at least that long, such as "10 mins" or 600s of simulated time
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    pub until: Option<Duration>,

    /// How to print the timeline
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Print the verdict without the timeline
    #[arg(long)]
    pub quiet: bool,
}

/// A nifi.properties file, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertiesArgument {
    /// The node that it is for; every node that has none of its own when `None`.
    pub node: Option<NodeNumber>,
    /// Where it is.
    pub path: PathBuf,
}

impl PropertiesArgument {
    /// `FILE`, or `n2=FILE`. A file whose own name begins like that is written `./n2=FILE`.
    fn read(text: OsString) -> PropertiesArgument {
        let split = text.to_str().and_then(|text| text.split_once('='));
        let of_node = split.and_then(|(node, path)| Some((node.parse().ok()?, PathBuf::from(path))));
        match of_node {
            Some((node, path)) => PropertiesArgument { node: Some(node), path },
            None => PropertiesArgument { node: None, path: text.into() },
        }
    }
}

/// Whose rules.
#[derive(Args, Clone, Default, Debug)]
pub struct RulesArgument {
    /// Whose rules the nodes follow: the protocol as it should be, or a version of NiFi
    #[arg(long = "rules", value_name = "NAME", value_parser = PossibleValuesParser::new(Rules::NAMES))]
    pub name: Option<String>,

    /// Override one rule, such as complete_by_attempt=true, leadership_cache=2s or
    /// auto_reconnect=LACK_OF_HEARTBEAT,NODE_SHUTDOWN; may be given several times. docs/nifi-map.md explains the rules
    #[arg(long = "rule", value_name = "RULE=VALUE")]
    pub overrides: Vec<RuleOverride>,
}

impl RulesArgument {
    /// The rules that a scenario with `rules` is run under.
    ///
    /// # Errors
    /// When a rule cannot be overridden.
    pub fn applied_to(&self, rules: &RuleChoice) -> Result<RuleChoice, RuleError> {
        let named = self.name.as_ref().map_or_else(|| rules.clone(), |name| RuleChoice::named(name));
        self.overrides.iter().try_fold(named, |rules, rule| rules.with(rule))
    }
}

/// In which world.
#[derive(Args, Clone, Copy, Debug)]
pub struct WorldArgument {
    /// Where the cluster runs. A scenario that a world cannot express is refused, step by step; of one that is drawn,
    /// those steps are left out, and named
    #[arg(long = "world", value_name = "WORLD", value_enum, default_value_t)]
    pub of: World,
}

/// How a timeline is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people
    Text,
    /// For programs: an entry as JSON in each line
    Jsonl,
}

/// Run many seeds, and print what breaks
///
/// Each seed draws a scenario of its own; with a scenario file, that scenario is run under each seed. What is found is
/// printed in the order of the seeds, the same whatever the number of jobs, as soon as all seeds before it are run. SIGINT
/// (Ctrl-C), SIGTERM and SIGHUP end it early: the runs so far are counted, and the command that runs the other seeds is
/// printed on standard error.
#[derive(Args, Debug)]
#[command(after_help = Exit::LEGEND)]
pub struct FuzzArguments {
    /// A scenario file to run, instead of drawn scenarios
    pub file: Option<PathBuf>,

    /// From the first seed up to, but not including, the second
    #[arg(long, value_name = "A..B", value_parser = parse_seeds)]
    pub seeds: Range<u64>,

    /// How many runs at a time, up to 1024; never more than there are seeds [default: one for each core]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u32).range(1..=i64::from(JOBS_MAX)))]
    pub jobs: Option<u32>,

    #[command(flatten)]
    pub rules: RulesArgument,

    #[command(flatten)]
    pub world: WorldArgument,
}

#[derive(Args, Debug)]
pub struct ScenariosArguments {
    /// Where to look, in folders below too
    #[arg(value_name = "DIR", default_value = "scenarios")]
    pub directory: PathBuf,
}

/// Serve a ZooKeeper for tests: real clients over TCP, everything in memory
///
/// One server, or an ensemble whose servers talk to each other within this process. Once all of them serve, the line
/// "ready" and a connect string for clients are printed on standard output. SIGINT and SIGTERM end it, and what it holds is gone.
#[derive(Args, Debug)]
#[command(after_help = Exit::SERVER_LEGEND)]
pub struct ZookeeperArguments {
    /// Where to listen. With several servers: as many addresses, separated by commas, or one, from whose port they
    /// count up. Port 0 takes any that is free
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:2181")]
    pub listen: Vec<String>,

    /// How many servers the ensemble has [default: as many as there are addresses]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=SERVERS_MAX as i64))]
    pub servers: Option<u32>,

    /// Which release of ZooKeeper the servers behave like
    #[arg(long, value_name = "RELEASE", value_parser = parse_release, default_value = "3.9.5")]
    pub release: Release,

    /// tickTime, such as 2s or 200ms
    #[arg(long, value_name = "T", value_parser = parse_duration, default_value = "2s")]
    pub tick: Duration,

    /// minSessionTimeout [default: two ticks]
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    pub min_session_timeout: Option<Duration>,

    /// maxSessionTimeout [default: twenty ticks]
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    pub max_session_timeout: Option<Duration>,

    /// znode.container.checkIntervalMs: how often empty containers and nodes past their time to live are deleted
    #[arg(long, value_name = "T", value_parser = parse_duration, default_value = "60s")]
    pub container_check: Duration,

    /// extendedTypesEnabled: allow nodes with a time to live
    #[arg(long)]
    pub extended_types: bool,

    /// DigestAuthenticationProvider.superDigest: who may do everything; the hash is that of user, colon and password
    #[arg(long, value_name = "USER:HASH", value_parser = parse_digest)]
    pub super_digest: Option<String>,

    /// Say on standard error what becomes of sessions, who leads, and whose connection is closed for breaking the
    /// protocol; that a client has run into a limit is always said
    #[arg(long)]
    pub verbose: bool,
}

/// More threads than the largest machines have cores, and few enough for the smallest to start.
pub const JOBS_MAX: u32 = 1_024;

fn parse_release(text: &str) -> Result<Release, String> {
    let releases = [Release::V3_8_0, Release::V3_9_5];
    let known = releases.into_iter().find(|release| release.to_string() == text);
    known.ok_or_else(|| format!("expected {} or {}", Release::V3_8_0, Release::V3_9_5))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let expected = "expected two seeds such as 0..1000, the smaller first";
    let (start, end) = text.split_once("..").ok_or(expected)?;
    let seed = |text: &str| text.parse::<u64>().map_err(|_| expected);
    let seeds = seed(start)?..seed(end)?;
    if seeds.is_empty() { Err(expected.to_owned()) } else { Ok(seeds) }
}

/// What stands in a digest for twenty bytes of SHA-1.
fn is_hash(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.strip_suffix('=').unwrap_or_default();
    digits.len() == 27 && digits.bytes().all(is_digit)
}

/// A password in the place of the hash would let nobody in, and say nothing of it.
fn parse_digest(text: &str) -> Result<String, String> {
    let has_hash = text.split_once(':').is_some_and(|(_, hash)| is_hash(hash));
    has_hash.then(|| text.to_owned()).ok_or_else(|| {
        "expected a user, a colon and the SHA-1 of user, colon and password in Base64, as \
         super:D/InIHSb7yEEbrWz8b9l71RjZJU= is that of super:test"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_make_sense_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_super_digest_is_a_user_and_a_hash() {
        for right in ["super:D/InIHSb7yEEbrWz8b9l71RjZJU=", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="] {
            assert_eq!(parse_digest(right).as_deref(), Ok(right));
        }
        for wrong in [
            "",
            "super",
            "super:",
            "super:test",
            "D/InIHSb7yEEbrWz8b9l71RjZJU=",
            "super:D/InIHSb7yEEbrWz8b9l71RjZJU",
            "super:D/InIHSb7yEEbrWz8b9l71RjZJUU=",
            "super:D-InIHSb7yEEbrWz8b9l71RjZJU=",
        ] {
            assert!(parse_digest(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(parse_seeds("0..200"), Ok(0..200));
        for wrong in ["", "5", "5..", "..5", "5..5", "6..5", "0..=5", "-1..5", "a..b"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }
}
