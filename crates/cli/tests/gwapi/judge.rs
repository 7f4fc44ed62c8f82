//! Holding what came of a request against what must.

use std::thread;
use std::time::{Duration, Instant};

use http::Uri;

use crate::ask::Answer;
use crate::case::{Forwarded, Redirect, Request, Response, Step};
use crate::grpc;
use crate::journal::{Journal, Sighting};

/// Mirrored requests come when they come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Judges one answer; the name of the workload that served it, if one did.
pub(crate) fn judge(
    step: &Step,
    answer: &Answer,
    journal: &Journal,
) -> Result<Option<String>, String> {
    if let Some(call) = &step.grpc {
        let wanted = call.response.code.as_deref().unwrap_or("OK");
        let code = grpc::code(&answer.response);
        equal("code", wanted, code.as_str())?;
        return match wanted {
            "OK" => served(step, answer, journal).map(Some),
            _ => Ok(None),
        };
    }
    let request = step.request.as_ref().ok_or("no request")?;
    let upgraded = request.protocol.is_some() && answer.response.status == 101;
    let status = answer.response.status;
    let opened = upgraded && step.statuses() == [200];
    if !opened && !step.statuses().contains(&status) {
        return Err(format!("status: want {:?}, got {status}", step.statuses()));
    }
    response(&step.expect.response, answer)?;
    if let Some(wanted) = &step.expect.redirect {
        redirect(wanted, request, answer)?;
    }
    // A preflight is the gateway's own to answer.
    let own = request.method == "OPTIONS"
        && step.backend().is_none()
        && journal.of(&answer.id).is_empty();
    if own || !(upgraded || matches!(status, 200 | 204)) {
        return Ok(None);
    }
    served(step, answer, journal).map(Some)
}

/// Who served the request, which must be who should, and have seen what it should.
fn served(step: &Step, answer: &Answer, journal: &Journal) -> Result<String, String> {
    let mirrors = &step.expect.mirrored_to;
    let always = mirrors.iter().filter(|it| it.percent.is_none()).count();
    let sightings = wait(journal, &answer.id, 1 + always);
    let is_mirror = |sighting: &&Sighting| {
        mirrors.iter().any(|it| {
            it.backend_ref.name == sighting.workload
                && it.backend_ref.namespace == sighting.namespace
        })
    };
    let (mirrored, own): (Vec<&Sighting>, Vec<&Sighting>) = sightings.iter().partition(is_mirror);
    for mirror in mirrors.iter().filter(|it| it.percent.is_none()) {
        let name = &mirror.backend_ref.name;
        let count = mirrored.iter().filter(|it| it.workload == *name).count();
        equal(&format!("requests mirrored to {name}"), &1, &count)?;
    }
    let [sighting] = own.as_slice() else {
        let names: Vec<&String> = own.iter().map(|it| &it.workload).collect();
        return Err(format!(
            "one backend must see the request, but these did: {names:?}"
        ));
    };
    if let Some(wanted) = step.backend() {
        equal("backend", wanted, sighting.workload.as_str())?;
    }
    if let Some(wanted) = step.backend_namespace() {
        equal(
            "namespace of the backend",
            wanted,
            sighting.namespace.as_str(),
        )?;
    }
    if let Some(name) = upstream_name(step, answer)
        && !journal.was_asked_for(&sighting.workload, name)
    {
        return Err(format!("the backend was never asked for {name}"));
    }
    if let Some(name) = &step.expect.forwarded_header_equals_backend {
        header(sighting, name, &sighting.workload)?;
    }
    forwarded(step, sighting)?;
    Ok(sighting.workload.clone())
}

/// An SNI that the client has no handshake for is the backend's to see.
fn upstream_name<'s>(step: &'s Step, answer: &Answer) -> Option<&'s str> {
    let request = step.request.as_ref()?;
    let sni = request.sni.as_deref()?;
    (answer.scheme == "http").then_some(sni)
}

