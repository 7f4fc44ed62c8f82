//! Any bytes on an HTTP/1 connection, in pieces of any size (the first byte): what goes on is the same however it came,
//! hyper's parser takes every head of it, and finds messages to begin and end in the same places. Nothing goes on behind
//! a fault, and what stands in for it is a request without headers.

#![no_main]

use countersign_server::fuzz::{Heads, Refused};
use http::{Method, Uri};
use httparse::{EMPTY_HEADER, Request, Status, parse_chunk_size, parse_headers};
use libfuzzer_sys::fuzz_target;

const BYTES: usize = 1024;
const FIELDS: usize = 16;

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else {
        return;
    };
    let (passed, refused) = follow(bytes.chunks(bytes.len().max(1)));
    let (again, also) = follow(bytes.chunks(usize::from(*size).max(1)));
    let number = |it: &Option<Refused>| it.as_ref().map(|it| it.number);
    assert_eq!((&passed, number(&refused)), (&again, number(&also)));
    let heads = heads(&passed);
    if let Some(refused) = refused {
        assert!(heads.is_none_or(|heads| heads + 1 == refused.number));
        let mut headers = [EMPTY_HEADER; FIELDS];
        let mut request = Request::new(&mut headers);
        let read = request.parse(&refused.stand_in);
        assert_eq!(read, Ok(Status::Complete(refused.stand_in.len())));
        assert!(request.headers.is_empty());
        let target = Uri::try_from(request.path.unwrap_or_default());
        assert!(target.is_ok_and(|target| target.query().is_none()));
    }
});

/// Everything that goes on, while no protocol is ever switched.
fn follow<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<u8>, Option<Refused>) {
    let mut heads = Heads::new(BYTES, FIELDS);
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let (count, refused) = heads.follow(&held);
            passed.extend(held.drain(..count));
            if refused.is_some() {
                return (passed, refused);
            }
            if !heads.waits() {
                break;
            }
            heads.decide(false);
        }
    }
    (passed, None)
}

/// How many heads there are; `None` where chunks are too odd for this reader to find the next one.
fn heads(mut bytes: &[u8]) -> Option<u32> {
    let mut heads = 0;
    while !bytes.is_empty() {
        let mut headers = [EMPTY_HEADER; FIELDS];
        let mut request = Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            other => panic!("{other:?} in a head that went on"),
        };
        assert!(length <= BYTES);
        assert!(Method::from_bytes(request.method.unwrap_or_default().as_bytes()).is_ok());
        assert!(Uri::try_from(request.path.unwrap_or_default()).is_ok());
        heads += 1;
        let field = |name: &str| {
            let mut fields = request.headers.iter();
            let field = fields.find(|it| it.name.eq_ignore_ascii_case(name))?;
            Some(std::str::from_utf8(field.value).expect("framing is ASCII"))
        };
        bytes = &bytes[length..];
        if field("transfer-encoding").is_some() {
            bytes = chunks(bytes)?;
        } else if let Some(length) = field("content-length") {
            let length: u64 = length.parse().expect("a number");
            bytes = bytes.get(usize::try_from(length).ok()?..)?;
        }
    }
    Some(heads)
}

/// What follows a body in chunks.
fn chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let Ok(Status::Complete((start, size))) = parse_chunk_size(bytes) else {
            return None;
        };
        bytes = &bytes[start..];
        if size == 0 {
            let mut trailers = [EMPTY_HEADER; FIELDS];
            return match parse_headers(bytes, &mut trailers) {
                Ok(Status::Complete((length, _))) => bytes.get(length..),
                _ => None,
            };
        }
        bytes = bytes.get(usize::try_from(size).ok()?..)?;
        bytes = bytes.strip_prefix(b"\r\n")?;
    }
}
