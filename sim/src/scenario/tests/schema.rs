//! The schema says what the reader says: the same keys, the same words, and it accepts what is accepted.

use super::super::words::{CODES, Shape, Text};
use super::*;
use serde_json::Value;
use zeromaster_core::status::DisconnectionCode;

#[test]
fn the_codes_offered_to_an_editor_are_those_of_the_core() {
    assert_eq!(CODES.to_vec(), DisconnectionCode::ALL.map(DisconnectionCode::name).to_vec());
}

#[test]
fn every_choice_of_the_schema_is_read() {
    fn check<T: Text>() {
        let Shape::Choice(choices) = T::SHAPE else { panic!("expected a choice") };
        for choice in choices {
            assert!(T::read(choice).is_ok(), "{choice}");
        }
    }
    check::<crate::plan::Protocol>();
    check::<crate::plan::Disk>();
    check::<zeromaster_zookeeper::Release>();
    check::<ClientLibrary>();
    check::<ExpectedState>();
    check::<DisconnectionCode>();
}

/// Whether a key fits a pattern of keys: that of nodes is taken at its word, and the others stand where nothing else does.
fn is_matched(pattern: &str, key: &str) -> bool {
    let of_nodes = <crate::plan::NodeNumber as Text>::SHAPE.pattern();
    of_nodes.as_deref() != Some(pattern) || key.parse::<crate::plan::NodeNumber>().is_ok()
}

/// Follows references until there is none.
fn target<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema.get("allOf").and_then(|all| all[0].get("$ref")));
    match reference {
        Some(reference) => {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            target(root, root.pointer(pointer).unwrap())
        }
        None => schema,
    }
}

