//! What a line says, as `key=value` text or as JSON.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use countersign_config::compiled::AccessLog;
use countersign_core::authz::{Remark, Remarked};
use countersign_core::origin::Origin;

use super::time::{Stamp, decimal};

/// One request, or one connection that is passed on. Never holds a token: no query, no header beside ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// When it came.
    pub(crate) time: SystemTime,
    /// `namespace/gateway/listener`; empty where none answered.
    pub(crate) listener: &'a str,
    /// `namespace/route/rule`; empty where none was found.
    pub(crate) route: &'a str,
    /// Empty where there are no requests, as are path and status then.
    pub(crate) method: &'a str,
    /// Without the query, which may carry a token.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    /// Code of the reason, `ok` for the backend's own answer.
    pub(crate) reason: &'static str,
    /// What kept the exchange from its end, if something did.
    pub(crate) cut: Option<&'static str>,
    /// The rule that refused it.
    pub(crate) rule: Option<&'a Origin>,
    pub(crate) detail: &'a str,
    /// What policies under trial and audits said.
    pub(crate) remarks: &'a [Remark],
    /// Whose token it brought.
    pub(crate) provider: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) client: IpAddr,
    /// Server name of the handshake, for connections that are passed on.
    pub(crate) sni: Option<&'a str>,
    /// Backend and endpoint that answered or should have.
    pub(crate) backend: Option<&'a str>,
    pub(crate) upstream: Option<&'a str>,
    /// From the head of the request to the end of the answer.
    pub(crate) took: Duration,
    /// From sending the request to the head of its answer.
    pub(crate) waited: Option<Duration>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) protocol: &'static str,
    pub(crate) request: Option<&'a str>,
    /// W3C trace id.
    pub(crate) trace: Option<&'a str>,
    /// Id of the decision, where the client was told it.
    pub(crate) decision: Option<&'a str>,
}

impl Entry<'_> {
    /// Writes a line, if the form is one.
    pub(super) fn write(&self, form: AccessLog, clock: &mut Stamp, out: &mut Vec<u8>) -> bool {
        let json = match form {
            AccessLog::Off => return false,
            AccessLog::Text => false,
            AccessLog::Json => true,
        };
        if json {
            out.push(b'{');
        }
        let mut line = Line {
            json,
            first: true,
            out,
        };
        line.time(clock, self.time);
        self.fields(&mut line);
        if json {
            out.push(b'}');
        }
        out.push(b'\n');
        true
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.client(self.client);
        line.some("sni", self.sni);
        if !self.method.is_empty() {
            line.text("method", self.method);
            line.text("path", self.path);
            line.number("status", self.status.into());
        }
        line.word("reason", self.reason);
        line.some("cut", self.cut);
        if let Some(rule) = self.rule {
            line.text("rule", &rule.to_string());
        }
        line.some("detail", Some(self.detail).filter(|text| !text.is_empty()));
        if !self.remarks.is_empty() {
            let trial = |it: &Remark| (it.outcome != Remarked::Audited).then(|| told(it));
            line.some("dry_run", listed(self.remarks, trial).as_deref());
            let audit =
                |it: &Remark| (it.outcome == Remarked::Audited).then(|| it.origin.to_string());
            line.some("audit", listed(self.remarks, audit).as_deref());
        }
        line.some("provider", self.provider);
        line.some("subject", self.subject);
        line.some(
            "listener",
            Some(self.listener).filter(|text| !text.is_empty()),
        );
        line.some("route", Some(self.route).filter(|text| !text.is_empty()));
        line.some("backend", self.backend);
        line.some("upstream", self.upstream);
        line.millis("duration_ms", self.took);
        if let Some(waited) = self.waited {
            line.millis("upstream_ms", waited);
        }
        line.number("bytes_in", self.received);
        line.number("bytes_out", self.sent);
        line.word("protocol", self.protocol);
        line.some("request_id", self.request);
        line.some("trace_id", self.trace);
        line.some("decision", self.decision);
    }
}

/// The first few of those remarks that `f` has words for.
fn listed(remarks: &[Remark], f: impl Fn(&Remark) -> Option<String>) -> Option<String> {
    let mut words = remarks.iter().filter_map(f);
    let mut list = words
        .by_ref()
        .take(MOST_REMARKS)
        .collect::<Vec<_>>()
        .join("; ");
    let more = words.count();
    if more > 0 {
        list.push_str(&format!("; and {more} more"));
    }
    (!list.is_empty()).then_some(list)
}

fn told(remark: &Remark) -> String {
    format!("{} {}", remark.outcome.code(), remark.origin)
}

/// Remarks that a line repeats.
const MOST_REMARKS: usize = 8;

struct Line<'o> {
    json: bool,
    first: bool,
    out: &'o mut Vec<u8>,
}

impl Line<'_> {
    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(if self.json { b',' } else { b' ' });
        }
        self.first = false;
        if self.json {
            self.out.push(b'"');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            self.out.extend_from_slice(key.as_bytes());
            self.out.push(b'=');
        }
    }

    fn time(&mut self, clock: &mut Stamp, time: SystemTime) {
        self.key("time");
        if self.json {
            self.out.push(b'"');
        }
        clock.write(time, self.out);
        if self.json {
            self.out.push(b'"');
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        if self.json || !is_plain(value) {
            quote(value, self.out);
        } else {
            self.out.extend_from_slice(value.as_bytes());
        }
    }

    /// A text of ours that needs no look at its characters.
    fn word(&mut self, key: &str, value: &'static str) {
        self.key(key);
        if self.json {
            self.out.push(b'"');
        }
        self.out.extend_from_slice(value.as_bytes());
        if self.json {
            self.out.push(b'"');
        }
    }

    fn some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn client(&mut self, address: IpAddr) {
        self.key("client");
        let quote: &[u8] = if self.json { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        let _infallible = write!(self.out, "{address}");
        self.out.extend_from_slice(quote);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        decimal(value, 1, self.out);
    }

    fn millis(&mut self, key: &str, value: Duration) {
        self.key(key);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        decimal(micros / 1000, 1, self.out);
        self.out.push(b'.');
        decimal(micros % 1000, 3, self.out);
    }
}

/// What stands in a text line without quotes: nothing that ends a value, a
/// line, or what a terminal obeys.
fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    !value.is_empty() && value.bytes().all(plain)
}

/// A JSON string (RFC 8259 section 7).
fn quote(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in value.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_control() || is_hidden(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Format characters (Unicode category Cf, and the two separators of lines):
/// they show as nothing, or turn round what stands beside them.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
