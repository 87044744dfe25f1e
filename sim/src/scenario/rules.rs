//! Which rules the nodes of a scenario follow: a rule set by its name, and the fields of `Rules` that differ from it. What a
//! field may be is learned from `Rules` itself, through serde, so that a new field needs no edit here.

use super::nearest::did_you_mean;
use super::words::Text;
use crate::plan::{parse_duration, show_duration};
use core::fmt;
use core::str::FromStr;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_core::rules::Rules;

/// The rules of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleChoice {
    base: String,
    /// The rules, when they are not exactly those of `base`.
    changed: Option<Rules>,
}

impl Default for RuleChoice {
    fn default() -> Self {
        RuleChoice::named(RuleChoice::DEFAULT)
    }
}

impl RuleChoice {
    /// The rule set of a scenario that names none.
    pub const DEFAULT: &'static str = "default";

    /// The rule set of that name, whether there is one or not.
    #[must_use]
    pub fn named(name: &str) -> RuleChoice {
        RuleChoice { base: name.to_owned(), changed: None }
    }

    /// These rules, based on the rule set that differs from them in the fewest fields.
    #[must_use]
    pub fn of(rules: Rules) -> RuleChoice {
        let fields = fields(rules);
        let sets = Rules::NAMES.into_iter().filter_map(|name| Some((name, Rules::named(name)?)));
        let nearest = sets.min_by_key(|(_, set)| differences(&self::fields(*set), &fields).count());
        let (base, set) = nearest.unwrap_or((RuleChoice::DEFAULT, Rules::default()));
        RuleChoice { base: base.to_owned(), changed: (rules != set).then_some(rules) }
    }

    /// The name of the rule set that these rules are based on.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The rules; `None` when there is no rule set of that name.
    #[must_use]
    pub fn rules(&self) -> Option<Rules> {
        self.changed.or_else(|| Rules::named(&self.base))
    }

    /// The same rules but for one field.
    ///
    /// # Errors
    /// When there is no such field, or it cannot have that value; when there is no rule set of the base's name.
    pub fn with(&self, rule: &RuleOverride) -> Result<RuleChoice, RuleError> {
        let no_base = || RuleError::base(&self.base);
        let (base, rules) =
            (Rules::named(&self.base).ok_or_else(no_base)?, self.rules().ok_or_else(no_base)?);
        let rules = set(rules, &rule.name, &rule.value)?;
        Ok(RuleChoice { base: self.base.clone(), changed: (rules != base).then_some(rules) })
    }

    /// Why nodes with these rules and nodes with `other` are no cluster; `None` when they can be one, or when there is no
    /// rule set of a name. NiFi 1.28 and 2.x can: what they write in ZooKeeper and send is the same.
    #[must_use]
    pub fn cannot_talk_with(&self, other: &RuleChoice) -> Option<&'static str> {
        let (one, other) = (self.rules()?, other.rules()?);
        if one.coordinator_lookup != other.coordinator_lookup {
            return Some(
                "they look for the coordinator in different places of ZooKeeper (coordinator_lookup)",
            );
        }
        [
            (
                one.elected_flow_recorded != other.elected_flow_recorded,
                "only some of them record the elected flow in ZooKeeper (elected_flow_recorded)",
            ),
            (
                one.exclusions_in_zookeeper != other.exclusions_in_zookeeper,
                "only some of them record in ZooKeeper whom a person put out (exclusions_in_zookeeper)",
            ),
            (
                one.members_register != other.members_register,
                "only some of them register in ZooKeeper (members_register)",
            ),
        ]
        .into_iter()
        .find_map(|(differs, why)| differs.then_some(why))
    }

    /// The fields that differ from the base, with their values as a scenario file writes them.
    #[must_use]
    pub fn overrides(&self) -> BTreeMap<String, String> {
        let Some((changed, base)) = self.changed.zip(Rules::named(&self.base)) else {
            return BTreeMap::new();
        };
        let (base, changed) = (fields(base), fields(changed));
        let differing = differences(&base, &changed).map(|(name, value)| (name.clone(), show(value)));
        differing.collect()
    }
}

