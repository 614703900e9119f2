//! Many emits in one command.

use super::bounds::EMITS_MAX;
use super::error::CommandError;
use super::schema::BatchItems;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Many emits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The emits, 1 to 1000, in the order in which they are sent.
    #[schema(value_type = BatchItems)]
    emits: Vec<Box<RawValue>>,
}

impl BatchRequest {
    /// The emits, each of which is read by itself: one that is wrong does not keep the others from being sent.
    pub fn parse(self) -> Result<Vec<Box<RawValue>>, CommandError> {
        let Self { emits } = self;
        if emits.is_empty() || EMITS_MAX < emits.len() {
            let why = format!("1 to {EMITS_MAX} emits, not {}", emits.len());
            return Err(CommandError::field("emits", why));
        }
        Ok(emits)
    }
}
