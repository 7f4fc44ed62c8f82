//! Every attribute of both dialects, as expressions read it.

use std::net::IpAddr;

use countersign_expression::Program;
use countersign_jose::Claims;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::*;
use crate::connection::{Connection, TlsVersion};
use crate::id::ListenerId;
use crate::identity::Identity;

const NOW: UnixTime = UnixTime(1_800_000_000);

const CLAIMS: &str = r#"{"iss": "https://idp.test", "sub": "alice", "level": 7, "share": 0.5, "big": 18446744073709551615,
    "groups": ["dev", "ops"], "org": {"name": "acme", "a.b": true}, "email_verified": true, "none": null}"#;

struct Scene {
    claims: Option<Claims>,
    identity: Option<Identity>,
    tls: Option<TlsVersion>,
    client: IpAddr,
    version: Version,
    query: Option<&'static str>,
    headers: HeaderMap,
    edits: Edits,
}

impl Scene {
    /// Alice over mTLS, without proxies.
    fn alice() -> Scene {
        let list = |names: &[&str]| names.iter().map(|it| Box::from(*it)).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("x-team", "red"),
            ("x-team", "blue"),
            ("user-agent", "curl/8"),
            ("referer", "https://r.test/"),
            ("x-request-id", "id-1"),
            ("x-user", "forged"),
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers.append("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        Scene {
            claims: Some(Claims::parse(CLAIMS.as_bytes()).unwrap()),
            identity: Some(Identity {
                uris: list(&["https://x.test/", "spiffe://td.test/ns/shop/sa/cart"]),
                dns: list(&["cart.test"]),
                subject: "CN=cart".into(),
                digest: "00ff".into(),
            }),
            tls: Some(TlsVersion::Tls13),
            client: "192.0.2.7".parse().unwrap(),
            version: Version::HTTP_2,
            query: Some("a=1&access_token=secret"),
            headers,
            edits: Edits::default(),
        }
    }

    /// Somebody over cleartext, whose address a proxy told.
    fn stranger() -> Scene {
        Scene {
            claims: None,
            identity: None,
            tls: None,
            client: "2001:db8::1".parse().unwrap(),
            version: Version::HTTP_11,
            query: None,
            headers: HeaderMap::new(),
            ..Scene::alice()
        }
    }

    fn test(&self, dialect: Dialect, source: &str) -> Result<bool, String> {
        let program = Program::compile(source, dialect.environment());
        let program = program.unwrap_or_else(|it| panic!("{source}: {it:?}"));
        let req = Request {
            listener: ListenerId(0),
            scheme: "https",
            method: &Method::GET,
            authority: "Shop.test:8443",
            host: "shop.test",
            path: "/cart",
            query: self.query,
            headers: &self.headers,
            connection: Connection {
                peer: "192.0.2.7:40000".parse().unwrap(),
                local: "198.51.100.1:443".parse().unwrap(),
                sni: self.tls.map(|_| "shop.test"),
                tls: self.tls,
                identity: self.identity.as_ref(),
            },
            version: self.version,
            upgrade: None,
            client: self.client,
        };
        let known = Known::new(&req, false, &self.edits, self.claims.as_ref(), NOW);
        known.with(dialect, |it| program.test(it).map_err(|it| it.to_string()))
    }

    fn all_true(&self, dialect: Dialect, sources: &[&str]) {
        for source in sources {
            assert_eq!(self.test(dialect, source), Ok(true), "{source}");
        }
    }

    fn all_fail(&self, dialect: Dialect, sources: &[&str]) {
        for source in sources {
            assert!(self.test(dialect, source).is_err(), "{source}");
        }
    }
}

