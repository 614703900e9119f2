//! Values that fit a schema of the OpenAPI document, and values that do not.

use super::schema::Schemas;
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::{Map, Value, json};

/// Items of a list, at most: longer ones only take longer.
const ITEMS_MAX: usize = 4;

/// A schema in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled<'a> {
    pub(super) document: &'a Value,
    pub(super) schema: &'a Value,
}

impl<'a> Sampled<'a> {
    pub(super) fn fits(self, value: &Value) -> bool {
        Schemas(self.document).check(self.schema, value).is_empty()
    }

    /// The same document, another schema.
    pub(super) fn of(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    fn resolved(self) -> &'a Map<String, Value> {
        match self.schema["$ref"].as_str() {
            None => self.schema.as_object().unwrap(),
            Some(name) => {
                let name = name.strip_prefix("#/components/schemas/").unwrap();
                self.of(&self.document["components"]["schemas"][name]).resolved()
            }
        }
    }

    /// Values that fit.
    pub(super) fn values(self) -> BoxedStrategy<Value> {
        let (document, schema) = (self.document.clone(), self.schema.clone());
        let fits = move |value: &Value| Schemas(&document).check(&schema, value).is_empty();
        self.candidates().prop_filter("rules between fields", fits).boxed()
    }

    /// Values that do not fit.
    pub(super) fn others(self) -> BoxedStrategy<Value> {
        let (document, schema) = (self.document.clone(), self.schema.clone());
        let fits = move |value: &Value| !Schemas(&document).check(&schema, value).is_empty();
        let changed = self.values().prop_flat_map(damage);
        prop_oneof![anything(), changed].prop_filter("fits by chance", fits).boxed()
    }

    fn candidates(self) -> BoxedStrategy<Value> {
        let words = self.resolved();
        if let Some(names) = words.get("enum").and_then(Value::as_array) {
            return prop::sample::select(names.clone()).boxed();
        }
        if !words.contains_key("type") {
            for word in ["oneOf", "anyOf"] {
                if let Some(parts) = words.get(word).and_then(Value::as_array) {
                    return union(parts.iter().map(|it| self.of(it).candidates()));
                }
            }
            return anything().boxed();
        }
        let types = words["type"].as_array();
        let types = types.map_or(vec![&words["type"]], |types| types.iter().collect());
        union(types.into_iter().map(|name| self.of_type(words, name.as_str().unwrap())))
    }

    fn of_type(self, words: &'a Map<String, Value>, name: &str) -> BoxedStrategy<Value> {
        match name {
            "null" => Just(Value::Null).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "integer" => {
                let bound = |word: &str, other: i128| {
                    let bound = words.get(word);
                    bound.map_or(other, |it| it.to_string().parse().unwrap())
                };
                let (min, max) = (bound("minimum", 0), bound("maximum", 1000));
                let number = move |it: i128| serde_json::from_str(&it.to_string()).unwrap();
                prop_oneof![Just(min), Just(max), min..=max].prop_map(number).boxed()
            }
            "string" => texts(words).prop_map(Value::from).boxed(),
            "array" => {
                let min = words.get("minItems").map_or(0, |it| it.as_u64().unwrap());
                let min = usize::try_from(min).unwrap();
                let items = self.of(&words["items"]).candidates();
                prop::collection::vec(items, min..=ITEMS_MAX).prop_map(Value::from).boxed()
            }
            "object" => self.objects(words),
            other => panic!("no values of the type {other}"),
        }
    }

    fn objects(self, words: &'a Map<String, Value>) -> BoxedStrategy<Value> {
        let required = words.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(properties) = words.get("properties").and_then(Value::as_object) else {
            let members = prop::collection::btree_map("[a-z]{1,5}", anything(), 0..4);
            return members.prop_map(|it| Value::Object(it.into_iter().collect())).boxed();
        };
        let properties = properties.iter();
        let fields = properties.map(|(name, schema)| {
            let value = self.of(schema).candidates();
            let value = if required.iter().any(|it| it == name) {
                value.prop_map(Some).boxed()
            } else {
                prop::option::weighted(0.3, value).boxed()
            };
            (Just(name.clone()), value)
        });
        let object = |fields: Vec<(String, Option<Value>)>| {
            let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
            Value::Object(given.collect())
        };
        fields.collect::<Vec<_>>().prop_map(object).boxed()
    }
}

fn texts(words: &Map<String, Value>) -> BoxedStrategy<String> {
    if words.get("format").is_some_and(|it| it == "date-time") {
        let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
        let time = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?";
        let offset = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
        return string_regex(&format!("{date}T{time}{offset}")).unwrap().boxed();
    }
    match words.get("pattern") {
        None => ".{0,20}".boxed(),
        Some(pattern) => {
            let pattern = pattern.as_str().unwrap().trim_matches(['^', '$']);
            string_regex(pattern).unwrap().boxed()
        }
    }
}

fn union(parts: impl Iterator<Item = BoxedStrategy<Value>>) -> BoxedStrategy<Value> {
    proptest::strategy::Union::new(parts).boxed()
}

/// Small JSON values of every kind.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1.5)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let object = prop::collection::btree_map("[a-z]{1,5}", inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same with one part that is something else.
fn damage(value: Value) -> BoxedStrategy<Value> {
    let Value::Object(fields) = value else { return anything().boxed() };
    let names: Vec<String> = fields.keys().cloned().chain(["surprise".to_owned()]).collect();
    let one = (prop::sample::select(names), any::<bool>(), anything());
    one.prop_map(move |(name, is_removed, other)| {
        let mut fields = fields.clone();
        if is_removed && fields.contains_key(&name) {
            fields.remove(&name);
        } else {
            fields.insert(name, other);
        }
        Value::Object(fields)
    })
    .boxed()
}
