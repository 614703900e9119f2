//! Reading JSON so that a mistake is named by its field, or by its line and column.

use super::error::CommandError;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// Reads one JSON object.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, CommandError> {
    // Remembering the place of a mistake costs as much as reading: it is looked for only where there is one.
    if let Ok(JsonObject(value)) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(json);
    let read = serde_path_to_error::deserialize::<_, JsonObject<T>>(&mut json);
    let JsonObject(value) =
        read.map_err(|error| refuse(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| refuse(ROOT, &error))?;
    Ok(value)
}

/// The path of the whole object.
const ROOT: &str = ".";
/// How serde says that a field is not there, or there twice: not with the path of the field, but of its object.
const ABOUT_A_FIELD: [&str; 2] = ["missing field `", "duplicate field `"];

fn refuse(path: &str, error: &serde_json::Error) -> CommandError {
    let text = error.to_string();
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            CommandError::new(format_args!("malformed JSON: {text}"))
        }
        Category::Data => {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let why = text.strip_suffix(&place).unwrap_or(&text);
            let field = ABOUT_A_FIELD.iter().find_map(|it| why.strip_prefix(it)?.strip_suffix('`'));
            match field {
                Some(field) if path == ROOT => CommandError::field(field, why),
                Some(field) => CommandError::field(format!("{path}.{field}"), why),
                None if path == ROOT => CommandError::new(why),
                None => CommandError::field(path, why),
            }
        }
    }
}

/// A `T` written as a JSON object: for serde alone an array of its fields would do as well.
#[derive(Debug, Default)]
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = JsonObject<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(JsonObject)
    }
}

/// Reads a field whose `null` is a value like any other, not its absence.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
