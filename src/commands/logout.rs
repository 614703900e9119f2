//! Logging a user out.

use super::block::check_reason;
use super::error::CommandError;
use super::schema::{FamilyText, ReasonText};
use crate::types::FamilyId;
use serde::Deserialize;
use utoipa::ToSchema;

/// Where a user is logged out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutRequest {
    /// Only where the client has resume tokens of this family, as a socket shows it. Without it, everywhere.
    #[schema(value_type = Option<FamilyText>)]
    family: Option<String>,
    /// What the clients are told, at most 1024 bytes.
    #[schema(value_type = Option<ReasonText>)]
    reason: Option<String>,
}

/// Where a user is logged out, and what is said.
#[derive(Debug, PartialEq, Eq)]
pub struct Logout {
    /// The client; `None`: all.
    pub family: Option<FamilyId>,
    /// What the clients are told.
    pub reason: Option<String>,
}

impl LogoutRequest {
    /// Checks it.
    pub fn parse(self) -> Result<Logout, CommandError> {
        let Self { family, reason } = self;
        check_reason(reason.as_deref())?;
        let read = |text: String| {
            FamilyId::parse(&text).ok_or_else(|| CommandError::field("family", FamilyId::RULE))
        };
        Ok(Logout { family: family.map(read).transpose()?, reason })
    }
}
