//! Sending the request of a step.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use countersign_testkit::client::{self, Client, Response};
use http_body_util::Full;

use crate::case::{Grpc, Request, Step};
use crate::grpc;
use crate::journal::ID;
use crate::scene::{Door, Scene};

/// What came of a request.
pub(crate) struct Answer {
    /// Under which the journal knows it.
    pub(crate) id: String,
    pub(crate) response: Response,
    /// Of the URL that was asked for.
    pub(crate) scheme: &'static str,
}

/// Sends the request of a step once.
pub(crate) fn ask(scene: &Scene, step: &Step) -> Result<Answer, String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
    let door = scene.door(step)?;
    let sent = match (&step.request, &step.grpc) {
        (Some(request), None) => http(scene, door, step, request, &id),
        (None, Some(call)) => call_grpc(door, call, &id),
        _ => return Err("neither one HTTP request nor one call".into()),
    };
    let response = sent.map_err(|error| format!("no answer: {error}"))?;
    let scheme = if door.tls { "https" } else { "http" };
    Ok(Answer {
        id,
        response,
        scheme,
    })
}

fn http(
    scene: &Scene,
    door: Door,
    step: &Step,
    request: &Request,
    id: &str,
) -> io::Result<Response> {
    if request.follow_redirects == Some(true) {
        return Err(io::Error::other("redirects are not followed here"));
    }
    match request.protocol.as_deref() {
        None | Some("HTTP") => {
            let mut client = connect(scene, door, step, request)?;
            client.send(&plain(door, request, id))
        }
        Some("h2c-prior-knowledge") => {
            let mut head = http::Request::builder()
                .method(request.method.as_str())
                .uri(format!(
                    "http://{}{}",
                    host(door, request.host.as_deref()),
                    request.path
                ));
            for (name, value) in headers(request, id) {
                head = head.header(name, value);
            }
            let body = Full::from(request.body.clone().unwrap_or_default());
            grpc::send(door.address(), head.body(body).map_err(io::Error::other)?)
        }
        Some("websocket" | "ws") => upgrade(
            connect(scene, door, step, request)?,
            &plain(door, request, id),
        ),
        Some(other) => Err(io::Error::other(format!("nothing here speaks {other}"))),
    }
}

fn connect(scene: &Scene, door: Door, step: &Step, request: &Request) -> io::Result<Client> {
    if !door.tls {
        return Client::connect(door.address());
    }
    let host = host(door, request.host.as_deref());
    let name = host.split(':').next().unwrap_or_default();
    let name = request.sni.as_deref().unwrap_or(name);
    Client::connect_tls(
        door.address(),
        name,
        scene.certificates.client(step.dial.and_then(|it| it.shows)),
    )
}

/// The `Host`: the Gateway's address unless the step says something else.
fn host(door: Door, asked: Option<&str>) -> String {
    let default_port = if door.tls { 443 } else { 80 };
    let address = SocketAddr::new(door.address().ip(), door.port);
    asked.map_or_else(
        || match door.port {
            port if port == default_port => address.ip().to_string(),
            _ => address.to_string(),
        },
        str::to_owned,
    )
}

fn headers(request: &Request, id: &str) -> Vec<(String, String)> {
    let own = request.headers.iter();
    let mut headers: Vec<(String, String)> = own.map(|(n, v)| (n.clone(), v.clone())).collect();
    headers.push((ID.into(), id.into()));
    let set = request.backend_set_response_headers.iter();
    let set: Vec<String> = set.map(|(name, value)| format!("{name}:{value}")).collect();
    if !set.is_empty() {
        headers.push(("X-Echo-Set-Header".into(), set.join(",")));
    }
    headers
}

fn plain(door: Door, request: &Request, id: &str) -> client::Request {
    let mut plain = client::Request::new(&request.method, &request.path);
    plain = plain.header("Host", &host(door, request.host.as_deref()));
    for (name, value) in headers(request, id) {
        plain = plain.header(&name, &value);
    }
    match &request.body {
        Some(body) => plain.body(body.as_bytes()),
        None => plain,
    }
}

/// Opens a WebSocket (RFC 6455) and sees that a message comes back.
fn upgrade(mut client: Client, request: &client::Request) -> io::Result<Response> {
    let request = request
        .clone()
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEA==");
    let response = client.send(&request)?;
    if response.status == 101 {
        // A masked text frame; the backend sends back every byte as it comes.
        let message = b"\x81\x85\x00\x00\x00\x00hello";
        client.write(message)?;
        let echo = client.read_bytes(message.len())?;
        if echo != message {
            return Err(io::Error::other("another message came back"));
        }
    }
    Ok(response)
}

fn call_grpc(door: Door, call: &Grpc, id: &str) -> io::Result<Response> {
    let method = call.method().map_err(io::Error::other)?;
    let host = host(door, call.request_metadata.authority.as_deref());
    let mut request = http::Request::post(format!("http://{host}{}{method}", grpc::SERVICE))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(ID, id);
    for (name, value) in &call.request_metadata.metadata {
        request = request.header(name, value);
    }
    let message = Full::new(Bytes::from(grpc::frame(b"")));
    grpc::send(
        door.address(),
        request.body(message).map_err(io::Error::other)?,
    )
}
