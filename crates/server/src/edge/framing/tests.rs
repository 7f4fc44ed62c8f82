use super::*;

/// What passes in one piece must pass in any pieces, with the same outcome.
fn follow(text: &str) -> (Framing, Passed) {
    let bytes = text.as_bytes();
    let mut whole = Framing::default();
    let passed = whole.follow(bytes);
    for size in [1, 2, 3, 7] {
        let mut pieces = Framing::default();
        let (mut count, mut fault) = (0, None);
        for piece in bytes.chunks(size) {
            let passed = pieces.follow(piece);
            count += passed.bytes;
            fault = passed.fault.or(fault);
            if passed.bytes < piece.len() {
                break;
            }
        }
        assert_eq!(
            (count, fault),
            (passed.bytes, passed.fault),
            "{text:?} by {size}"
        );
        assert_eq!(pieces.state, whole.state, "{text:?} by {size}");
    }
    (whole, passed)
}

const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";

/// The next request is found where this one ends.
fn ends(text: &str) {
    let (framing, passed) = follow(text);
    assert_eq!(
        passed,
        Passed {
            bytes: text.len(),
            fault: None
        },
        "{text:?}"
    );
    assert_eq!(framing.state, State::Start, "{text:?}");
    let (framing, passed) = follow(&format!(
        "{text}{NEXT}POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"
    ));
    assert_eq!(passed.fault, None);
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
fn faults_are_told_with_the_number_of_their_head() {
    for (fields, fault) in [
        (
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "transfer-encoding: chunked\r\nx: y\r\ncontent-length: x\r\n",
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
        ("Transfer_Encoding: chunked\r\n", Fault::LookAlike),
        ("content_length: 3\r\n", Fault::LookAlike),
        ("x: y\r\n z\r\n", Fault::Folded),
        ("x: y\n", Fault::BareLineFeed),
        ("x: y\ntransfer-encoding: gzip\r\n", Fault::BareLineFeed),
    ] {
        let head = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let (framing, passed) = follow(&format!("{NEXT}{head}GET /smuggled HTTP/1.1\r\n\r\n"));
        let expected = Passed {
            bytes: NEXT.len() + head.len(),
            fault: Some((2, fault)),
        };
        assert_eq!(passed, expected, "{fields:?}");
        assert!(framing.is_over());
    }
    let (_, passed) = follow("GET / HTTP/1.1\n\n");
    assert_eq!(passed.fault, Some((1, Fault::BareLineFeed)));
    let (_, passed) = follow("\nGET / HTTP/1.1\r\n\r\n");
    assert_eq!(passed.fault, Some((1, Fault::BareLineFeed)));
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
            passed.bytes <= text.len() - NEXT.len() && passed.fault.is_none(),
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
                fault: None
            }
        );
        assert!(framing.waits());
        framing.decide(switched);
        assert_eq!(framing.state, after);
    }
    let (mut framing, _) = follow(ask);
    framing.decide(true);
    assert_eq!(framing.follow(b"\n\n\x81").bytes, 3);
}

#[test]
fn codes_stand_for_faults() {
    for fault in Fault::ALL {
        assert_eq!(Fault::from_code(fault as u8), Some(fault));
    }
    assert_eq!(Fault::from_code(0), None);
}
