//! One connection of a [`super::Site`]: request after request over HTTP/1.1, plain or TLS.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use super::{
    Seen, Shared, h2c,
    reply::{Body, Reply},
};
use crate::wire::{self, Framing, Head};

const FOREVER: Duration = Duration::from_secs(3600);

pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream, connection: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(config) = &shared.tls {
        let session = rustls::ServerConnection::new(Arc::clone(config)).map_err(wire::bad)?;
        let peer = stream.peer_addr()?;
        return converse(
            shared,
            rustls::StreamOwned::new(session, stream),
            peer,
            connection,
        );
    }
    if h2c::opens(&stream)? {
        return h2c::serve(shared, stream, connection);
    }
    let peer = stream.peer_addr()?;
    converse(shared, stream, peer, connection)
}

fn converse(
    shared: &Shared,
    stream: impl Read + Write,
    peer: std::net::SocketAddr,
    connection: u64,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = wire::read_head(&mut stream)? {
        let close = head.headers.lists("connection", "close");
        let seen = match read_request(&mut stream, head, peer, connection) {
            Ok(seen) => seen,
            Err(error) => {
                write!(
                    stream.get_mut(),
                    "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
                )?;
                return Err(error);
            }
        };
        let bodiless = seen.method == "HEAD";
        let reply = shared.answer(seen);
        if !answer(shared, &mut stream, &reply, bodiless)? || close || reply.close {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(
    stream: &mut BufReader<impl Read + Write>,
    head: Head,
    peer: std::net::SocketAddr,
    connection: u64,
) -> io::Result<Seen> {
    let mut words = head.start.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wire::bad(format!("request line {:?}", head.start)));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let framing = wire::framing(&head.headers, Framing::Length(0))?;
    if head.headers.lists("expect", "100-continue") {
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let (body, trailers) = wire::read_body(stream, framing)?;
    let Head { headers, raw, .. } = head;
    Ok(Seen {
        version: "HTTP/1.1",
        method,
        target,
        headers,
        body,
        trailers,
        connection,
        peer,
        head: raw,
    })
}

/// Writes the reply; `false` where the connection cannot go on after it.
fn answer(
    shared: &Shared,
    stream: &mut BufReader<impl Read + Write>,
    reply: &Reply,
    bodiless: bool,
) -> io::Result<bool> {
    if !shared.pause(reply.delay) {
        return Ok(false);
    }
    let out = stream.get_mut();
    match &reply.body {
        Body::Raw(bytes) => out.write_all(bytes)?,
        Body::Silence => {
            shared.pause(FOREVER);
        }
        Body::Promised(length) => {
            write_head(out, reply, &[("content-length", &length.to_string())])?;
            shared.pause(FOREVER);
        }
        Body::Echo => {
            write_head(out, reply, &[])?;
            echo(stream)?;
        }
        Body::Whole(body) if reply.trailers.is_empty() => {
            write_head(out, reply, &[("content-length", &body.len().to_string())])?;
            if !bodiless {
                out.write_all(body)?;
            }
            out.flush()?;
            return Ok(true);
        }
        Body::Whole(body) => {
            write_head(out, reply, &[("transfer-encoding", "chunked")])?;
            if !bodiless {
                write_chunk(out, body)?;
                finish_chunks(out, reply)?;
            }
            return Ok(true);
        }
        Body::Spaces(size) => {
            write_head(out, reply, &[("transfer-encoding", "chunked")])?;
            if !bodiless {
                write_spaces(out, *size)?;
                finish_chunks(out, reply)?;
            }
            return Ok(true);
        }
        Body::Ticks { chunk, every } => {
            write_head(out, reply, &[("transfer-encoding", "chunked")])?;
            write_chunk(out, chunk)?;
            while shared.pause(*every) {
                write_chunk(out, chunk)?;
            }
        }
    }
    Ok(false)
}

fn write_head(out: &mut impl Write, reply: &Reply, framing: &[(&str, &str)]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} \r\n", reply.status);
    for (name, value) in reply
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .chain(framing.iter().copied())
    {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.close {
        head.push_str("connection: close\r\n");
    }
    head.push_str("\r\n");
    out.write_all(head.as_bytes())?;
    out.flush()
}

fn write_chunk(out: &mut impl Write, chunk: &[u8]) -> io::Result<()> {
    if chunk.is_empty() {
        return Ok(());
    }
    write!(out, "{:x}\r\n", chunk.len())?;
    out.write_all(chunk)?;
    out.write_all(b"\r\n")?;
    out.flush()
}

fn write_spaces(out: &mut impl Write, size: u64) -> io::Result<()> {
    let block = [b' '; 64 * 1024];
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        write_chunk(out, &block[..length])?;
        left -= length as u64;
    }
    Ok(())
}

fn finish_chunks(out: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut end = String::from("0\r\n");
    for (name, value) in &reply.trailers {
        end.push_str(&format!("{name}: {value}\r\n"));
    }
    end.push_str("\r\n");
    out.write_all(end.as_bytes())?;
    out.flush()
}

/// Sends back whatever comes, as it comes.
fn echo(stream: &mut BufReader<impl Read + Write>) -> io::Result<()> {
    loop {
        let bytes = stream.fill_buf()?.to_owned();
        if bytes.is_empty() {
            return Ok(());
        }
        stream.consume(bytes.len());
        stream.get_mut().write_all(&bytes)?;
        stream.get_mut().flush()?;
    }
}
