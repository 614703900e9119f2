//! A check of JSON against the schemas of the OpenAPI document, as strict as they allow: what a schema does not
//! mention must not be there, and a word that this check does not know fails it.

use regex::Regex;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Words that say nothing about what is valid here.
const NOTES: &[&str] = &["description", "example", "examples", "default", "title", "format"];

pub(super) struct Schemas<'a>(pub(super) &'a Value);

impl Schemas<'_> {
    /// What is wrong with `value`, each with its place.
    pub(super) fn check(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.walk(schema, value, "$", &mut wrong);
        wrong
    }

    fn walk(&self, schema: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
        if *schema == Value::Bool(false) {
            wrong.push(format!("{place} must not be there"));
            return;
        }
        let schema = schema.as_object().unwrap_or_else(|| panic!("{place}: no schema: {schema}"));
        for (word, rule) in schema {
            let fits = match word.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/components/schemas/");
                    let named = &self.0["components"]["schemas"][name.unwrap()];
                    self.walk(named, value, place, wrong);
                    true
                }
                "type" => {
                    let types = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
                    types.iter().any(|it| is_of_type(value, it))
                }
                "enum" => rule.as_array().unwrap().contains(value),
                "const" => rule == value,
                "oneOf" => {
                    let fitting = rule.as_array().unwrap().iter();
                    fitting.filter(|it| self.check(it, value).is_empty()).count() == 1
                }
                "anyOf" => {
                    rule.as_array().unwrap().iter().any(|it| self.check(it, value).is_empty())
                }
                "allOf" => {
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .for_each(|it| self.walk(it, value, place, wrong));
                    true
                }
                "not" => !self.check(rule, value).is_empty(),
                "minimum" => value.as_f64().is_none_or(|it| rule.as_f64().unwrap() <= it),
                "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().unwrap()),
                "maxItems" => value.as_array().is_none_or(|it| it.len() <= number(rule)),
                "maxLength" => value.as_str().is_none_or(|it| it.chars().count() <= number(rule)),
                "minItems" => value.as_array().is_none_or(|it| number(rule) <= it.len()),
                "minLength" => value.as_str().is_none_or(|it| number(rule) <= it.chars().count()),
                "pattern" => value.as_str().is_none_or(|it| matches(rule.as_str().unwrap(), it)),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.walk(rule, item, &format!("{place}[{index}]"), wrong);
                    }
                    true
                }
                "required" => {
                    let names = rule.as_array().unwrap().iter().map(|it| it.as_str().unwrap());
                    value
                        .as_object()
                        .is_none_or(|it| names.clone().all(|name| it.contains_key(name)))
                }
                "properties" | "additionalProperties" | "propertyNames" => true,
                note if NOTES.contains(&note) => true,
                other => panic!("{place}: teach this check the word `{other}`"),
            };
            if !fits {
                wrong.push(format!("{place}: {value} does not fit {word} {rule}"));
            }
        }
        if let Some(object) = value.as_object() {
            self.walk_object(schema, object, place, wrong);
        }
    }

    fn walk_object(
        &self,
        schema: &Map<String, Value>,
        object: &Map<String, Value>,
        place: &str,
        wrong: &mut Vec<String>,
    ) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|it| it.is_object());
        if known.is_none() && others.is_none() {
            return;
        }
        // A part of a schema, such as one of `anyOf`, need not mention everything.
        let is_whole = schema.contains_key("type");
        for (name, value) in object {
            let place = format!("{place}.{name}");
            match known.and_then(|it| it.get(name)).or(others) {
                Some(schema) => self.walk(schema, value, &place, wrong),
                None if is_whole => wrong.push(format!("{place} is not documented")),
                None => {}
            }
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<String, Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let made = || Regex::new(pattern).unwrap();
        known.entry(pattern.to_owned()).or_insert_with(made).is_match(text)
    })
}

fn number(rule: &Value) -> usize {
    usize::try_from(rule.as_u64().unwrap()).unwrap()
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn the_check_itself_finds_what_is_wrong() {
    let document = serde_json::json!({"components": {"schemas": {"A": {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer"}, "s": {"type": ["string", "null"]}},
    }}}});
    let schemas = Schemas(&document);
    let schema = serde_json::json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}});
    let table = [
        (serde_json::json!([{"n": 1}, {"n": 2, "s": null}]), 0),
        (serde_json::json!([{"n": "1"}]), 1),
        (serde_json::json!([{"s": "a"}]), 1),
        (serde_json::json!([{"n": 1, "x": 2}]), 1),
        (serde_json::json!({"n": 1}), 1),
        (serde_json::json!([1.5, {"n": 1.5, "s": 1}]), 3),
    ];
    for (value, count) in table {
        let wrong = schemas.check(&schema, &value);
        assert_eq!(wrong.len(), count, "{value}: {wrong:?}");
    }
}