/// The base, and the fields that differ from it: `1.28 with complete_by_attempt = true`.
impl fmt::Display for RuleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        for (index, (name, value)) in self.overrides().into_iter().enumerate() {
            write!(f, "{}{name} = {value}", if index == 0 { " with " } else { ", " })?;
        }
        Ok(())
    }
}

/// A value for one field of `Rules`.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleOverride {
    name: String,
    value: Value,
    /// As it was written, when it was written as one text.
    text: String,
}

impl RuleOverride {
    /// This value, as a scenario file has it, for the field of that name.
    pub(super) fn new(name: &str, value: Value) -> RuleOverride {
        let text = format!("{name}={}", show(&value));
        RuleOverride { name: name.to_owned(), value, text }
    }
}

impl RuleOverride {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }
}

/// As it was written: `complete_by_attempt=true`.
impl fmt::Display for RuleOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `complete_by_attempt=true`, `leadership_cache=2s`, `auto_reconnect=LACK_OF_HEARTBEAT,NODE_SHUTDOWN`: a value without
/// quotes, and a list without brackets.
impl FromStr for RuleOverride {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = parts.filter(|(name, _)| !name.is_empty()) else {
            let example = "expected a rule and its value, such as complete_by_attempt=true";
            return Err(RuleError { name: None, message: format!("found {text:?}, {example}") });
        };
        let fields = fields(Rules::default());
        let value = match fields.get(name) {
            Some(Value::Array(_)) => {
                let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| Value::from(item.to_owned())).collect()
            }
            Some(Value::Bool(_) | Value::Number(_)) => {
                serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.to_owned()))
            }
            Some(Value::Null | Value::String(_) | Value::Object(_)) | None => Value::from(value.to_owned()),
        };
        set(Rules::default(), name, &value)?;
        Ok(RuleOverride { name: name.to_owned(), value, text: text.to_owned() })
    }
}

/// Why a rule cannot be overridden: which, what was found, and what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError {
    /// The field; `None` when it is not about one.
    pub name: Option<String>,
    /// What was found and what was expected.
    pub message: String,
}

impl RuleError {
    fn of(name: &str, message: String) -> RuleError {
        RuleError { name: Some(name.to_owned()), message }
    }

    fn base(found: &str) -> RuleError {
        let nearest = did_you_mean(found, Rules::NAMES.into_iter());
        let message = format!("found {found:?}, expected one of {}{nearest}", Rules::NAMES.join(", "));
        RuleError { name: None, message }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for RuleError {}

type Fields = Map<String, Value>;

/// The fields of `Rules` as serde has them.
fn fields(rules: Rules) -> Fields {
    match serde_json::to_value(rules) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("rules are plain data with named fields: {other:?}"),
    }
}

/// The fields of `other` that `base` has with another value.
fn differences<'a>(base: &'a Fields, other: &'a Fields) -> impl Iterator<Item = (&'a String, &'a Value)> {
    other.iter().filter(|(name, value)| base.get(*name) != Some(value))
}

/// `rules` with another value for one field; a duration may be a text.
fn set(rules: Rules, name: &str, value: &Value) -> Result<Rules, RuleError> {
    let fields = fields(rules);
    let Some(present) = fields.get(name) else {
        let names = || fields.keys().map(String::as_str);
        let nearest = did_you_mean(name, names());
        let all: Vec<&str> = names().collect();
        return Err(RuleError::of(
            name,
            format!("unknown rule, expected one of {}{nearest}", all.join(", ")),
        ));
    };
    let error = match read(&fields, name, value.clone()) {
        Ok(rules) => return Ok(rules),
        Err(error) => error,
    };
    let duration = value.as_str().and_then(|text| parse_duration(text).ok());
    if let Some(duration) = duration
        && let Ok(rules) = read(&fields, name, json!(duration))
    {
        return Ok(rules);
    }
    Err(RuleError::of(name, wrong(&fields, name, present, value, &error)))
}

