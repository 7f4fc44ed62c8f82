use super::*;

const MOST: Most = Most {
    bytes: 300,
    fields: 4,
};

/// What passes in one piece must pass in any pieces, with the same outcome.
fn follow(text: &str) -> (Framing, Passed) {
    let bytes = text.as_bytes();
    let mut whole = Framing::new(MOST);
    let passed = whole.follow(bytes);
    for size in [1, 2, 3, 7] {
        let (mut pieces, mut held) = (Framing::new(MOST), Vec::new());
        let (mut count, mut refused) = (0, None);
        for piece in bytes.chunks(size) {
            held.extend_from_slice(piece);
            let passed = pieces.follow(&held);
            held.drain(..passed.bytes);
            count += passed.bytes;
            refused = passed.refused.or(refused);
            if pieces.is_over() {
                break;
            }
        }
        let number = |it: &Option<Refused>| it.as_ref().map(|it| (it.number, it.fault));
        assert_eq!(
            (count, number(&refused)),
            (passed.bytes, number(&passed.refused)),
            "{text:?} by {size}"
        );
        assert_eq!(pieces.state, whole.state, "{text:?} by {size}");
    }
    (whole, passed)
}

fn fault(passed: &Passed) -> Option<(u32, Fault)> {
    passed.refused.as_ref().map(|it| (it.number, it.fault))
}

const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";

/// The next request is found where this one ends.
fn ends(text: &str) {
    let (framing, passed) = follow(text);
    let all = Passed {
        bytes: text.len(),
        refused: None,
    };
    assert_eq!(passed, all, "{text:?}");
    assert_eq!(framing.state, State::Start, "{text:?}");
    assert!(!framing.is_mid_head());
    let (framing, passed) = follow(&format!(
        "{text}{NEXT}POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"
    ));
    assert_eq!(passed.refused, None);
    assert_eq!(
        (framing.state, framing.heads),
        (State::Body(1), 3),
        "{text:?}"
    );
}

#[test]
fn messages_end_where_they_say() {
    for text in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:  4\t\r\n\r\nab\n\r",
        "POST / HTTP/1.1\r\ncontent-length: 0004\r\n\r\nGET ",
        "POST / HTTP/1.1\r\nTRANSFER-encoding: Chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n3\r\n\r\na\r\n0A;x=\"y\"\r\n0123456789\r\n000\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na\r\n0\r\nx-trailer: 1\r\n\r\n",
    ] {
        ends(text);
    }
}

#[test]
fn what_hyper_takes_passes() {
    for head in [
        "GET /a|b{c}\"?d=e|{f}`^ HTTP/1.1\r\n\r\n",
        "GET /\u{e9}?\u{e9} HTTP/1.1\r\n\r\n",
        "get http://a.test:81?x HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\n\r\n",
        "M!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n!#$%&'*+-.^_`|~9:\r\n\r\n",
        "GET / HTTP/1.1\r\nx:\t\u{e9} \t\"()<>@,;:\\[]?={}\r\nx: \r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 18446744073709551613\r\n\r\n",
    ] {
        let (_, passed) = follow(head);
        assert_eq!(
            (passed.bytes, passed.refused),
            (head.len(), None),
            "{head:?}"
        );
    }
}

