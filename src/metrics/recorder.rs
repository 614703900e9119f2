//! Collects the metrics of the table, and writes them as Prometheus reads them.

use super::{Kind, Metric, TABLE};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// What is there now: the name of a gauge, its labels, how many.
pub type Reading = (&'static str, &'static [(&'static str, &'static str)], usize);

/// Collects metrics and renders them. Cheap to clone; clones share their numbers.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

/// The process collects its metrics elsewhere already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("metrics are collected elsewhere already: they can be installed once per process")]
pub struct InstallError;

impl Metrics {
    /// Numbers of its own, all described and zero; nothing is counted before [`Metrics::install`].
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        let handle = recorder.handle();
        Self { recorder: Arc::new(recorder), handle }
    }

    /// Makes this the place where the whole process counts. Once per process.
    pub fn install(&self) -> Result<(), InstallError> {
        metrics::set_global_recorder(Arc::clone(&self.recorder)).map_err(|_| InstallError)
    }

    /// Everything as text, after setting `gauges` to what is there now.
    pub fn render(&self, gauges: &[Reading]) -> String {
        metrics::with_local_recorder(&*self.recorder, || {
            for &(name, labels, value) in gauges {
                metrics::gauge!(name, labels).set(u32::try_from(value).unwrap_or(u32::MAX));
            }
        });
        self.handle.render()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Tells the recorder in charge what there is.
fn describe() {
    for &Metric { name, kind, help } in TABLE {
        match kind {
            Kind::Counter => {
                metrics::describe_counter!(name, help);
                metrics::counter!(name).absolute(0);
            }
            Kind::LabelledCounter => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
        }
    }
}
