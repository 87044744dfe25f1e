//! The published schema is the one that the reader of scenarios draws, and knows every key that a scenario file uses.

use serde_json::Value;
use zeromaster_scenarios::{all, folder};
use zeromaster_sim::scenario::schema;

#[test]
fn the_published_schema_is_the_reader_s() {
    let path = folder().join("schema.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let published: Value = serde_json::from_str(&text).unwrap();
    assert!(
        published == schema(),
        "scenarios/schema.json is out of date; renew it with: cargo run -p zeromaster -- schema > scenarios/schema.json"
    );
}

#[test]
fn every_scenario_keeps_to_the_schema() {
    let schema = schema();
    for file in all().unwrap() {
        let table: toml::Table = file.text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let value = serde_json::to_value(table).unwrap();
        if let Err(wrong) = check(&schema, &schema, &value) {
            panic!("{file}: {wrong}");
        }
    }
}

#[test]
fn an_unknown_key_a_wrong_type_and_a_missing_key_are_refused() {
    let check_text = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        let schema = schema();
        check(&schema, &schema, &serde_json::to_value(table).unwrap())
    };
    assert_eq!(check_text("about = \"x.\"\n[cluster]\nnodes = 3"), Ok(()));
    assert_eq!(
        check_text("about = \"x.\"\n[cluster]\nnodes = 3\nnods = 4"),
        Err("cluster.nods: no such key".to_owned())
    );
    assert_eq!(
        check_text("about = \"x.\"\n[cluster]\nnodes = \"3\""),
        Err("cluster.nodes: expected an integer".to_owned())
    );
    let rules = |rules: &str| check_text(&format!("about = \"x.\"\n[cluster]\nnodes = 3\n{rules}"));
    assert_eq!(rules("rules = \"1.28\""), Ok(()));
    assert_eq!(rules("rules = { base = \"1.28\", complete_by_attempt = true }"), Ok(()));
    let wrong = Err("cluster.rules: fits none of its shapes".to_owned());
    assert_eq!(rules("rules = { complete_by_attempt = \"yes\" }"), wrong);
    assert_eq!(check_text("about = \"x.\"\n[cluster]"), Err("cluster.nodes: missing".to_owned()));
    assert_eq!(
        check_text(
            "about = \"x.\"\n[cluster]\nnodes = 3\n[[plan]]\nat = \"1s\"\ncrash = \"n1\"\nstop = \"n2\""
        ),
        Err("plan.0: expected exactly one of its alternatives, found 2".to_owned())
    );
    let step = |keys: &str| check_text(&format!("about = \"x.\"\n[cluster]\nnodes = 3\n[[plan]]\n{keys}"));
    assert_eq!(
        step("crash = \"n1\""),
        Err("plan.0: expected one of its alternatives, found none".to_owned())
    );
    assert_eq!(step("when = \"n1 is CONNECTED\"\ncrash = \"n1\""), Ok(()));
}

/// What of JSON Schema the published one uses, without its patterns and bounds: which keys there are, of which types,
/// which are required, and which exclude each other. The text of a value is the reader's business.
fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(root, schema);
    // A reference with a description of its own: everything else is in what it refers to.
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().try_for_each(|part| check(root, part, value));
    }
    let are_shapes = |ways: &&Vec<Value>| ways.iter().all(|way| way.get("required").is_none());
    if let Some(ways) = schema["anyOf"].as_array().filter(are_shapes) {
        let mut found = ways.iter().map(|way| check(root, way, value));
        return if found.any(|found| found.is_ok()) {
            Ok(())
        } else {
            Err(": fits none of its shapes".to_owned())
        };
    }
    if let Some(kind) = schema["type"].as_str()
        && !is_a(kind, value)
    {
        return Err(format!(": expected an {kind}"));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return Err(format!(": {value} is not among the allowed values"));
    }
    match value {
        Value::Object(table) => {
            check_required(schema, table)?;
            table.iter().try_for_each(|(key, value)| {
                let part = part_for(schema, key).ok_or_else(|| format!("{key}: no such key"))?;
                check(root, part, value).map_err(|wrong| below(key, &wrong))
            })
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            check(root, &schema["items"], item).map_err(|wrong| below(&index.to_string(), &wrong))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn check_required(schema: &Value, table: &serde_json::Map<String, Value>) -> Result<(), String> {
    let names = |schema: &Value| -> Vec<String> {
        let names = schema["required"].as_array();
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if let Some(name) = names(schema).iter().find(|name| !table.contains_key(*name)) {
        return Err(format!("{name}: missing"));
    }
    if let Some(ways) = schema["anyOf"].as_array()
        && !ways.iter().any(|way| names(way).iter().all(|name| table.contains_key(name)))
    {
        return Err(": expected one of its alternatives, found none".to_owned());
    }
    let Some(alternatives) = schema["oneOf"].as_array() else { return Ok(()) };
    let chosen = alternatives
        .iter()
        .filter(|alternative| names(alternative).iter().all(|name| table.contains_key(name)))
        .count();
    if chosen == 1 {
        Ok(())
    } else {
        Err(format!(": expected exactly one of its alternatives, found {chosen}"))
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is outside the schema"));
    root.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// The schema of a key: its own, or that of the only pattern for keys that the table has.
fn part_for<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let named = &schema["properties"][key];
    if !named.is_null() {
        return Some(named);
    }
    schema["patternProperties"].as_object()?.values().next()
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("the schema uses a type that this test does not know: {other}"),
    }
}

fn below(key: &str, wrong: &str) -> String {
    if wrong.starts_with(':') { format!("{key}{wrong}") } else { format!("{key}.{wrong}") }
}
