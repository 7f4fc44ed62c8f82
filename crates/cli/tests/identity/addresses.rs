//! Addresses of clients: what the PROXY protocol and `X-Forwarded-For` say, and who is believed.

use countersign_testkit::client::Request;
use serde_json::json;

use crate::world::{Plan, World};

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family, 0]);
    header.push(u8::try_from(addresses.len()).expect("few bytes"));
    header.extend_from_slice(addresses);
    header
}

#[test]
fn the_proxy_protocol_names_the_peer_where_it_is_trusted() {
    let world = World::start(&Plan {
        allow: "{from: [{source: {ipBlocks: [192.0.2.0/24, '2001:db8::/32']}}]}",
        parameters: json!({"proxyProtocol": {"from": ["127.0.0.2", "127.0.0.3"]}}),
        ..Plan::default()
    });
    let v1 = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4000 80\r\n").into_bytes();
    let v4 = |client: [u8; 4]| {
        v2(
            1,
            0x11,
            &[&client[..], &[10, 0, 0, 1, 1, 1, 0, 80]].concat(),
        )
    };
    let mut v6 = vec![0x20, 0x01, 0x0d, 0xb8];
    v6.extend([0; 11]);
    v6.push(7);
    v6.extend([0; 16]);
    v6.extend([1, 1, 0, 80]);
    for (what, from, header, want) in [
        (
            "v1 of a trusted proxy",
            "127.0.0.2",
            v1("192.0.2.7"),
            Some(200),
        ),
        ("another client", "127.0.0.2", v1("198.51.100.7"), Some(403)),
        (
            "v2 of a trusted proxy",
            "127.0.0.3",
            v4([192, 0, 2, 7]),
            Some(200),
        ),
        (
            "another client by v2",
            "127.0.0.3",
            v4([198, 51, 100, 7]),
            Some(403),
        ),
        ("v2 with IPv6", "127.0.0.3", v2(1, 0x21, &v6), Some(200)),
        (
            "v2 LOCAL speaks for the proxy itself",
            "127.0.0.3",
            v2(0, 0, &[]),
            Some(403),
        ),
        (
            "a trusted proxy that says nothing",
            "127.0.0.2",
            Vec::new(),
            None,
        ),
        (
            "nobody believes the others",
            "127.0.0.1",
            v1("192.0.2.7"),
            Some(400),
        ),
        ("nor by v2", "127.0.0.1", v4([192, 0, 2, 7]), Some(400)),
        ("who comes by himself", "127.0.0.1", Vec::new(), Some(403)),
    ] {
        let got = world.plainly(from, &header, &Request::get("/")).ok();
        // Garbage may be answered or not, but never let in.
        if want == Some(400) {
            assert!(matches!(got, None | Some(400)), "{what}: {got:?}");
        } else {
            assert_eq!(got, want, "{what}");
        }
    }
}

#[test]
fn forwarded_for_names_the_client_counted_from_the_right() {
    let world = World::start(&Plan {
        allow: "{from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]}",
        parameters: json!({"forwarded": {
            "trustedProxies": 2, "trustedAddresses": ["127.0.0.2"],
        }}),
        ..Plan::default()
    });
    for (what, from, told, want) in [
        (
            "the second from the right",
            "127.0.0.2",
            "192.0.2.1, 10.0.0.1",
            200,
        ),
        (
            "what clients put in front",
            "127.0.0.2",
            "192.0.2.1, 198.51.100.1, 10.0.0.1",
            403,
        ),
        ("too few entries: the peer", "127.0.0.2", "192.0.2.1", 403),
        (
            "no address: the peer",
            "127.0.0.2",
            "unknown, 10.0.0.1",
            403,
        ),
        (
            "a peer that is not trusted",
            "127.0.0.1",
            "192.0.2.1, 10.0.0.1",
            403,
        ),
    ] {
        let request = Request::get("/").header("x-forwarded-for", told);
        let got = world.plainly(from, b"", &request).expect("a connection");
        assert_eq!(got, want, "{what}");
    }
    let split = Request::get("/")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-for", "10.0.0.1");
    let got = world.plainly("127.0.0.2", b"", &split);
    assert_eq!(got.expect("a connection"), 200, "lines are one list");
}

/// `source.ip` is the connection's other end, whatever a header says.
#[test]
fn ip_blocks_do_not_look_at_headers() {
    let world = World::start(&Plan {
        deny: "{from: [{source: {ipBlocks: [127.0.0.2]}}]}",
        parameters: json!({"forwarded": {
            "trustedProxies": 1, "trustedAddresses": ["127.0.0.0/8"],
        }}),
        ..Plan::default()
    });
    for (from, told, want) in [
        ("127.0.0.2", "192.0.2.1", 403),
        ("127.0.0.1", "127.0.0.2", 200),
    ] {
        let request = Request::get("/").header("x-forwarded-for", told);
        let got = world.plainly(from, b"", &request).expect("a connection");
        assert_eq!(got, want, "{from}");
    }
}
