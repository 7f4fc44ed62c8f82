//! For the fuzzer alone: the edge's parsers of hostile bytes, which are nobody
//! else's business.

use std::net::SocketAddr;

use crate::edge::framing::{Framing, Most};
use crate::edge::proxy_protocol;

/// Follows an HTTP/1 connection, as every one is followed before hyper.
#[derive(Debug)]
pub struct Heads(Framing);

/// A head that was refused.
#[derive(Debug)]
pub struct Refused {
    /// Which head on the connection, counted from 1.
    pub number: u32,
    /// What hyper gets for it.
    pub stand_in: Vec<u8>,
}

impl Heads {
    /// Heads of at most so many bytes with so many fields.
    pub fn new(bytes: usize, fields: usize) -> Heads {
        Heads(Framing::new(Most { bytes, fields }))
    }

    /// How many of these bytes go on; the others are to be given again, with
    /// what came behind them.
    pub fn follow(&mut self, bytes: &[u8]) -> (usize, Option<Refused>) {
        let passed = self.0.follow(bytes);
        let refused = passed.refused.map(|it| Refused {
            number: it.number,
            stand_in: it.stand_in,
        });
        (passed.bytes, refused)
    }

    /// Whether an answer must come first that may change the protocol.
    pub fn waits(&self) -> bool {
        self.0.waits()
    }

    /// The answer came.
    pub fn decide(&mut self, switched: bool) {
        self.0.decide(switched);
    }
}

/// Reads a PROXY header from the start of `bytes`: for whom it speaks and how
/// long it is. `None` while more bytes are needed.
///
/// # Errors
/// What is wrong with it.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, String> {
    let header = proxy_protocol::parse(bytes).map_err(|bad| bad.to_string())?;
    Ok(header.map(|header| (header.source, header.length)))
}
