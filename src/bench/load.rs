//! What is sent, to whom, and how fast.

mod marker;
mod pace;
mod plan;
mod post;
mod server;
mod template;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use marker::{BYTES_MAX as MARKER_BYTES_MAX, Marker};
pub(crate) use pace::Pace;
pub(crate) use plan::LoadPlan;
pub(crate) use post::PostTemplate;
pub(crate) use server::{BrowserHeaders, ServerAddress};
pub(crate) use template::{Template, TemplateValues};
pub(crate) use tokens::{TokenGrants, TokenSigner};
