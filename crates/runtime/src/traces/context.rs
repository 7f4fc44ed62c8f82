//! Whose trace a request belongs to, and what is said of that to the backend (W3C Trace Context).

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Carries the trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What vendors add to it. Without a valid `traceparent` it means nothing.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Names a trace; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

/// Names a span within its trace; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(NonZeroU64);

/// A valid `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) flags: u8,
}

/// One request's place in its trace.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) trace: TraceId,
    /// Who called us.
    pub(super) parent: Option<SpanId>,
    /// The request.
    pub(super) server: SpanId,
    /// The attempt to have the backend answer it.
    pub(super) client: SpanId,
    pub(super) flags: u8,
    outgoing: HeaderValue,
}

impl TraceId {
    /// `None` for zero.
    pub fn new(high: u64, low: u64) -> Option<Self> {
        NonZeroU128::new(u128::from(high) << 64 | u128::from(low)).map(Self)
    }

    /// Number of different [`TraceId::random_part`]s.
    pub(super) const RANDOM_PARTS: f64 = (1_u64 << 56) as f64;

    /// The seven bytes that every tracer chooses at random (Trace Context level 2, section 3.2.2.3.1).
    pub(super) fn random_part(self) -> u64 {
        const MASK: u128 = (1 << 56) - 1;
        u64::try_from(self.0.get() & MASK).unwrap_or(u64::MAX)
    }
}

impl Parent {
    /// What a request's headers say. `None` where they say nothing, and where what they say must not be believed: then the
    /// trace begins anew (section 4.3).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::parse(one.as_bytes()),
            _ => None,
        }
    }

    /// Reads a header's value (section 3.2.2). What later versions append is passed over, as they ask.
    fn parse(value: &[u8]) -> Option<Self> {
        let mut fields = value.splitn(5, |byte| *byte == b'-');
        let version = hex(fields.next()?, 2)?;
        let (trace, span) = (hex(fields.next()?, 32)?, hex(fields.next()?, 16)?);
        let flags = hex(fields.next()?, 2)?;
        let longer = fields.next().is_some();
        if version == 0xff || (version == 0 && longer) {
            return None;
        }
        Some(Self {
            trace: TraceId(NonZeroU128::new(trace)?),
            span: SpanId(NonZeroU64::new(u64::try_from(span).ok()?)?),
            flags: u8::try_from(flags).ok()? & KNOWN,
        })
    }

    pub(super) fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// So many lower-case hexadecimal digits, 32 at most.
fn hex(text: &[u8], digits: usize) -> Option<u128> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let next = |number: u128, byte| Some(number << 4 | u128::from(digit(byte)?));
    (text.len() == digits)
        .then(|| text.iter().try_fold(0, next))
        .flatten()
}

impl Context {
    /// The next one in a caller's trace.
    pub(super) fn below(parent: Parent, random: impl FnMut() -> u64) -> Self {
        let Parent { trace, span, flags } = parent;
        Self::new(trace, Some(span), flags, random)
    }

    /// The first one of a trace.
    pub(super) fn root(trace: TraceId, sampled: bool, random: impl FnMut() -> u64) -> Self {
        let flags = if sampled { SAMPLED } else { 0 };
        Self::new(trace, None, flags, random)
    }

    fn new(
        trace: TraceId,
        parent: Option<SpanId>,
        flags: u8,
        mut random: impl FnMut() -> u64,
    ) -> Self {
        let mut span = || SpanId(NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN));
        let (server, client) = (span(), span());
        let outgoing = format!("00-{trace}-{client}-{flags:02x}");
        // Digits and hyphens always are a header's value.
        let outgoing = HeaderValue::try_from(outgoing).unwrap_or(HeaderValue::from_static(""));
        Self {
            trace,
            parent,
            server,
            client,
            flags,
            outgoing,
        }
    }

    /// The `traceparent` that the backend gets: its caller is the span of our attempt to reach it.
    pub fn outgoing(&self) -> &HeaderValue {
        &self.outgoing
    }

    /// Whether spans are put on record.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Tells the backend. A `tracestate` stays only with the trace that it was said of.
    pub fn inject(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.outgoing.clone());
        if self.parent.is_none() {
            headers.remove(TRACESTATE);
        }
    }
}

/// Section 3.2.2.4.1.
const SAMPLED: u8 = 1;
/// Flags that go on as they came: besides the above, level 2's word that the id is random. Others must not.
const KNOWN: u8 = SAMPLED | 2;

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests;
