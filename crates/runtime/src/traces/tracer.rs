//! The workers' end: which requests are traced, and where their spans are put.

use http::HeaderMap;
use tokio::sync::mpsc::Sender;

use super::collector::Collector;
use super::context::{Context, Parent, TraceId};
use super::counts::Counts;
use super::export::Exporter;
use super::message::Resource;
use super::ratio::Ratio;
use super::span::{Call, Spans};
use crate::metrics::Metrics;

/// How requests are traced.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where spans go.
    pub collector: Collector,
    /// The share of traces kept, where the caller has not decided.
    pub sample: Ratio,
    /// `service.name`.
    pub service: String,
}

/// Traces requests. Cheap to clone; every worker has one.
#[derive(Debug, Clone)]
pub struct Tracer {
    sample: Ratio,
    queue: Sender<Spans>,
    counts: Counts,
}

impl Tracer {
    /// Starts the exporter, on the tokio runtime that this is called in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(plan: Plan, metrics: &Metrics) -> (Self, Exporter) {
        let Plan {
            collector,
            sample,
            service,
        } = plan;
        tracing::info!(%collector, share = %sample, "requests are traced");
        let counts = Counts::new(metrics);
        let resource = Resource::new(service);
        let (queue, exporter) = Exporter::start(collector, resource, counts.clone());
        let tracer = Self {
            sample,
            queue,
            counts,
        };
        (tracer, exporter)
    }

    /// Finds a request's place in its trace. `None` where the caller has decided that the trace is not kept: then what it
    /// said goes on as it came, and nothing is put on record.
    ///
    /// A caller's decision stands whatever the share is. Ids are made of what `random` gives, uniform over all numbers.
    pub fn begin(&self, headers: &HeaderMap, mut random: impl FnMut() -> u64) -> Option<Context> {
        if let Some(parent) = Parent::of(headers) {
            return parent.is_sampled().then(|| Context::below(parent, random));
        }
        let trace = TraceId::new(random(), random().max(1))?;
        Some(Context::root(trace, self.sample.keeps(trace), random))
    }

    /// Puts a request on record, if its trace is kept. Never waits: what the queue cannot take is dropped and counted.
    pub fn record(&self, call: &Call<'_>) {
        if !call.context.is_sampled() {
            return;
        }
        let Some(spans) = Spans::of(call) else {
            return;
        };
        let count = spans.count();
        if self.queue.try_send(spans).is_err() {
            self.counts.dropped.add(count);
        }
    }
}
