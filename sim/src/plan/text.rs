//! How the small values of a plan are written and read: durations, ratios, selectors, the two sides of a cut.

use super::{
    Action, Cut, DURATION_MAX, Direction, Disk, DurationRange, Lasts, NodeNumber, OperatorAction, Protocol,
    Ratio, Selector, Step,
};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// A small value that could not be read: what was found, and what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WordError {
    /// The text as it was written.
    pub found: String,
    /// What would have been right, in words.
    pub expected: &'static str,
}

impl WordError {
    /// The error for `found` where `expected` was expected.
    #[must_use]
    pub fn new(found: &str, expected: &'static str) -> Self {
        WordError { found: found.to_owned(), expected }
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {:?}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for WordError {}

pub(crate) const A_DURATION: &str =
    "a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days";
pub(crate) const A_LENGTH: &str = "\"ever\", or a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days";
pub(crate) const A_DURATION_RANGE: &str =
    "a duration such as \"2s\", or two with the shorter first such as \"1ms..5ms\"";
pub(crate) const A_RATIO: &str = "a ratio from 0 to 1 such as \"10%\" or \"1/3\"";
pub(crate) const A_NODE: &str = "a node such as \"n1\"";
const A_SELECTOR: &str = "\"n1\" or another node, \"coordinator\", \"primary\", \"rest\", \"all\", \"zookeeper\", \"zk1\" or another ZooKeeper server, \"zk-leader\" or \"zk-followers\"";
pub(crate) const A_CUT: &str = "two sides of selectors with \"|\" or \">\" between them, such as \"n1, n2 | rest\" or \"n1 > zookeeper\"";
pub(crate) const A_PROTOCOL: &str = "\"cluster\", \"zookeeper\" or \"ensemble\"";
pub(crate) const A_DISK: &str = "\"kept\", \"last-write-lost\" or \"wiped\"";

const A_REQUEST: &str =
    "\"connect\", \"disconnect\", \"remove\" or \"offload\" and a node, such as \"disconnect n3\"";

/// Reads a duration: a number, then a unit in NiFi's spelling (`5 secs`, `5 mins`) or the short one (`60s`, `250us`), in
/// lower case.
///
/// # Errors
///
/// When the text is no such thing, finer than a microsecond, or longer than [`DURATION_MAX`].
pub fn parse_duration(text: &str) -> Result<Duration, WordError> {
    let error = || WordError::new(text, A_DURATION);
    let trimmed = text.trim_ascii();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
    let (number, unit) = trimmed.split_at(digits);
    let nanos = unit_nanos(unit.trim_ascii_start()).ok_or_else(error)?;
    let (mantissa, scale) = decimal(number).ok_or_else(error)?;
    let product = mantissa.checked_mul(nanos).ok_or_else(error)?;
    let micros_scale = scale.checked_mul(1_000).ok_or_else(error)?;
    let micros = u64::try_from(product / micros_scale).map_err(|_| error())?;
    let duration = Duration::from_micros(micros);
    if product % micros_scale != 0 || duration > DURATION_MAX { Err(error()) } else { Ok(duration) }
}

/// The digits of a decimal number as a whole number, and the power of ten it is to be divided by.
fn decimal(number: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let wrong = whole.is_empty() || (number.contains('.') && fraction.is_empty());
    if wrong || number.len() > 20 || fraction.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some((whole.parse::<u128>().ok()? * scale + fraction, scale))
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        "w" | "wk" | "wks" | "week" | "weeks" => 604_800_000_000_000,
        _ => return None,
    })
}

/// Writes a duration in the short form, in the largest unit that keeps it whole: `250us`, `1500ms`, `60s`, `5m`, `2h`.
/// Minutes begin at five of them. Nanoseconds are cut off.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let seconds = micros / 1_000_000;
    if !micros.is_multiple_of(1_000) {
        format!("{micros}us")
    } else if !micros.is_multiple_of(1_000_000) {
        format!("{}ms", micros / 1_000)
    } else if seconds >= 3_600 && seconds.is_multiple_of(3_600) {
        format!("{}h", seconds / 3_600)
    } else if seconds >= 300 && seconds.is_multiple_of(60) {
        format!("{}m", seconds / 60)
    } else {
        format!("{seconds}s")
    }
}

/// Writes milliseconds with their sign, in the short form of a duration: `+1h`, `-90s`.
pub(crate) fn show_signed(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    format!("{sign}{}", show_duration(Duration::from_millis(millis.unsigned_abs())))
}

/// A number from 1 after a prefix, without sign, spaces or leading zeros.
fn numbered(text: &str, prefix: &str) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("n{}", self.0))
    }
}

impl FromStr for NodeNumber {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        numbered(text, "n").map(NodeNumber).ok_or_else(|| WordError::new(text, A_NODE))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (numerator, denominator) = (u64::from(self.numerator), u64::from(self.denominator));
        if denominator != 0 && (numerator * 100).is_multiple_of(denominator) {
            write!(f, "{}%", numerator * 100 / denominator)
        } else {
            write!(f, "{numerator}/{denominator}")
        }
    }
}

impl FromStr for Ratio {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let parse = || {
            if let Some(percent) = text.trim().strip_suffix('%') {
                let (mantissa, scale) = decimal(percent.trim_end())?;
                let (mantissa, scale) = (u32::try_from(mantissa).ok()?, u32::try_from(scale).ok()?);
                return Ratio::new(mantissa, scale.checked_mul(100)?);
            }
            let (numerator, denominator) = text.split_once('/')?;
            Ratio::new(plain(numerator)?, plain(denominator)?)
        };
        parse().ok_or_else(|| WordError::new(text, A_RATIO))
    }
}

