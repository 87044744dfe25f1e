//! What is run: a scenario with its configuration, put together from files and arguments.

use crate::args::{FuzzArguments, PropertiesArgument, RunArguments};
use crate::complaint::Complaint;
use crate::files::{TextFile, named_firewall, read_scenario, refuse_other_files};
use crate::output::{note, warning};
use crate::replay::Replay;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use zeromaster_core::properties::NifiProperties;
use zeromaster_sim::draw::draw;
use zeromaster_sim::plan::{NodeNumber, show_duration};
use zeromaster_sim::scenario::{Known, Scenario};
use zeromaster_sim::setup::{PropertyFiles, Setup, SetupError, SetupWarning};

/// The story that is told when nothing else is asked for.
const STORY: &str = include_str!("story.toml");

/// How many nodes start when nobody says how many.
const NODES: u32 = 3;

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Subject {
    pub scenario: Scenario,
    pub setup: Setup,
    /// How to run it again.
    pub replay: Replay,
}

/// A scenario in the making, with the files that say what.
struct Draft {
    scenario: Scenario,
    file: Option<TextFile>,
    properties: Option<TextFile>,
    /// The properties of nodes that have a file of their own.
    properties_of: BTreeMap<NodeNumber, TextFile>,
    firewall: Option<TextFile>,
}

impl Subject {
    /// What `run` is asked to run.
    ///
    /// # Errors
    /// When an argument or a file is wrong.
    pub fn to_run(arguments: &RunArguments) -> Result<Subject, Complaint> {
        let mut draft = Draft::begin(arguments)?;
        let scenario = &mut draft.scenario;
        scenario.rules = arguments.rules.applied_to(&scenario.rules).map_err(Complaint::new)?;
        if let Some(until) = arguments.until {
            scenario.until = Some(scenario.until.map_or(until, |other| other.max(until)));
        }
        if let Some(seed) = arguments.seed {
            scenario.seed = seed;
        }
        draft.read_files(&arguments.properties, arguments.firewall.as_deref())?;
        draft.finish(arguments.world.of, replay(arguments))
    }

    /// The scenario that `fuzz` runs under all of its seeds; `None` when it is to draw them.
    ///
    /// # Errors
    /// When an argument or a file is wrong.
    pub fn to_fuzz(arguments: &FuzzArguments) -> Result<Option<Subject>, Complaint> {
        let Some(path) = &arguments.file else { return Ok(None) };
        let mut draft = Draft::of_file(path)?;
        draft.scenario.rules = arguments.rules.applied_to(&draft.scenario.rules).map_err(Complaint::new)?;
        draft.read_files(&[], None)?;
        let replay = Replay::run().path(path).rules(&arguments.rules);
        let replay = replay.option("--world", arguments.world.of.word());
        draft.finish(arguments.world.of, replay).map(Some)
    }
}

impl Draft {
    fn begin(arguments: &RunArguments) -> Result<Draft, Complaint> {
        if let Some(path) = &arguments.file {
            let mut draft = Draft::of_file(path)?;
            if let Some(nodes) = arguments.nodes {
                draft.resize(nodes)?;
            }
            return Ok(draft);
        }
        let scenario = match arguments.seed.filter(|_| arguments.drawn) {
            Some(seed) => draw(seed),
            None if arguments.nodes.is_some() || !arguments.properties.is_empty() => {
                start_up(arguments.nodes.unwrap_or(NODES))
            }
            None => built_in(STORY),
        };
        let (scenario, left_out) =
            if arguments.drawn { arguments.world.of.drawn(scenario) } else { (scenario, Vec::new()) };
        for step in left_out {
            warning(format_args!("left out: {step}"));
        }
        Ok(Draft { scenario, file: None, properties: None, properties_of: BTreeMap::new(), firewall: None })
    }

    fn of_file(path: &Path) -> Result<Draft, Complaint> {
        let (file, scenario) = read_scenario(path)?;
        Ok(Draft {
            scenario,
            file: Some(file),
            properties: None,
            properties_of: BTreeMap::new(),
            firewall: None,
        })
    }

    /// A scenario that this world cannot express is not run there.
    fn refuse(&self, world: World) -> Result<(), Complaint> {
        let steps = world.unsupported(&self.scenario);
        if steps.is_empty() {
            return Ok(());
        }
        Err(Complaint::all(steps.iter().map(|step| match &self.file {
            Some(file) => Complaint::about(&file.path, step),
            None => Complaint::new(step),
        })))
    }