#[test]
fn envoy_attributes_of_a_known_caller() {
    Scene::alice().all_true(
        Dialect::Envoy,
        &[
            "request.path == '/cart?a=1&access_token=secret'",
            "request.url_path == '/cart'",
            "request.query == 'a=1&access_token=secret'",
            "request.host == 'Shop.test:8443'",
            "request.scheme == 'https' && request.method == 'GET'",
            "request.headers['x-team'] == 'red,blue' && request.headers['X-Team'] == 'red,blue'",
            "request.headers['host'] == 'Shop.test:8443' && request.headers[':authority'] == request.host",
            "request.headers[':method'] == 'GET' && request.headers[':path'] == request.path",
            "'x-team' in request.headers && !('x-none' in request.headers)",
            "'x-odd' in request.headers && request.headers['x-odd'].startsWith('caf')",
            "request.headers.exists(name, name == 'x-team')",
            "request.referer == 'https://r.test/' && request.useragent == 'curl/8' && request.id == 'id-1'",
            "request.time == timestamp('2027-01-15T08:00:00Z') && request.time.getFullYear() == 2027",
            "request.protocol == 'HTTP/2'",
            "source.address == '192.0.2.7:40000' && source.port == 40000",
            "destination.address == '198.51.100.1:443' && destination.port == 443",
            "connection.mtls && connection.requested_server_name == 'shop.test'",
            "connection.tls_version == 'TLSv1.3' && connection.subject_peer_certificate == 'CN=cart'",
            "connection.dns_san_peer_certificate == 'cart.test'",
            "connection.uri_san_peer_certificate == 'https://x.test/'",
            "connection.sha256_peer_certificate_digest == '00ff'",
        ],
    );
}

#[test]
fn claims_under_both_names() {
    let payload = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']";
    let alice = Scene::alice();
    for at in [payload, "jwt"] {
        for condition in [
            "@['sub'] == 'alice' && @.sub == 'alice'",
            "@.level == 7 && @.level > 3 && @.level < 7.5 && @.share == 0.5",
            "@.big == 18446744073709551615u && @.big > 7",
            "'dev' in @.groups && @.groups.exists(it, it == 'ops') && size(@.groups) == 2",
            "@.org.name == 'acme' && @['org']['a.b']",
            "@.email_verified && @.none == null",
            "has(@.sub) && !has(@.nobody)",
        ] {
            let source = condition.replace('@', at);
            assert_eq!(alice.test(Dialect::Envoy, &source), Ok(true), "{source}");
        }
    }
    let there = "'envoy.filters.http.jwt_authn' in metadata.filter_metadata";
    assert_eq!(alice.test(Dialect::Envoy, there), Ok(true));
    let stranger = Scene::stranger();
    assert_eq!(stranger.test(Dialect::Envoy, there), Ok(false));
    stranger.all_true(
        Dialect::Envoy,
        &[
            "!has(jwt.sub)",
            "!('sub' in jwt)",
            "size(jwt) == 0",
            "!has(jwt.sub) || jwt.sub == 'alice'",
        ],
    );
    stranger.all_fail(
        Dialect::Envoy,
        &[
            "jwt.sub == 'alice'",
            "jwt.sub != 'alice'",
            &format!("{payload}.sub == 'alice'"),
        ],
    );
}

#[test]
fn envoy_attributes_of_a_stranger() {
    let stranger = Scene::stranger();
    stranger.all_true(
        Dialect::Envoy,
        &[
            "request.path == '/cart' && request.query == ''",
            "request.protocol == 'HTTP/1.1'",
            "source.address == '[2001:db8::1]:0' && source.port == 0",
            "!connection.mtls && connection.requested_server_name == ''",
            "!has(connection.tls_version) && !has(request.referer)",
        ],
    );
    stranger.all_fail(
        Dialect::Envoy,
        &[
            "request.referer == ''",
            "request.headers['x-team'] == 'red'",
            "connection.tls_version == 'TLSv1.3'",
            "connection.uri_san_peer_certificate != ''",
            "connection.subject_peer_certificate == ''",
        ],
    );
    let over_tls = Scene {
        tls: Some(TlsVersion::Tls12),
        ..Scene::stranger()
    };
    over_tls.all_true(
        Dialect::Envoy,
        &[
            "connection.subject_peer_certificate == ''",
            "connection.tls_version == 'TLSv1.2'",
        ],
    );
}