#[test]
fn fields_with_a_fault() {
    for (fields, fault) in [
        (
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "transfer-encoding: chunked\r\nx: y\r\ncontent-length: 3\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            Fault::TwoCodings,
        ),
        ("transfer-encoding: gzip, chunked\r\n", Fault::OtherCoding),
        ("transfer-encoding: chunked;q=1\r\n", Fault::OtherCoding),
        ("transfer-encoding:\r\n", Fault::OtherCoding),
        (
            "content-length: 3\r\nContent-Length: 3\r\n",
            Fault::TwoLengths,
        ),
        ("content-length: 3, 3\r\n", Fault::Length),
        ("content-length:\r\n", Fault::Length),
        ("content-length: +3\r\n", Fault::Length),
        ("content-length: 18446744073709551614\r\n", Fault::Length),
        ("Transfer_Encoding: chunked\r\n", Fault::LookAlike),
        ("content_length: 3\r\n", Fault::LookAlike),
        ("x: y\r\n z\r\n", Fault::Folded),
        ("x: y\n", Fault::BareLineFeed),
        ("x: y\ntransfer-encoding: gzip\r\n", Fault::BareLineFeed),
        ("x\r\n", Fault::NoColon),
        ("x : y\r\n", Fault::SpaceBeforeColon),
        ("x\t: y\r\n", Fault::SpaceBeforeColon),
        (": y\r\n", Fault::Name),
        ("x\"y: z\r\n", Fault::Name),
        ("x\u{e9}: z\r\n", Fault::Name),
        ("x: y\rz: a\r\n", Fault::Value),
        ("x: y\0\r\n", Fault::Value),
        ("x: y\x7f\r\n", Fault::Value),
        ("a:\r\nb:\r\nc:\r\nd:\r\ne:\r\n", Fault::TooMany),
    ] {
        let head = format!("POST /a?b HTTP/1.1\r\n{fields}\r\n");
        let (framing, passed) = follow(&format!("{NEXT}{head}GET /smuggled HTTP/1.1\r\n\r\n"));
        let expected = Passed {
            bytes: NEXT.len(),
            refused: Some(Refused {
                number: 2,
                fault,
                stand_in: b"POST /a HTTP/1.1\r\n\r\n".into(),
            }),
        };
        assert_eq!(passed, expected, "{fields:?}");
        assert!(framing.is_over());
    }
    let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(fault(&follow(old).1), Some((1, Fault::OldCoding)));
}

#[test]
fn request_lines_with_a_fault() {
    for (line, expected) in [
        ("GET / HTTP/1.1\n\n", Fault::BareLineFeed),
        ("\nGET / HTTP/1.1\r\n", Fault::BareLineFeed),
        ("GET /\r\n", Fault::RequestLine),
        ("GET  / HTTP/1.1\r\n", Fault::RequestLine),
        ("GET  HTTP/1.1\r\n", Fault::RequestLine),
        (" GET / HTTP/1.1\r\n", Fault::RequestLine),
        ("GET /a b HTTP/1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/1.1 \r\n", Fault::RequestLine),
        ("(GET / HTTP/1.1\r\n", Fault::Method),
        ("GET\t/\tHTTP/1.1\r\n", Fault::Method),
        ("\0", Fault::Method),
        ("GET /\t HTTP/1.1\r\n", Fault::Target),
        ("GET /\x7f HTTP/1.1\r\n", Fault::Target),
        ("GET /?\" HTTP/1.1\r\n", Fault::Target),
        ("GET a/b HTTP/1.1\r\n", Fault::Target),
        ("GET /a#f HTTP/1.1\r\n", Fault::Target),
        ("GET http://a/#f HTTP/1.1\r\n", Fault::Target),
        ("GET / HTTP/1.2\r\n", Fault::Version),
        ("GET / HTTP/2.0\r\n", Fault::Version),
        ("GET / http/1.1\r\n", Fault::Version),
        ("GET / HTTP/1.1\r\r\n", Fault::Version),
        ("\x16\x03\x01", Fault::Tls),
        ("PROXY UNKNOWN\r\n", Fault::Proxy),
    ] {
        let (_, passed) = follow(line);
        assert_eq!(fault(&passed), Some((1, expected)), "{line:?}");
    }
    let passed = Framing::new(MOST).follow(b"GET /#\xff HTTP/1.1\r\n");
    assert_eq!(fault(&passed), Some((1, Fault::Target)));
    let mut framing = Framing::new(MOST);
    let passed = framing.follow(b"\r\n\r\n\0\r\nQUIT\n");
    assert_eq!(fault(&passed), Some((1, Fault::Proxy)));
}

