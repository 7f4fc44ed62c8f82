//! What a run is to do: the options of the command line, checked and read.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::expect::Expect;
use crate::fault::Fault;
use crate::options::Options;
use crate::pace::Length;
use crate::requests::{Hosts, Requests};
use crate::target::{Protocol, Target};
use crate::tokens::Tokens;

/// A run, ready to begin.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
    pub(crate) connections: u32,
    /// At a time on each connection; 1 over HTTP/1.1.
    pub(crate) streams: u32,
    pub(crate) length: Length,
    /// In requests per second.
    pub(crate) rate: Option<f64>,
    pub(crate) requests: Requests,
    pub(crate) idle: u32,
    pub(crate) expect: Expect,
}

impl Plan {
    /// Reads files, looks up the host, and makes room for the connections.
    ///
    /// # Errors
    /// What of it cannot be done.
    pub(crate) fn new(options: Options) -> Result<Self, Fault> {
        let length = length(&options)?;
        if options.protocol == Protocol::Http1 && options.streams > 1 {
            let help = "add `--protocol http2`, or raise `--connections`";
            return Err(Fault::usage("`--streams` is for HTTP/2", help));
        }
        let target = Target::new(&options.url, options.ca.as_deref(), options.protocol)?;
        let mut fields = options.headers;
        let hosts = hosts(&target, options.hosts, &mut fields)?;
        check_fields(&fields, options.tokens.is_some())?;
        let tokens = options.tokens.as_deref();
        let tokens = tokens.map(|path| Tokens::read(path, options.from));
        let body = options
            .upload
            .map(|bytes| vec![b'u'; bytes as usize].into());
        let body: Option<Bytes> = body;
        make_room(u64::from(options.connections) + u64::from(options.idle))?;
        Ok(Self {
            requests: Requests::new(&target, hosts, &fields, tokens.transpose()?, body)?,
            target,
            protocol: options.protocol,
            connections: options.connections,
            streams: options.streams,
            length,
            rate: options.rate,
            idle: options.idle,
            expect: Expect {
                status: options.expect,
                bytes: options.expect_bytes,
            },
        })
    }
}

fn length(options: &Options) -> Result<Length, Fault> {
    let time = options.seconds.map(Duration::from_secs_f64);
    let time = time.map(Length::Time);
    time.or(options.requests.map(Length::Requests))
        .ok_or_else(|| Fault::usage("the run has no end", "give `--requests` or `--seconds`"))
}

/// A header `host` takes the place of the URL's.
fn hosts(
    target: &Target,
    turns: Option<u64>,
    fields: &mut Vec<(HeaderName, HeaderValue)>,
) -> Result<Hosts, Fault> {
    let named: Vec<_> = fields.extract_if(.., |(name, _)| *name == HOST).collect();
    match (turns, named.as_slice()) {
        (Some(count), []) => Ok(Hosts::Turns(count)),
        (None, []) => Ok(Hosts::One(target.authority.to_string())),
        (None, [(_, value)]) => {
            let host = value.to_str().unwrap_or_default();
            Ok(Hosts::One(host.to_owned()))
        }
        _ => {
            let help = "give one header `host`, or `--hosts`";
            Err(Fault::usage("requests have one host each", help))
        }
    }
}

fn check_fields(fields: &[(HeaderName, HeaderValue)], tokens: bool) -> Result<(), Fault> {
    let framing = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];
    for (name, _) in fields {
        if framing.contains(name) {
            let help = "leave it out: requests are framed by `--upload` and `--protocol`";
            return Err(Fault::usage(
                format!("the header `{name}` is set already"),
                help,
            ));
        }
        if tokens && *name == AUTHORIZATION {
            let help = "leave one of the two out";
            let message = "both `--tokens` and `--header` set `authorization`";
            return Err(Fault::usage(message, help));
        }
    }
    Ok(())
}

/// Raises the soft limit of open files as far as it goes.
fn make_room(connections: u64) -> Result<(), Fault> {
    let needed = connections + SPARE_FILES;
    let limit = getrlimit(Resource::Nofile);
    let fits = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if fits(limit.current) {
        return Ok(());
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if fits(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let message = format!("{connections} connections need {needed} open files, more than allowed");
    Err(Fault::failure(message).with_help("raise the limit before: `ulimit -n`, as root"))
}

/// For what is open besides connections.
const SPARE_FILES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut Options)) -> Result<Plan, String> {
        let mut options = Options {
            url: "http://127.0.0.1:1/".parse().expect("a URI"),
            protocol: Protocol::Http1,
            ca: None,
            connections: 1,
            streams: 1,
            requests: Some(1),
            seconds: None,
            rate: None,
            tokens: None,
            from: 0,
            headers: Vec::new(),
            hosts: None,
            upload: None,
            idle: 0,
            expect: 200,
            expect_bytes: None,
        };
        change(&mut options);
        Plan::new(options).map_err(|fault| fault.to_string())
    }

    fn add(options: &mut Options, name: &'static str, value: &'static str) {
        let name = HeaderName::from_static(name);
        options
            .headers
            .push((name, HeaderValue::from_static(value)));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        type Change = fn(&mut Options);
        let cases: &[(&str, Change)] = &[
            ("`--streams` is for HTTP/2", |it| it.streams = 2),
            ("`content-length` is set already", |it| {
                add(it, "content-length", "1");
            }),
            ("`connection` is set already", |it| {
                add(it, "connection", "close");
            }),
            ("one host each", |it| {
                it.hosts = Some(2);
                add(it, "host", "a");
            }),
            ("one host each", |it| {
                add(it, "host", "a");
                add(it, "host", "b");
            }),
            ("`/nonexistent`", |it| {
                it.tokens = Some("/nonexistent".into());
            }),
            ("both `--tokens` and `--header`", |it| {
                it.tokens = Some("/nonexistent".into());
                add(it, "authorization", "Basic e30");
            }),
            ("open files", |it| it.idle = u32::MAX),
        ];
        for (why, change) in cases {
            let told = plan(change).err().expect("refused");
            assert!(told.contains(why), "{why}: {told}");
        }
    }

    #[test]
    fn a_host_header_takes_the_place_of_the_url() {
        let plan = plan(|it| add(it, "host", "shop.test")).expect("a plan");
        let mut head = Vec::new();
        plan.requests.write(0, &mut head);
        assert_eq!(head, b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    }
}