    /// Another number of nodes: what the scenario says of each must still make sense.
    fn resize(&mut self, nodes: u32) -> Result<(), Complaint> {
        self.scenario.nodes = nodes;
        let checked = Scenario::parse(&self.scenario.to_toml(), &Known::ALL);
        self.scenario = checked.map_err(|error| {
            // Its line is none of the file's.
            let error = zeromaster_sim::scenario::ScenarioError { line: None, ..error };
            let at = self.file.as_ref().map_or_else(String::new, |file| format!("{}: ", file.path.display()));
            Complaint::new(format_args!("--nodes {nodes}: {at}{error}"))
        })?;
        Ok(())
    }

    /// Reads the files that the arguments name, or else those that the scenario names.
    fn read_files(
        &mut self,
        properties: &[PropertiesArgument],
        firewall: Option<&Path>,
    ) -> Result<(), Complaint> {
        let beside = |name: &String| self.file.as_ref().map_or_else(|| name.into(), |file| file.beside(name));
        let mut all: Option<PathBuf> = self.scenario.properties.as_ref().map(beside);
        let named = self.scenario.properties_of.iter().map(|(node, name)| (*node, beside(name)));
        let mut of: BTreeMap<NodeNumber, PathBuf> = named.collect();
        let mut seen = BTreeSet::new();
        for PropertiesArgument { node, path } in properties {
            if !seen.insert(*node) {
                let whose = node.map_or_else(|| "every node".to_owned(), |node| node.to_string());
                return Err(Complaint::new(format_args!(
                    "--properties {}: a second file for {whose}, expected one",
                    path.display()
                )));
            }
            match node {
                None => all = Some(path.clone()),
                Some(node) if node.0 > self.scenario.nodes => {
                    let nodes = self.scenario.nodes;
                    return Err(Complaint::new(format_args!(
                        "--properties {node}={}: found {node}, expected n1 to n{nodes}, for there are {nodes} nodes",
                        path.display()
                    )));
                }
                Some(node) => drop(of.insert(*node, path.clone())),
            }
        }
        self.properties = all.as_deref().map(read_properties).transpose()?;
        for (node, path) in of {
            self.properties_of.insert(node, read_properties(&path)?);
        }
        self.firewall = match (firewall, &self.scenario.firewall, &self.properties) {
            (Some(path), _, _) => Some(TextFile::read(path)?),
            (None, None, Some(properties)) => named_firewall(properties),
            (None, Some(_), _) | (None, None, None) => None,
        };
        if let Some(firewall) = &self.firewall {
            self.scenario.firewall = Some(firewall.text.clone());
        }
        Ok(())
    }

    fn finish(mut self, world: World, replay: Replay) -> Result<Subject, Complaint> {
        let text = |file: &TextFile| file.text.clone();
        let files = PropertyFiles {
            all: self.properties.as_ref().map(text),
            of: self.properties_of.iter().map(|(node, file)| (*node, text(file))).collect(),
        };
        let setup = Setup::with_files(&self.scenario, &files).map_err(|error| self.located(&error))?;
        self.scenario.zookeeper = setup.zookeeper;
        self.refuse(world)?;
        for doubt in &setup.warnings {
            warning(format_args!("{}{doubt}", self.place_of(doubt)));
        }
        let first = self.properties.as_ref().or_else(|| self.properties_of.values().next());
        if let (Some(file), [_, ..]) = (first, setup.without_effect.as_slice()) {
            let (path, keys) = (file.path.display(), setup.without_effect.join(", "));
            note(format_args!("{path}: these keys have no effect here: {keys}"));
        }
        for doubt in &setup.firewall_warnings {
            match (&self.firewall, &self.file) {
                (Some(firewall), _) => warning(format_args!("{}: {doubt}", firewall.path.display())),
                (None, Some(file)) => {
                    warning(format_args!("{}: cluster.firewall: {doubt}", file.path.display()));
                }
                (None, None) => warning(format_args!("firewall: {doubt}")),
            }
        }
        // A printed plan must find the files wherever it is put.
        let absolute = |file: &TextFile| {
            let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
            path.to_string_lossy().into_owned()
        };
        self.scenario.properties = self.properties.as_ref().map(absolute);
        self.scenario.properties_of =
            self.properties_of.iter().map(|(node, file)| (*node, absolute(file))).collect();
        Ok(Subject { scenario: self.scenario, setup, replay })
    }

    /// The file of properties that is meant: a node's own, or that of the cluster as a whole.
    fn properties_of(&self, node: Option<NodeNumber>) -> Option<&TextFile> {
        let own = node.and_then(|node| self.properties_of.get(&node));
        own.or(self.properties.as_ref()).or_else(|| self.properties_of.values().next())
    }