#[test]
fn a_head_may_be_as_large_as_its_limit() {
    let head = |length: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nx: ", "\r\n\r\n");
        let value = "y".repeat(length - start.len() - end.len());
        format!("{start}{value}{end}")
    };
    let (_, passed) = follow(&head(300));
    assert_eq!((passed.bytes, passed.refused), (300, None));
    let line = "GET / HTTP/1.1\r\n";
    let endless = "y".repeat(301);
    for long in [
        head(301),
        endless.clone(),
        format!("{line}{endless}"),
        "\r\n".repeat(151),
    ] {
        let (_, passed) = follow(&long);
        assert_eq!(fault(&passed), Some((1, Fault::TooLong)), "{long:?}");
    }
    let roomy = Most {
        bytes: 200_000,
        fields: 4,
    };
    for long in [
        format!("GET /{} HTTP/1.1\r\n", "y".repeat(65_534)),
        format!("{line}{}: z\r\n", "y".repeat(65_535)),
    ] {
        let passed = Framing::new(roomy).follow(long.as_bytes());
        assert_eq!(fault(&passed), Some((1, Fault::LongName)));
    }
}

#[test]
fn a_stand_in_says_what_is_known_and_harmless() {
    let long = format!("GET /{} HTTP/1.1\r\n", "y".repeat(2000));
    let cut = format!("GET /{} HTTP/1.1", "y".repeat(1023));
    for (head, stand_in) in [
        ("", "- - HTTP/1.1"),
        ("\r\n\r\nHEAD /a?b", "HEAD /a HTTP/1.1"),
        ("GE", "GE - HTTP/1.1"),
        ("GET /a#b HTTP/1.0\r\nx: y", "GET /a HTTP/1.0"),
        ("GET http://a.test/b?c HTTP/1.1\r\n", "GET /b HTTP/1.1"),
        ("GET a.test:443 HTTP/1.1\r\n", "GET - HTTP/1.1"),
        ("G(T /\x01 HTTP/1.1\r\n", "- - HTTP/1.1"),
        (&long, &cut),
    ] {
        let found = head::stand_in(head.as_bytes());
        let expected = format!("{stand_in}\r\n\r\n");
        assert_eq!(String::from_utf8(found), Ok(expected), "{head:?}");
    }
}

#[test]
fn lost_in_a_body_it_reads_no_further() {
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\n",
        "\r\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX\r\n",
        "5\nhello\r\n",
        "5_0\r\n",
        " 5\r\nhello\r\n",
        "10000000000000005\r\nhello\r\n",
        "0\r\nx: y\n\r\n",
    ] {
        let text = format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{body}{NEXT}");
        let (framing, passed) = follow(&text);
        assert!(framing.is_lost(), "{body:?}");
        assert!(
            passed.bytes <= text.len() - NEXT.len() && passed.refused.is_none(),
            "{body:?}"
        );
    }
}

#[test]
fn an_upgrade_waits_for_its_verdict() {
    let ask = "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\ncontent-length: 2\r\n\r\nhi";
    for (switched, after) in [(true, State::Switched), (false, State::Start)] {
        let (mut framing, passed) = follow(&format!("{ask}\x01\x05frame"));
        assert_eq!(
            passed,
            Passed {
                bytes: ask.len(),
                refused: None
            }
        );
        assert!(framing.waits());
        framing.decide(switched);
        assert_eq!(framing.state, after);
    }
    let (mut framing, _) = follow(ask);
    framing.decide(true);
    assert_eq!(framing.follow(b"\n\n\x81").bytes, 3);
    let (mut framing, _) = follow(ask);
    framing.decide(false);
    assert_eq!(framing.follow(NEXT.as_bytes()).bytes, NEXT.len());
}

#[test]
fn a_line_of_a_chunk_may_not_go_on_for_ever() {
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let text = format!("{head}5;{}", "x".repeat(LONGEST_LINE));
    let mut framing = Framing::new(MOST);
    let passed = framing.follow(text.as_bytes());
    assert!(framing.is_lost());
    assert_eq!(passed.bytes, head.len());
}