fn wait(journal: &Journal, id: &str, count: usize) -> Vec<Sighting> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sightings = journal.of(id);
        if sightings.len() >= count || Instant::now() > deadline {
            return sightings;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn forwarded(step: &Step, sighting: &Sighting) -> Result<(), String> {
    let seen = &sighting.seen;
    let Some(request) = &step.request else {
        let method = step.grpc.as_ref().ok_or("no call")?.method()?;
        return equal("path", &format!("{}{method}", grpc::SERVICE), &seen.target);
    };
    let unchanged = Forwarded {
        host: request.host.clone(),
        headers: request.headers.clone(),
        ..Forwarded::default()
    };
    let wanted = step.expect.forwarded.as_ref().unwrap_or(&unchanged);
    equal(
        "path",
        wanted.path.as_ref().unwrap_or(&request.path),
        &seen.target,
    )?;
    equal(
        "method",
        wanted.method.as_ref().unwrap_or(&request.method),
        &seen.method,
    )?;
    if let Some(host) = &wanted.host {
        let authority = seen.headers.first(":authority");
        let got = authority.or_else(|| seen.headers.first("host"));
        equal("host", host.as_str(), got.unwrap_or_default())?;
    }
    for (name, value) in &wanted.headers {
        header(sighting, name, value)?;
    }
    for name in &wanted.absent_headers {
        let values = seen.headers.all(name);
        if !values.is_empty() {
            return Err(format!("the backend sees {name}: {values:?}"));
        }
    }
    Ok(())
}

fn header(sighting: &Sighting, name: &str, wanted: &str) -> Result<(), String> {
    let got = sighting.seen.headers.all(name).join(",");
    equal(
        &format!("header {name} at the backend"),
        wanted,
        got.as_str(),
    )
}

fn response(wanted: &Response, answer: &Answer) -> Result<(), String> {
    let got = |name: &str| {
        let values = answer.response.headers.all(name).join(",");
        plain(&values, wanted.ignore_whitespace)
    };
    for (name, value) in &wanted.headers {
        let value = plain(value, wanted.ignore_whitespace);
        equal(&format!("response header {name}"), &value, &got(name))?;
    }
    for (name, values) in &wanted.valid_header_values {
        let got = got(name);
        let valid = values
            .iter()
            .any(|it| plain(it, wanted.ignore_whitespace) == got);
        if !valid {
            return Err(format!(
                "response header {name}: want any of {values:?}, got {got:?}"
            ));
        }
    }
    for name in &wanted.absent_headers {
        if let Some(value) = answer.response.headers.first(name) {
            return Err(format!("response header {name} is there: {value:?}"));
        }
    }
    Ok(())
}

fn plain(value: &str, ignore_whitespace: bool) -> String {
    let keep = |it: &char| !ignore_whitespace || !it.is_whitespace();
    value.chars().filter(keep).collect()
}

/// Parts that nothing is said about: scheme and path are as requested, the port is the scheme's, the host is free.
fn redirect(wanted: &Redirect, request: &Request, answer: &Answer) -> Result<(), String> {
    let location = answer.response.headers.first("location");
    let location = location.ok_or("there is no Location")?;
    let uri: Uri = location
        .parse()
        .map_err(|error| format!("Location {location:?}: {error}"))?;
    let part = |name: &str, want: &str, got: Option<&str>| {
        equal(
            &format!("{name} of Location {location:?}"),
            want,
            got.unwrap_or_default(),
        )
    };
    let scheme = uri.scheme_str().unwrap_or(answer.scheme);
    part(
        "scheme",
        wanted.scheme.as_deref().unwrap_or(answer.scheme),
        Some(scheme),
    )?;
    if let Some(host) = &wanted.host {
        part("host", host, uri.host())?;
    }
    let usual = if scheme == "https" { "443" } else { "80" };
    let port = uri.port().map(|it| it.to_string());
    match &wanted.port {
        Some(wanted) => part("port", wanted, port.as_deref())?,
        None => part("port", usual, Some(port.as_deref().unwrap_or(usual)))?,
    }
    let asked = request.path.split('?').next().unwrap_or_default();
    part(
        "path",
        wanted.path.as_deref().unwrap_or(asked),
        Some(uri.path()),
    )?;
    match &wanted.query {
        Some(query) => part("query", query, uri.query()),
        None => Ok(()),
    }
}

fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    want: &T,
    got: &T,
) -> Result<(), String> {
    if want == got {
        return Ok(());
    }
    Err(format!("{what}: want {want:?}, got {got:?}"))
}
