//! A blocking HTTP/1.1 client that sends exactly the bytes it is given.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::wire::{self, Framing, Headers};

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in order.
    pub headers: Headers,
    /// The body, de-chunked.
    pub body: Vec<u8>,
    /// Trailers in order.
    pub trailers: Headers,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// A request to be written as plain HTTP/1.1; `Host` is `localhost` unless a header says otherwise.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers of its own.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET` of this target.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a header; characters up to U+00FF stand for their octets.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer <token>`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets the body, sent under a `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// What goes over the wire.
    ///
    /// # Panics
    /// When a character above U+00FF stands in it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let octet = |c| u8::try_from(c).expect("requests are written in latin-1");
        head.chars()
            .map(octet)
            .chain(self.body.iter().copied())
            .collect()
    }

    /// Sends it over a connection of its own.
    ///
    /// # Panics
    /// When there is no connection or no response.
    #[must_use]
    pub fn send(&self, to: SocketAddr) -> Response {
        let mut client = Client::connect(to).unwrap_or_else(|error| panic!("{to}: {error}"));
        client
            .send(self)
            .unwrap_or_else(|error| panic!("{} {} at {to}: {error}", self.method, self.target))
    }
}

/// One connection. Nothing waits longer than ten seconds.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    tcp: TcpStream,
}

impl Client {
    /// Opens a plain connection.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = tcp(to, None)?;
        Ok(Self {
            tcp: stream.try_clone()?,
            stream: BufReader::new(Box::new(stream)),
        })
    }

    /// Opens a plain connection from this address of ours, any of 127.0.0.0/8.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect_from(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let stream = tcp(to, Some(from))?;
        Ok(Self {
            tcp: stream.try_clone()?,
            stream: BufReader::new(Box::new(stream)),
        })
    }

    /// Opens a TLS connection to `name` and completes the handshake. A server that refuses our certificate says
    /// so only after it (RFC 8446 section 4.4.2.4): the first read fails.
    ///
    /// # Errors
    /// When nobody listens, or the handshake fails.
    pub fn connect_tls(to: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        let tcp = tcp(to, None)?;
        let name = ServerName::try_from(name.to_owned()).map_err(wire::bad)?;
        let session = ClientConnection::new(config, name).map_err(wire::bad)?;
        let mut stream = StreamOwned::new(session, tcp.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self {
            tcp,
            stream: BufReader::new(Box::new(stream)),
        })
    }

    /// Our address on this connection.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no HTTP.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        if request.method == "HEAD" {
            self.read_head()
        } else {
            self.read()
        }
    }

    /// Sends exactly these bytes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn finish(&mut self) -> io::Result<()> {
        self.tcp.shutdown(std::net::Shutdown::Write)
    }

    /// Reads the next response with its body. `1xx` is one too, with no body.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no HTTP.
    pub fn read(&mut self) -> io::Result<Response> {
        let mut response = self.read_head()?;
        if !matches!(response.status, 100..200 | 204 | 304) {
            let framing = wire::framing(&response.headers, Framing::UntilClose)?;
            (response.body, response.trailers) = wire::read_body(&mut self.stream, framing)?;
        }
        Ok(response)
    }

    /// Reads the head of the next response and leaves its body on the connection.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no HTTP.
    pub fn read_head(&mut self) -> io::Result<Response> {
        let head = wire::read_head(&mut self.stream)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a response")
        })?;
        let status = head
            .start
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| wire::bad(format!("status line {:?}", head.start)))?;
        Ok(Response {
            status,
            headers: head.headers,
            body: Vec::new(),
            trailers: Headers::default(),
        })
    }

    /// Reads exactly so many bytes: of a body that goes on, or after an upgrade.
    ///
    /// # Errors
    /// When the connection breaks before.
    pub fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the other side closes, or already has, within `time`. Bytes that it still sends are passed over.
    pub fn closes_within(&mut self, time: Duration) -> bool {
        let deadline = std::time::Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() || self.tcp.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match self.stream.fill_buf().map(<[u8]>::len) {
                Ok(0) => return true,
                Ok(length) => self.stream.consume(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    );
                }
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a connection from some address of ours. Nothing waits longer than ten seconds.
///
/// # Errors
/// When nobody listens.
pub fn tcp(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