#[test]
fn agentgateway_attributes() {
    Scene::alice().all_true(
        Dialect::Agentgateway,
        &[
            "request.method == 'GET' && request.scheme == 'https' && request.host == 'Shop.test:8443'",
            "request.uri == 'https://Shop.test:8443/cart?a=1&access_token=secret'",
            "request.path == '/cart' && request.pathAndQuery == '/cart?a=1&access_token=secret'",
            "request.version == 'HTTP/2.0' && request.headers['x-team'] == 'red,blue'",
            "request.startTime == timestamp(1800000000)",
            "source.address == '192.0.2.7' && source.port == 40000",
            "destination.address == '198.51.100.1' && destination.port == 443",
            "source.identity.trustDomain == 'td.test' && source.identity.namespace == 'shop'",
            "source.identity.serviceAccount == 'cart' && source.subject == 'CN=cart'",
            "'cart.test' in source.subjectAltNames && size(source.subjectAltNames) == 3",
            "jwt.sub == 'alice' && jwt.level > 3 && jwt.org.name == 'acme'",
        ],
    );
    let stranger = Scene::stranger();
    stranger.all_true(
        Dialect::Agentgateway,
        &[
            "!has(jwt.sub) && !has(source.identity) && !has(source.subject)",
            "request.uri == 'https://Shop.test:8443/cart' && request.version == 'HTTP/1.1'",
            "source.address == '2001:db8::1' && source.port == 0",
        ],
    );
    stranger.all_fail(
        Dialect::Agentgateway,
        &["jwt.sub == 'alice'", "source.identity.namespace == 'shop'"],
    );
}

#[test]
fn what_tokens_changed_is_seen() {
    let mut alice = Scene::alice();
    alice.edits.remove_headers.push(http::header::AUTHORIZATION);
    alice
        .edits
        .remove_headers
        .push(HeaderName::from_static("x-user"));
    alice.edits.remove_query.push("access_token".into());
    let user = (
        HeaderName::from_static("x-user"),
        HeaderValue::from_static("alice"),
    );
    alice.edits.identity.push(user);
    alice.all_true(
        Dialect::Envoy,
        &[
            "!('authorization' in request.headers) && !has(request.headers.authorization)",
            "request.headers['x-user'] == 'alice'",
            "!request.headers.exists(name, name == 'authorization')",
            "request.headers.exists(name, name == 'x-user')",
            "request.path == '/cart?a=1' && request.query == 'a=1'",
        ],
    );
    alice.query = Some("access_token=secret");
    alice.all_true(
        Dialect::Agentgateway,
        &[
            "request.pathAndQuery == '/cart'",
            "request.uri.endsWith('/cart')",
        ],
    );
}

#[test]
fn other_names_are_refused_and_some_say_why() {
    for (dialect, source, why) in [
        (Dialect::Envoy, "request.size > 3", Some("request.size")),
        (Dialect::Envoy, "connection.id == 1", Some("connection.id")),
        (Dialect::Envoy, "upstream.port == 1", Some("upstream")),
        (Dialect::Envoy, "request.uri == ''", None),
        (
            Dialect::Agentgateway,
            "request.body == b''",
            Some("request.body"),
        ),
        (Dialect::Agentgateway, "mcp.tool.name == ''", Some("mcp")),
        (Dialect::Agentgateway, "request.url_path == ''", None),
        (
            Dialect::Agentgateway,
            "metadata.filter_metadata['a'] == 1",
            Some("metadata"),
        ),
    ] {
        let refused = Program::compile(source, dialect.environment());
        assert!(refused.is_err(), "{source}");
        if let Some(name) = why {
            assert!(dialect.withheld(name).is_some(), "{source}");
        }
    }
}

/// What is withheld must not exist, or its reason would be a lie.
#[test]
fn nothing_that_exists_is_withheld() {
    for (dialect, all) in [
        (Dialect::Envoy, envoy::WITHHELD),
        (Dialect::Agentgateway, agentgateway::WITHHELD),
    ] {
        for (name, _) in all {
            let source = format!("{name} == 'x'");
            assert!(
                Program::compile(&source, dialect.environment()).is_err(),
                "{name}"
            );
        }
    }
}
