use countersign_core::backend::{Ca, Endpoint};
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::site::{Reply, Site};
use countersign_testkit::tls::Authority;

use super::*;
use crate::keys::tests::script::source;

fn discovery(issuer: &str) -> RemoteKeys {
    RemoteKeys {
        location: KeyLocation::Discovery(issuer.into()),
        ..source("")
    }
}

async fn failure(source: &RemoteKeys) -> Failure {
    Network.fetch(source).await.unwrap_err()
}

#[tokio::test]
async fn straight_and_by_discovery() {
    let key = Key::new(Kind::P256, "a");
    let idp = Idp::start(&[&key]);
    let straight = Network.fetch(&source(&idp.jwks_uri())).await.unwrap();
    for issuer in [idp.issuer().to_owned(), format!("{}/", idp.issuer())] {
        let discovered = Network.fetch(&discovery(&issuer)).await.unwrap();
        assert_eq!(discovered.body, straight.body);
    }
    assert!(
        String::from_utf8(straight.body)
            .unwrap()
            .contains("\"keys\"")
    );
    assert_eq!(straight.fresh_for, None);
}

#[tokio::test]
async fn over_tls_at_another_address() {
    let authority = Authority::new("test");
    let server = Authority::server(&authority.issue(&["localhost"]));
    let key = Key::new(Kind::P256, "a");
    let idp = Idp::start_tls(server, &[&key]);
    let port = idp.address().port();
    let mut source = RemoteKeys {
        ca: Ca::Pem(authority.pem().into()),
        ..discovery(idp.issuer())
    };
    assert!(!Network.fetch(&source).await.unwrap().body.is_empty());

    source.connect = Some(Endpoint {
        host: "127.0.0.1".into(),
        port,
    });
    source.location = KeyLocation::Jwks(format!("https://localhost:{port}/jwks.json").into());
    assert!(!Network.fetch(&source).await.unwrap().body.is_empty());
    source.location = KeyLocation::Jwks("https://idp.example/jwks.json".into());
    assert_eq!(failure(&source).await.code, "tls");
}

#[tokio::test]
async fn statuses_other_than_success_are_failures() {
    let key = Key::new(Kind::P256, "a");
    let idp = Idp::start(&[&key]);
    for status in [204, 301, 304, 401, 404, 500, 503] {
        idp.fail(Reply::new(status));
        let source = source(&format!("{}?secret=1", idp.jwks_uri()));
        let outcome = Network.fetch(&source).await;
        if status == 204 {
            // A success without a body; whoever reads it finds that it is no key set.
            assert!(outcome.unwrap().body.is_empty());
            continue;
        }
        let expected = format!("`{}` answered with status {status}", idp.jwks_uri());
        assert_eq!(
            outcome.unwrap_err(),
            Failure {
                code: "status",
                message: expected
            }
        );
    }
}

#[tokio::test]
async fn metadata_must_speak_of_the_issuer() {
    let elsewhere = Site::start(|_| Reply::json(r#"{"keys": []}"#));
    let keys = format!("http://{}/keys", elsewhere.address());
    for (metadata, expected) in [
        (
            r#"{"issuer": "http://other.example", "jwks_uri": "KEYS"}"#,
            "another issuer, `http://other.example`",
        ),
        (
            r#"{"issuer": "ISSUER//", "jwks_uri": "KEYS"}"#,
            "another issuer",
        ),
        (
            r#"{"issuer": "ISSUER/x", "jwks_uri": "KEYS"}"#,
            "another issuer",
        ),
        (r#"{"issuer": "ISSUER"}"#, "is not OpenID metadata"),
        (r#"{"jwks_uri": "KEYS"}"#, "is not OpenID metadata"),
        (
            r#"{"issuer": ["ISSUER"], "jwks_uri": "KEYS"}"#,
            "is not OpenID metadata",
        ),
        (r#"<html>password</html>"#, "is not OpenID metadata"),
        (
            r#"{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}"#,
            "`jwks_uri` cannot be fetched",
        ),
        (
            r#"{"issuer": "ISSUER", "jwks_uri": "/keys"}"#,
            "`jwks_uri` cannot be fetched",
        ),
    ] {
        let keys = keys.clone();
        let site = Site::start(move |seen| {
            let issuer = format!("http://{}", seen.headers.first("host").unwrap());
            Reply::json(metadata.replace("ISSUER", &issuer).replace("KEYS", &keys))
        });
        let failure = failure(&discovery(&format!("http://{}", site.address()))).await;
        assert_eq!(failure.code, "metadata", "{metadata}");
        assert!(failure.message.contains(expected), "{}", failure.message);
        assert!(!failure.message.contains("password"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn metadata_by_https_names_https_keys() {
    let authority = Authority::new("test");
    let server = Authority::server(&authority.issue(&["localhost"]));
    let site = Site::bind(([127, 0, 0, 1], 0).into(), Some(server), |seen| {
        let host = seen.headers.first("host").unwrap();
        Reply::json(format!(
            r#"{{"issuer": "https://{host}", "jwks_uri": "http://{host}/keys"}}"#
        ))
    });
    let issuer = format!(
        "https://localhost:{}",
        site.as_ref().unwrap().address().port()
    );
    let source = RemoteKeys {
        ca: Ca::Pem(authority.pem().into()),
        ..discovery(&issuer)
    };
    let failure = failure(&source).await;
    assert_eq!(
        failure.message,
        "the metadata came by `https`, but its `jwks_uri` is `http`"
    );
}

#[tokio::test]
async fn one_limit_for_metadata_and_keys_together() {
    let key = Key::new(Kind::P256, "a");
    let idp = Idp::start(&[&key]);
    idp.fail(Reply::silence());
    let source = RemoteKeys {
        timeout: Duration::from_millis(200),
        ..discovery(idp.issuer())
    };
    assert_eq!(failure(&source).await.code, "timeout");
    idp.fail(Reply::spaces(MAX_JWKS_BYTES as u64 + 1));
    assert_eq!(failure(&discovery(idp.issuer())).await.code, "too_large");
}

#[test]
fn freshness() {
    let secs = |text: &[&str], age: Option<&str>| {
        let mut headers = HeaderMap::new();
        for text in text {
            headers.append(CACHE_CONTROL, text.parse().unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, age.parse().unwrap());
        }
        fresh_for(&headers).map(|it| it.as_secs())
    };
    assert_eq!(secs(&[], None), None);
    assert_eq!(
        secs(&["public, max-age=300, must-revalidate"], None),
        Some(300)
    );
    assert_eq!(secs(&["public", "Max-Age=\"300\""], Some("100")), Some(200));
    assert_eq!(secs(&["max-age=300"], Some("900")), Some(1));
    assert_eq!(secs(&["max-age=300"], Some("soon")), Some(300));
    assert_eq!(secs(&["max-age=0"], None), Some(0));
    assert_eq!(secs(&["max-age=300, no-store"], None), Some(0));
    assert_eq!(secs(&["no-cache"], None), Some(0));
    assert_eq!(secs(&["max-age=-1"], None), None);
    assert_eq!(secs(&["s-maxage=10, private"], None), None);
}
