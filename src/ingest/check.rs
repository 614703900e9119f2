//! What trying a source has shown.

use super::trouble::Trouble;

/// What a check found, up to what keeps the source from being read.
#[derive(Debug, Default)]
pub struct SourceCheck {
    /// One line for each thing that is good.
    pub good: Vec<String>,
    /// One line for each thing that is no hindrance, and that its owner should know.
    pub notes: Vec<String>,
    /// What is not good: the stable name, and the same for people.
    pub bad: Option<(&'static str, String)>,
}

impl SourceCheck {
    /// Ends with what was met, if anything was.
    pub(super) fn end(mut self, tried: Result<(), Trouble>) -> Self {
        self.bad = tried.err().map(|trouble| (trouble.kind.as_str(), trouble.to_string()));
        self
    }
}