/// The rules with this value in the place of another one.
fn read(fields: &Fields, name: &str, value: Value) -> Result<Rules, String> {
    let mut fields = fields.clone();
    fields.insert(name.to_owned(), value);
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

/// What is wrong with a value, in words.
fn wrong(fields: &Fields, name: &str, present: &Value, value: &Value, error: &str) -> String {
    match unknown_variant(error) {
        Some((found, variants)) => {
            let nearest = did_you_mean(&found, variants.iter().map(String::as_str));
            format!("found {found:?}, expected {}{nearest}", expected(fields, name, present))
        }
        None => format!("found {}, expected {}", show(value), expected(fields, name, present)),
    }
}

/// What a field may be, in words. `present`: a value that it has.
fn expected(fields: &Fields, name: &str, present: &Value) -> String {
    if is_duration(present) {
        return <Duration as Text>::EXPECTED.to_owned();
    }
    match present {
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a whole number, 0 or more".to_owned(),
        Value::Array(_) => format!("a list in brackets of {}", variants(fields, name, present).join(", ")),
        Value::String(_) => variants(fields, name, present).join(" or "),
        Value::Null | Value::Object(_) => format!("a value such as {}", show(present)),
    }
}

/// The words that a field, or an item of its list, may be: what serde says when it is offered another one.
fn variants(fields: &Fields, name: &str, present: &Value) -> Vec<String> {
    let other = if present.is_array() { json!([""]) } else { json!("") };
    let error = read(fields, name, other).err().unwrap_or_default();
    unknown_variant(&error).map(|(_, variants)| variants).unwrap_or_default()
}

/// The word that serde did not know, and those that it knows.
fn unknown_variant(error: &str) -> Option<(String, Vec<String>)> {
    let (found, known) = error.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    let known = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((found.to_owned(), known))
}

/// Whether a value is a duration: what serde makes of one.
fn is_duration(value: &Value) -> bool {
    serde_json::from_value::<Duration>(value.clone()).is_ok_and(|duration| json!(duration) == *value)
}

/// A value as a scenario file writes it.
fn show(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        value if is_duration(value) => {
            let duration = serde_json::from_value(value.clone()).unwrap_or_default();
            format!("{:?}", show_duration(duration))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// For the schema: every field of `Rules`, with what it may be.
pub(super) fn rule_schemas() -> Map<String, Value> {
    let fields = fields(Rules::default());
    let schemas = fields.iter().map(|(name, present)| (name.clone(), rule_schema(&fields, name, present)));
    schemas.collect()
}

fn rule_schema(fields: &Fields, name: &str, present: &Value) -> Value {
    if is_duration(present) {
        return json!({ "type": "string", "pattern": <Duration as Text>::SHAPE.pattern() });
    }
    match present {
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "integer", "minimum": 0 }),
        Value::Array(_) => {
            let items = json!({ "type": "string", "enum": variants(fields, name, present) });
            json!({ "type": "array", "items": items })
        }
        Value::String(_) => json!({ "type": "string", "enum": variants(fields, name, present) }),
        Value::Null | Value::Object(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(base: &str, rules: &[&str]) -> RuleChoice {
        rules.iter().fold(RuleChoice::named(base), |choice, rule| {
            let rule: RuleOverride = rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"));
            choice.with(&rule).unwrap_or_else(|error| panic!("{rule}: {error}"))
        })
    }

    #[track_caller]
    fn check(base: &str, rules: &[&str], shown: &str) {
        let choice = with(base, rules);
        assert_eq!(choice.to_string(), shown);
        let rules = choice.rules().unwrap_or_else(|| panic!("{base}"));
        assert_eq!(RuleChoice::of(rules).rules(), Some(rules));
    }

    #[track_caller]
    fn check_refused(rule: &str, expected: &str) {
        assert_eq!(rule.parse::<RuleOverride>().unwrap_err().to_string(), expected, "{rule}");
    }

    #[test]
    fn what_differs_from_the_base_is_shown_and_nothing_else() {
        check("1.28", &[], "1.28");
        check("1.28", &["complete_by_attempt=true"], "1.28 with complete_by_attempt = true");
        check("1.28", &["complete_by_attempt=false"], "1.28");
        check("1.28", &["complete_by_attempt=true", "complete_by_attempt=false"], "1.28");
        check(
            "default",
            &["leadership_cache=1500ms", "leadership_check=NameRead"],
            "default with leadership_cache = \"1500ms\", leadership_check = \"NameRead\"",
        );
        check(
            "2.x",
            &["auto_reconnect = NODE_SHUTDOWN, LACK_OF_HEARTBEAT"],
            "2.x with auto_reconnect = [\"LACK_OF_HEARTBEAT\", \"NODE_SHUTDOWN\"]",
        );
        check("2.x", &["auto_reconnect="], "2.x with auto_reconnect = []");
    }

    #[test]
    fn rules_are_shown_as_the_nearest_rule_set_and_what_differs() {
        for name in Rules::NAMES {
            let rules = Rules::named(name).unwrap();
            assert_eq!(RuleChoice::of(rules), RuleChoice::named(name));
            let other = Rules { announce_failures: !rules.announce_failures, ..rules };
            let shown = format!("{name} with announce_failures = {}", other.announce_failures);
            assert_eq!(RuleChoice::of(other).to_string(), shown);
        }
    }

    /// Whatever field is added to `Rules`: it is shown, read back from what is shown, and in the schema.
    #[test]
    fn every_field_can_be_overridden_and_is_in_the_schema() {
        let sets = Rules::NAMES.map(|name| Rules::named(name).unwrap());
        let schemas = rule_schemas();
        for (name, default) in fields(Rules::default()) {
            assert!(schemas[&name]["type"].is_string(), "{name}: {:?}", schemas[&name]);
            for set in sets {
                let value = fields(set)[&name].clone();
                let text: Value = toml::from_str(&format!("value = {}", show(&value))).unwrap();
                let rule = RuleOverride::new(&name, text["value"].clone());
                let choice = RuleChoice::default().with(&rule).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(fields(choice.rules().unwrap())[&name], value, "{name}");
                assert_eq!(choice.overrides().contains_key(&name), value != default, "{name}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        check_refused(
            "true",
            "found \"true\", expected a rule and its value, such as complete_by_attempt=true",
        );
        let unknown = "complete_by_atempt=true".parse::<RuleOverride>().unwrap_err().to_string();
        assert!(unknown.starts_with("complete_by_atempt: unknown rule, expected one of act_under_lease, "));
        assert!(unknown.ends_with("; did you mean complete_by_attempt?"), "{unknown}");
        check_refused(
            "=true",
            "found \"=true\", expected a rule and its value, such as complete_by_attempt=true",
        );
        let far = "colour=blue".parse::<RuleOverride>().unwrap_err().to_string();
        assert!(!far.contains("did you mean"), "{far}");
        check_refused(
            "complete_by_attempt=yes",
            "complete_by_attempt: found \"yes\", expected true or false",
        );
        check_refused(
            "leadership_cache=soon",
            "leadership_cache: found \"soon\", expected a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days",
        );
        check_refused(
            "leadership_check=OwnZnod",
            "leadership_check: found \"OwnZnod\", expected OwnZnode or NameRead; did you mean OwnZnode?",
        );
        let code = "auto_reconnect=NODE_SHUTDWN".parse::<RuleOverride>().unwrap_err().to_string();
        assert!(code.starts_with(
            "auto_reconnect: found \"NODE_SHUTDWN\", expected a list in brackets of UNKNOWN, NOT_YET_CONNECTED"
        ));
        assert!(code.ends_with("; did you mean NODE_SHUTDOWN?"), "{code}");
        let error = RuleChoice::named("1.82").with(&"complete_by_attempt=true".parse().unwrap());
        let expected = "found \"1.82\", expected one of default, 1.28, 2.x; did you mean 1.28?";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}
