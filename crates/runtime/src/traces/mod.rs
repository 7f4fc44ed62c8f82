//! Traces: what became of each request, told to an OpenTelemetry collector as spans. Off unless it is asked for.
//!
//! A worker makes a [`Context`] of a request's head by its [`Tracer`] and at the request's end puts a [`Call`] on
//! record. That costs it the text of the spans and one attempt to put it in a bounded queue. [`Exporter`], on the
//! control runtime, takes them from there to the [`Collector`] in batches. Whatever goes wrong with that is counted and
//! logged and never felt by a request.
//!
//! Spans go out as OTLP/HTTP in its JSON encoding, written here and sent with the gateway's own client ([`crate::http`]).
//! The `opentelemetry-otlp` crate would bring its SDK, `prost` and `tonic`'s messages with it, and the HTTP client that it
//! can do without `reqwest` speaks no TLS, so that one would have to be written around ours all the same. What is needed
//! of OTLP is one request with two kinds of span.

mod attributes;
mod collector;
mod context;
mod counts;
mod export;
mod message;
mod ratio;
mod span;
mod tracer;

pub use collector::Collector;
pub use context::{Context, SpanId, TRACEPARENT, TRACESTATE, TraceId};
pub use export::Exporter;
pub use ratio::Ratio;
pub use span::{Attempt, Call};
pub use tracer::{Plan, Tracer};
