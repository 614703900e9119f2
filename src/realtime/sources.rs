//! The sources of emits besides the admin API, as they report themselves: for whoever looks.

pub use crate::core::ingest::report::{
    SourceCounts, SourceKind, SourceReport, SourceState, SourceTrouble,
};

use crate::core::ingest::report::SourceFacts;
use crate::types::SourceName;
use std::sync::Arc;
use tokio::sync::watch;

/// How all sources are doing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IngestSources(Arc<[SourceView]>);

/// One source, for whoever looks.
#[derive(Debug)]
pub struct SourceView {
    /// Its name in the configuration.
    pub name: SourceName,
    /// What it is.
    pub kind: SourceKind,
    /// Says how it is doing.
    reports: watch::Receiver<SourceReport>,
}

impl SourceView {
    /// A source, and where it reports to.
    pub fn new(name: SourceName, kind: SourceKind) -> (Self, watch::Sender<SourceReport>) {
        let (sender, reports) = watch::channel(SourceReport::default());
        (Self { name, kind, reports }, sender)
    }

    /// What it reported last.
    pub fn facts(&self) -> SourceFacts {
        let (name, report) = (self.name.to_string(), self.reports.borrow().clone());
        SourceFacts { name, kind: self.kind, report }
    }
}

impl IngestSources {
    /// All sources, in the order of the configuration.
    pub fn new(all: Vec<SourceView>) -> Self {
        Self(all.into())
    }

    /// The sources, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &SourceView> {
        self.0.iter()
    }
}
