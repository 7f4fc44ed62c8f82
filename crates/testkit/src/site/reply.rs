//! What a [`super::Site`] answers, well-behaved or not.

use std::time::Duration;

/// One answer. [`Reply::new`] behaves; the other constructors and [`Reply::after`] misbehave as servers do.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) trailers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) delay: Duration,
    pub(super) close: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// All of it, under a `Content-Length`.
    Whole(Vec<u8>),
    /// So many spaces in chunks, without a `Content-Length`.
    Spaces(u64),
    /// The same chunk over and over until somebody hangs up.
    Ticks { chunk: Vec<u8>, every: Duration },
    /// Headers with this `Content-Length`, then silence.
    Promised(u64),
    /// Not even headers: silence.
    Silence,
    /// Exactly these bytes in place of a response, then the connection closes.
    Raw(Vec<u8>),
    /// `101`, then every byte received comes back.
    Echo,
}

impl Reply {
    /// A complete response without body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self::with(status, Body::Whole(Vec::new()))
    }

    /// `200` with a JSON document.
    #[must_use]
    pub fn json(document: impl Into<String>) -> Self {
        Self::new(200)
            .header("content-type", "application/json")
            .body(document.into())
    }

    /// `302` to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::new(302).header("location", location)
    }

    /// `200` with `size` spaces, streamed in chunks: a body whose length nobody announced.
    #[must_use]
    pub fn spaces(size: u64) -> Self {
        Self::with(200, Body::Spaces(size))
    }

    /// `200`, then `chunk` at once and again after each `every`, without end.
    #[must_use]
    pub fn ticks(chunk: impl Into<Vec<u8>>, every: Duration) -> Self {
        Self::with(
            200,
            Body::Ticks {
                chunk: chunk.into(),
                every,
            },
        )
    }

    /// `200` with a `Content-Length` of `length`, after which no byte follows.
    #[must_use]
    pub fn promise(length: u64) -> Self {
        Self::with(200, Body::Promised(length))
    }

    /// The request is taken and never answered.
    #[must_use]
    pub fn silence() -> Self {
        Self::with(200, Body::Silence)
    }

    /// The connection closes without a byte.
    #[must_use]
    pub fn hang_up() -> Self {
        Self::raw("")
    }

    /// Exactly these bytes, then the connection closes. HTTP/1.1 only.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::with(200, Body::Raw(bytes.into()))
    }

    /// `101` to this protocol, after which every byte received comes back. HTTP/1.1 only.
    #[must_use]
    pub fn upgrade(protocol: &str) -> Self {
        Self::with(101, Body::Echo)
            .header("connection", "upgrade")
            .header("upgrade", protocol)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a trailer; over HTTP/1.1 the body is then chunked.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// Begins the answer only after this time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Closes the connection after the answer, and says so.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    fn with(status: u16, body: Body) -> Self {
        Self {
            status,
            headers: Vec::new(),
            trailers: Vec::new(),
            body,
            delay: Duration::ZERO,
            close: false,
        }
    }
}
