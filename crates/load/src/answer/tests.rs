use super::*;

/// Feeds `bytes` in pieces of `size`, keeping what is not taken, as a connection does.
fn decode(bytes: &[u8], size: usize) -> Result<(Answer, Vec<u8>), Malformed> {
    let mut decoder = Decoder::new();
    let (mut kept, mut from) = (0, 0);
    while from < bytes.len() {
        from = bytes.len().min(from + size);
        kept += decoder.advance(&bytes[kept..from])?;
        if let Some(answer) = decoder.take() {
            assert_eq!(kept, bytes.len(), "all of it is the answer");
            return Ok((answer, decoder.sample().to_vec()));
        }
    }
    decoder.end()?;
    let answer = decoder.take().expect("an answer at the end");
    Ok((answer, decoder.sample().to_vec()))
}

fn answer(status: u16, bytes: u64, close: bool) -> Answer {
    Answer {
        status,
        bytes,
        close,
    }
}

#[test]
fn every_framing_is_read_however_it_is_split() {
    let cases: &[(&str, Answer, &str)] = &[
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n",
            answer(200, 6, false),
            "hello\n",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length:3\r\ncontent-length: 3\r\nConnection: x, Close\r\n\r\nno\n",
            answer(401, 3, true),
            "no\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=\"b\"\r\n\n\r\n0\r\n\r\n",
            answer(200, 6, false),
            "hello\n",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n00A \r\n0123456789\r\n0\r\na: b\r\nc: d\r\n\r\n",
            answer(200, 10, false),
            "0123456789",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            answer(200, 0, false),
            "",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            answer(204, 0, false),
            "",
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n",
            answer(304, 0, false),
            "",
        ),
        (
            "HTTP/1.1 503 \r\ncontent-length: 0\r\n\r\n",
            answer(503, 0, false),
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            answer(200, 13, true),
            "until the end",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na",
            answer(200, 1, true),
            "a",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\na",
            answer(200, 1, false),
            "a",
        ),
    ];
    for (text, expected, body) in cases {
        for size in 1..=text.len() {
            let (got, sample) = decode(text.as_bytes(), size).expect(text);
            assert_eq!(got, *expected, "{text:?} in pieces of {size}");
            assert_eq!(sample, body.as_bytes(), "{text:?} in pieces of {size}");
        }
    }
}

#[test]
fn what_is_no_answer_is_an_error_however_it_is_split() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases: &[(String, Malformed)] = &[
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhell".into(),
            Malformed::Cut,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-len".into(), Malformed::Silent),
        ("HTTP/1.1 101 Upgrade\r\n\r\n".into(), Malformed::Upgrade),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: +6\r\n\r\n".into(),
            Malformed::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n".into(),
            Malformed::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncontent-length: 7\r\n\r\n".into(),
            Malformed::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            Malformed::Ambiguous,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n".into(),
            Malformed::Coding,
        ),
        (format!("{chunked}5\r\nhel"), Malformed::Cut),
        (format!("{chunked}5\r\nhello\r\n0\r\n"), Malformed::Cut),
        (format!("{chunked}\r\n"), Malformed::Chunk),
        (format!("{chunked}g\r\n"), Malformed::Chunk),
        (format!("{chunked}5\nhello"), Malformed::Chunk),
        (format!("{chunked}5\r\nhello!\r\n"), Malformed::Chunk),
        (format!("{chunked}10000000000000000\r\n"), Malformed::Chunk),
        (
            "SMTP ready\r\n".into(),
            Malformed::Head(httparse::Error::Version),
        ),
    ];
    for (text, expected) in cases {
        for size in 1..=text.len() {
            let got = decode(text.as_bytes(), size).map(|(answer, _)| answer);
            assert_eq!(got, Err(*expected), "{text:?} in pieces of {size}");
        }
    }
}

#[test]
fn one_answer_follows_another() {
    let mut decoder = Decoder::new();
    for (body, size) in [("a", 1), ("bc", 2), ("", 0)] {
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{body}");
        assert_eq!(decoder.advance(text.as_bytes()), Ok(text.len()));
        assert_eq!(decoder.take(), Some(answer(200, size, false)));
        assert_eq!(decoder.sample(), body.as_bytes());
        assert_eq!(decoder.take(), None);
    }
}

#[test]
fn a_long_body_is_counted_and_only_its_beginning_kept() {
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{}",
        "x".repeat(5000)
    );
    let (got, sample) = decode(text.as_bytes(), 999).expect("an answer");
    assert_eq!(got, answer(200, 5000, false));
    assert_eq!(sample.len(), SAMPLE);
}
