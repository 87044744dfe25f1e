//! Reading files, with errors that name the file.

use crate::complaint::Complaint;
use crate::output::warning;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use zeromaster_core::properties::{NifiProperties, key};
use zeromaster_sim::scenario::{Known, Scenario};

/// A file and what it says.
#[derive(Clone, Debug)]
pub struct TextFile {
    pub path: PathBuf,
    pub text: String,
}

impl TextFile {
    /// Reads a file of text. Real property files are not always UTF-8; NiFi reads them as Latin-1.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<TextFile, Complaint> {
        let bytes = read(path).map_err(|error| unreadable(path, &error))?;
        if bytes.len() > BYTES_MAX {
            let expected = format!("expected at most {} MiB, as no such file has more", BYTES_MAX >> 20);
            return Err(Complaint::about(path, expected));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
        };
        Ok(TextFile { path: path.to_owned(), text })
    }

    /// The path of a file that this one names.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
    }

    /// The line, from 1, on which `word` stands first.
    pub fn line_of(&self, word: &str) -> Option<usize> {
        self.text.lines().position(|line| line.contains(word)).map(|index| index + 1)
    }
}

/// A file of more bytes is another one, or a device that has no end. A scenario that says something of each of ten
/// thousand nodes has less than one.
const BYTES_MAX: usize = 16 << 20;

/// The bytes of a file, of one that has too many one more than it may have.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a file or a folder cannot be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Complaint {
    match error.kind() {
        ErrorKind::NotFound => Complaint::about(path, "there is no such file or folder"),
        _ => Complaint::about(path, error),
    }
}

/// Reads a scenario file.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_scenario(path: &Path) -> Result<(TextFile, Scenario), Complaint> {
    let file = TextFile::read(path)?;
    let scenario =
        Scenario::parse(&file.text, &Known::ALL).map_err(|error| Complaint::about(&file.path, error))?;
    Ok((file, scenario))
}

/// Refuses a file that is hardly a nifi.properties. Every text is some properties file, so nothing else would show that
/// another one stands in its place.
///
/// # Errors
/// When no key in it is one of NiFi's.
pub fn refuse_other_files(properties: &TextFile) -> Result<(), Complaint> {
    if NifiProperties::parse(&properties.text).iter().any(|(key, _)| key.starts_with("nifi.")) {
        return Ok(());
    }
    let expected = key::NODE_PROTOCOL_PORT;
    let message =
        format_args!("no property of NiFi is in it, expected a nifi.properties with keys such as {expected}");
    Err(Complaint::about(&properties.path, message))
}

/// The firewall file that a nifi.properties names, if it names one that can be read. One that cannot is talked about on
/// standard error: the file was taken from another machine, and the firewall's may have stayed there.
pub fn named_firewall(properties: &TextFile) -> Option<TextFile> {
    let read = NifiProperties::parse(&properties.text);
    let name = read.get(key::FIREWALL_FILE).filter(|name| !name.is_empty())?;
    let path = properties.beside(name);
    match TextFile::read(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            let line = read.line(key::FIREWALL_FILE).unwrap_or_default();
            let place = format!("{}: line {line}: {}", properties.path.display(), key::FIREWALL_FILE);
            warning(format_args!("{place}: {error}; the run goes on without a firewall"));
            None
        }
    }
}
