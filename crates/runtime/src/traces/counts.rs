//! What became of spans, as metrics.

use crate::metrics::{Counter, Metrics};

/// Numbers of spans.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// The queue was full.
    pub(super) dropped: Counter,
    /// The collector has taken them.
    pub(super) exported: Counter,
    /// The collector has answered that it does not want them.
    pub(super) rejected: Counter,
    /// The collector could not be reached, or has failed.
    pub(super) failed: Counter,
}

impl Counts {
    /// From here on they are rendered.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let result = |result| {
            let help = "Spans that were sent to the collector, by result.";
            metrics.counter("countersign_traces_exported_total", result, help)
        };
        let help = "Spans that were lost because too many waited for the collector.";
        Self {
            dropped: metrics.counter("countersign_traces_dropped_total", "", help),
            exported: result("ok"),
            rejected: result("rejected"),
            failed: result("failed"),
        }
    }
}