/// Holds `value` against the parts of JSON Schema that say which keys there are and of what type.
fn violations(root: &Value, schema: &Value, value: &Value, path: &str, out: &mut Vec<String>) {
    let schema = target(root, schema);
    // One of several shapes: the first that is of the right type.
    let several = schema.get("allOf").map_or(schema, |all| &all[0]);
    let are_shapes = |ways: &&Vec<Value>| ways.iter().all(|way| way.get("required").is_none());
    if let Some(ways) = several["anyOf"].as_array().filter(are_shapes) {
        let found = ways.iter().map(|way| {
            let mut out = Vec::new();
            violations(root, way, value, path, &mut out);
            out
        });
        let type_is_wrong = format!("{path}: type");
        let fits = found.min_by_key(|found| (found.contains(&type_is_wrong), found.len()));
        return out.extend(fits.unwrap_or_default());
    }
    let of_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        other => panic!("{path}: the schema says {other:?}: {schema}"),
    };
    if !of_type {
        out.push(format!("{path}: type"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        out.push(format!("{path}: choice"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        violations(root, &schema["items"], item, &format!("{path}[{index}]"), out);
    }
    let Some(object) = value.as_object() else { return };
    let has = |keys: &Value| {
        keys.as_array().into_iter().flatten().all(|key| object.contains_key(key.as_str().unwrap()))
    };
    if !has(&schema["required"]) {
        out.push(format!("{path}: required"));
    }
    if let Some(ways) = schema["oneOf"].as_array()
        && ways.iter().filter(|way| has(&way["required"])).count() != 1
    {
        out.push(format!("{path}: one of"));
    }
    if let Some(ways) = schema["anyOf"].as_array()
        && !ways.iter().any(|way| has(&way["required"]))
    {
        out.push(format!("{path}: any of"));
    }
    for (key, value) in object {
        let path = format!("{path}.{key}");
        let patterns = schema["patternProperties"].as_object().into_iter().flatten();
        let pattern =
            patterns.filter(|(pattern, _)| is_matched(pattern, key)).map(|(_, schema)| schema).next();
        match schema["properties"].get(key).or(pattern) {
            Some(schema) => violations(root, schema, value, &path, out),
            None => out.push(format!("{path}: unknown")),
        }
    }
}

fn schema_violations(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap();
    let schema = schema();
    let mut out = Vec::new();
    violations(&schema, &schema, &value, "", &mut out);
    out
}

#[test]
fn files_that_are_read_satisfy_the_schema() {
    assert_eq!(schema_violations(SMALLEST), Vec::<String>::new());
    assert_eq!(schema_violations(EVERYTHING), Vec::<String>::new());
    assert_eq!(schema_violations(&everything().to_toml()), Vec::<String>::new());
}

#[test]
fn files_that_are_refused_do_not_satisfy_the_schema() {
    assert_eq!(schema_violations("[cluster]\nnodes = 1"), [": required"]);
    assert_eq!(schema_violations("about = \"x\"\ncluster = { }"), [".cluster: required"]);
    assert_eq!(schema_violations(&format!("{SMALLEST}node = 3")), [".cluster.node: unknown"]);
    let rules = |keys: &str| schema_violations(&format!("{SMALLEST}[cluster.rules]\n{keys}"));
    assert_eq!(rules("base = \"1.28\"\ncomplete_by_attempt = true"), Vec::<String>::new());
    assert_eq!(rules("auto_reconnect = [\"GONE\"]"), [".cluster.rules.auto_reconnect[0]: choice"]);
    assert_eq!(rules("leadership_check = \"Name\""), [".cluster.rules.leadership_check: choice"]);
    assert_eq!(rules("act_under_leese = true"), [".cluster.rules.act_under_leese: unknown"]);
    let step = |keys: &str| schema_violations(&format!("{SMALLEST}[[plan]]\nat = \"1s\"\n{keys}"));
    assert_eq!(step(""), [".plan[0]: one of"]);
    let bare = |keys: &str| schema_violations(&format!("{SMALLEST}[[plan]]\nstop = \"n1\"\n{keys}"));
    assert_eq!(bare(""), [".plan[0]: any of"]);
    assert_eq!(bare("when = \"n1 is CONNECTED\""), Vec::<String>::new());
    assert_eq!(bare("after = \"all-connected\""), Vec::<String>::new());
    assert_eq!(step("stop = \"n1\"\nstart = \"n1\""), [".plan[0]: one of"]);
    assert_eq!(step("crash = \"n1\"\ndisk = \"lost\""), [".plan[0].disk: choice"]);
    assert_eq!(step("operator = { at = \"n1\" }"), [".plan[0].operator: one of"]);
}

/// Every table of the schema with its keys.
fn tables(root: &Value) -> Vec<(&str, Vec<&str>)> {
    let definitions = root["definitions"].as_object().unwrap();
    let all = std::iter::once(("Scenario", root))
        .chain(definitions.iter().map(|(name, table)| (name.as_str(), table)));
    all.map(|(name, table)| {
        assert_eq!(table["additionalProperties"], false, "{name}");
        assert!(table["description"].is_string(), "{name}");
        let keys = table["properties"].as_object().unwrap();
        for (key, schema) in keys {
            assert!(schema["description"].is_string(), "{name}.{key}: {schema}");
        }
        (name, keys.keys().map(String::as_str).collect())
    })
    .collect()
}

#[test]
fn the_schema_names_and_describes_every_key() {
    let schema = schema();
    let tables = tables(&schema);
    let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Scenario", "Cluster", "Expect", "Network", "Operator", "State", "Step", "ZooKeeper"]);
    // A key that no table has is refused with the list of those it has: the two lists are the same.
    let places = [
        ("Scenario", ""),
        ("Cluster", "[cluster]\n"),
        ("Expect", "[expect]\n"),
        ("Network", "[network]\n"),
        ("ZooKeeper", "[zookeeper]\n"),
        ("State", "[[expect.state]]\n"),
        ("Step", "[[plan]]\n"),
        ("Operator", "[[plan]]\noperator."),
    ];
    for (name, place) in places {
        let error = Scenario::parse(&format!("{place}unheard-of = 1"), &KNOWN).unwrap_err();
        let listed = error.message.strip_prefix("unknown key, expected ").unwrap();
        let mut listed: Vec<&str> = listed.trim_start_matches("one of ").split(", ").collect();
        listed.sort_unstable();
        let (_, keys) = tables.iter().find(|(table, _)| *table == name).unwrap();
        assert_eq!(*keys, listed, "{name}");
    }
    assert!(!schema.to_string().contains("null"), "{schema:#}");
}