fn plain(text: &str) -> Option<u32> {
    let digits = text.trim();
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            f.write_str(&show_duration(self.min))
        } else {
            write!(f, "{}..{}", show_duration(self.min), show_duration(self.max))
        }
    }
}

impl FromStr for DurationRange {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        match (parse_duration(min), parse_duration(max)) {
            (Ok(min), Ok(max)) if min <= max => Ok(DurationRange { min, max }),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(WordError::new(text, A_DURATION_RANGE)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Node(node) => node.fmt(f),
            Selector::Coordinator => f.pad("coordinator"),
            Selector::Primary => f.pad("primary"),
            Selector::Rest => f.pad("rest"),
            Selector::All => f.pad("all"),
            Selector::ZooKeeper => f.pad("zookeeper"),
            Selector::ZooKeeperServer(number) => f.pad(&format!("zk{number}")),
            Selector::ZooKeeperLeader => f.pad("zk-leader"),
            Selector::ZooKeeperFollowers => f.pad("zk-followers"),
        }
    }
}

impl FromStr for Selector {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "coordinator" => Ok(Selector::Coordinator),
            "primary" => Ok(Selector::Primary),
            "rest" => Ok(Selector::Rest),
            "all" => Ok(Selector::All),
            "zookeeper" => Ok(Selector::ZooKeeper),
            "zk-leader" => Ok(Selector::ZooKeeperLeader),
            "zk-followers" => Ok(Selector::ZooKeeperFollowers),
            other => numbered(other, "n")
                .map(|number| Selector::Node(NodeNumber(number)))
                .or_else(|| numbered(other, "zk").map(Selector::ZooKeeperServer))
                .ok_or_else(|| WordError::new(text, A_SELECTOR)),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = match self.direction {
            Direction::Both => " | ",
            Direction::OneWay => " > ",
        };
        write_side(f, &self.from)?;
        f.write_str(between)?;
        write_side(f, &self.to)
    }
}

fn write_side(f: &mut fmt::Formatter<'_>, side: &[Selector]) -> fmt::Result {
    for (index, selector) in side.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{selector}")?;
    }
    Ok(())
}

impl FromStr for Cut {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (from, to, direction) = match (text.split_once('|'), text.split_once('>')) {
            (Some((from, to)), None) => (from, to, Direction::Both),
            (None, Some((from, to))) => (from, to, Direction::OneWay),
            (Some(_), Some(_)) | (None, None) => return Err(WordError::new(text, A_CUT)),
        };
        if from.trim().is_empty() || to.trim().is_empty() || to.contains(['|', '>']) {
            return Err(WordError::new(text, A_CUT));
        }
        Ok(Cut { from: side(from)?, to: side(to)?, direction })
    }
}

fn side(text: &str) -> Result<Vec<Selector>, WordError> {
    text.split(',').map(|selector| selector.trim().parse()).collect()
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Cluster => "cluster",
            Protocol::ZooKeeper => "zookeeper",
            Protocol::Ensemble => "ensemble",
        })
    }
}

impl FromStr for Protocol {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "cluster" => Ok(Protocol::Cluster),
            "zookeeper" => Ok(Protocol::ZooKeeper),
            "ensemble" => Ok(Protocol::Ensemble),
            other => Err(WordError::new(other, A_PROTOCOL)),
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Disk::Kept => "kept",
            Disk::LastWriteLost => "last-write-lost",
            Disk::Wiped => "wiped",
        })
    }
}

impl FromStr for Disk {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "kept" => Ok(Disk::Kept),
            "last-write-lost" => Ok(Disk::LastWriteLost),
            "wiped" => Ok(Disk::Wiped),
            other => Err(WordError::new(other, A_DISK)),
        }
    }
}

impl fmt::Display for OperatorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.node())
    }
}

impl FromStr for OperatorAction {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let error = || WordError::new(text, A_REQUEST);
        let (word, node) = text.trim().split_once(' ').ok_or_else(error)?;
        let node = node.trim().parse()?;
        match word {
            "connect" => Ok(OperatorAction::Connect(node)),
            "disconnect" => Ok(OperatorAction::Disconnect(node)),
            "remove" => Ok(OperatorAction::Remove(node)),
            "offload" => Ok(OperatorAction::Offload(node)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.object())
    }
}

impl fmt::Display for Step {
    /// The step as one line, without its time: `cut n1 | zookeeper for 60s, when n2 is CONNECTED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.action, self.manner())
    }
}

impl Step {
    /// What follows the action in a line: how long it lasts, and what it waited for.
    #[must_use]
    pub fn manner(&self) -> String {
        let when = self.when.as_ref().map_or_else(String::new, |when| format!(", {when}"));
        format!("{}{when}", self.lasts.words())
    }
}

/// The word of a scenario file for a step that no healing undoes.
pub(crate) const EVER: &str = "ever";

impl Lasts {
    /// What follows an action in a line: ` for 60s`, ` for ever`, or nothing.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Lasts::UntilHealed => String::new(),
            Lasts::For(length) => format!(" for {}", show_duration(length)),
            Lasts::ForEver => format!(" for {EVER}"),
        }
    }
}

/// A length that a file writes.
impl FromStr for Lasts {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        if text == EVER {
            return Ok(Lasts::ForEver);
        }
        parse_duration(text).map(Lasts::For).map_err(|_| WordError::new(text, A_LENGTH))
    }
}

/// Small values travel through serde as the text a person would write.
macro_rules! serde_as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(NodeNumber, Ratio, DurationRange, Selector, Cut, Protocol, Disk, OperatorAction);