    /// Where the value stands that is warned of, as the beginning of a message; nothing when it stands in no file.
    fn place_of(&self, doubt: &SetupWarning) -> String {
        let (key, node) = (
            doubt.key(),
            match doubt {
                SetupWarning::OfNode { node, .. } => Some(*node),
                SetupWarning::Differs { others, .. } => others.keys().next().copied(),
                SetupWarning::Config(_)
                | SetupWarning::Unknown(_)
                | SetupWarning::NotANode
                | SetupWarning::NoConnectString => None,
            },
        );
        match (&self.file, self.properties_of(node)) {
            (Some(file), _) if self.scenario.nifi.contains_key(key) => match file.line_of(key) {
                Some(line) => format!("{}: line {line}: cluster.nifi: ", file.path.display()),
                None => format!("{}: cluster.nifi: ", file.path.display()),
            },
            (_, Some(properties)) => match NifiProperties::parse(&properties.text).line(key) {
                Some(line) => format!("{}: line {line}: ", properties.path.display()),
                None => format!("{}: ", properties.path.display()),
            },
            (Some(_) | None, None) => String::new(),
        }
    }

    /// The error with the file, and as far as is known the line, that it comes from.
    fn located(&self, error: &SetupError) -> Complaint {
        match error {
            SetupError::OfNode { node, error } => self.located_in(error, self.properties_of(Some(*node))),
            SetupError::Property(_)
            | SetupError::Config(_)
            | SetupError::Rules(_)
            | SetupError::Strangers { .. }
            | SetupError::NoSuchServer { .. } => self.located_in(error, self.properties_of(None)),
        }
    }

    fn located_in(&self, error: &SetupError, properties: Option<&TextFile>) -> Complaint {
        match (error, properties, &self.file) {
            (SetupError::Property(wrong), Some(properties), _) if wrong.line > 0 => {
                Complaint::about(&properties.path, error)
            }
            // A value without a line was overridden in the scenario.
            (SetupError::Property(wrong), _, Some(file)) => match file.line_of(&wrong.key) {
                Some(line) => {
                    Complaint::about(&file.path, format_args!("line {line}: cluster.nifi: {error}"))
                }
                None => Complaint::about(&file.path, format_args!("cluster.nifi: {error}")),
            },
            (SetupError::Config(_), Some(file), _) | (SetupError::Config(_), None, Some(file)) => {
                Complaint::about(&file.path, error)
            }
            (SetupError::NoSuchServer { .. } | SetupError::Strangers { .. }, _, Some(file)) => {
                Complaint::about(&file.path, error)
            }
            (
                SetupError::Property(_)
                | SetupError::Config(_)
                | SetupError::Rules(_)
                | SetupError::Strangers { .. }
                | SetupError::OfNode { .. }
                | SetupError::NoSuchServer { .. },
                _,
                _,
            ) => Complaint::new(error),
        }
    }
}

/// Reads a nifi.properties.
fn read_properties(path: &Path) -> Result<TextFile, Complaint> {
    let file = TextFile::read(path)?;
    refuse_other_files(&file)?;
    Ok(file)
}

/// A cluster that starts, and nothing more.
fn start_up(nodes: u32) -> Scenario {
    let all = if nodes == 1 { "one node" } else { "all nodes" };
    let about = format!("The start of a cluster: {all} must be CONNECTED once the flow is elected.");
    let scenario = built_in(&format!("about = {about:?}\n[cluster]\nnodes = {nodes}\n"));
    assert!(scenario.plan.steps.is_empty(), "nothing happens at a start but the start");
    scenario
}

fn built_in(text: &str) -> Scenario {
    Scenario::parse(text, &Known::ALL)
        .unwrap_or_else(|error| unreachable!("a scenario of our own: {error}\n{text}"))
}

/// The arguments that led to a run, but for the seed and for how it is printed.
fn replay(arguments: &RunArguments) -> Replay {
    let mut replay = Replay::run();
    if let Some(file) = &arguments.file {
        replay = replay.path(file);
    }
    if arguments.drawn {
        replay = replay.word("--drawn");
    }
    replay = replay.option("--nodes", arguments.nodes.map(|nodes| nodes.to_string()).as_deref());
    for PropertiesArgument { node, path } in &arguments.properties {
        replay = match node {
            Some(node) => {
                let mut word = OsString::from(format!("{node}="));
                word.push(path);
                replay.word("--properties").path(Path::new(&word))
            }
            None => replay.path_option("--properties", Some(path)),
        };
    }
    replay
        .path_option("--firewall", arguments.firewall.as_deref())
        .rules(&arguments.rules)
        .option("--world", arguments.world.of.word())
        .option("--until", arguments.until.map(show_duration).as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_a_scenario_on_the_shipped_defaults() {
        let story = built_in(STORY);
        assert_eq!((story.nodes, story.nifi.len()), (NODES, 0));
        assert_eq!(story.properties, None);
        assert!(!story.plan.steps.is_empty());
    }

    #[test]
    fn a_start_up_can_be_of_any_size() {
        for nodes in [1, 2, 10_000] {
            assert_eq!(start_up(nodes).nodes, nodes);
        }
    }
}
