//! The scenario files of this folder, by theme: where they are, and what they say. What they must come to is for the
//! tests beside them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use zeromaster_sim::scenario::{Known, Scenario, ScenarioError};
use zeromaster_sim::setup::{PropertyFiles, Setup};

/// One scenario file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScenarioFile {
    /// The folder it is in.
    pub theme: String,
    /// Its name, without the folder and without `.toml`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl ScenarioFile {
    /// The scenario.
    ///
    /// # Errors
    /// When the text is no scenario: in which line, with which key, and what was expected.
    pub fn parse(&self) -> Result<Scenario, ScenarioError> {
        Scenario::parse(&self.text, &Known::ALL)
    }

    /// The texts of the nifi.properties files that `scenario` names.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn properties(&self, scenario: &Scenario) -> io::Result<PropertyFiles> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let read = |path: &String| fs::read_to_string(folder.join(path));
        let of = scenario.properties_of.iter().map(|(node, path)| Ok((*node, read(path)?)));
        Ok(PropertyFiles {
            all: scenario.properties.as_ref().map(read).transpose()?,
            of: of.collect::<io::Result<_>>()?,
        })
    }

    /// What the nodes of `scenario` are configured with.
    ///
    /// # Panics
    /// When a file that it names cannot be read, or a value makes no sense: a mistake in the folder of scenarios.
    #[must_use]
    pub fn setup(&self, scenario: &Scenario) -> Setup {
        let files = self.properties(scenario).unwrap_or_else(|error| panic!("{self}: {error}"));
        Setup::with_files(scenario, &files).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// The comment that the file opens with, without the signs of a comment.
    #[must_use]
    pub fn comment(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#'));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

/// `theme/name`.
impl fmt::Display for ScenarioFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.theme, self.name)
    }
}

/// The folder that the themes are in.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every scenario file, sorted by theme and name.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn all() -> io::Result<Vec<ScenarioFile>> {
    let paths = files_below(folder(), "toml")?;
    paths
        .into_iter()
        .map(|(theme, name, path)| {
            let text = fs::read_to_string(&path)?;
            Ok(ScenarioFile { theme, name, path, text })
        })
        .collect()
}

/// The files of that extension in the folders of `root`, each as folder, name and path, sorted. Files of `root` itself
/// are not among them.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(root: &Path, extension: &str) -> io::Result<Vec<(String, String, PathBuf)>> {
    let mut found = Vec::new();
    for theme in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&theme)? {
            if path.extension().is_some_and(|found| found == extension) {
                found.push((last(&theme), stem(&path), path));
            }
        }
    }
    Ok(found)
}

#[allow(clippy::disallowed_methods, reason = "the entries are sorted before anybody sees them")]
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn last(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
