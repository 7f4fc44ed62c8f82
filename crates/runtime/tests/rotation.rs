//! Keys of a live issuer, from its first answer to a token that they verify.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use countersign_config::compiled::{AddressGuard, Compiled, KeyLocation, KeySource, RemoteKeys};
use countersign_core::backend::Ca;
use countersign_core::provider::Provider;
use countersign_core::{Keys, Need, Origin, ProviderId, Snapshot};
use countersign_jose::{Expect, Token, TokenError};
use countersign_runtime::keys::{Network, dice};
use countersign_runtime::{Handle, Metrics, clock};
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use countersign_testkit::site::Reply;
use serde_json::json;
use tokio::time::sleep;

const P: ProviderId = ProviderId(0);

fn start(location: KeyLocation) -> Handle {
    let provider = Provider {
        origin: Arc::new(Origin {
            kind: "RequestAuthentication",
            namespace: "ns".into(),
            name: "jwt".into(),
            part: "".into(),
            file: "a.yaml".into(),
            line: 1,
        }),
        name: "idp".into(),
        expect: Expect::default(),
        remote: true,
        unavailable: "Jwt verification fails",
    };
    let source = RemoteKeys {
        location,
        connect: None,
        ca: Ca::System,
        refresh: Duration::from_secs(300),
        timeout: Duration::from_secs(5),
        retries: 0,
        backoff: Duration::from_secs(1),
        backoff_max: Duration::from_secs(1),
        after_failure: Duration::from_millis(200),
        guard: AddressGuard::default(),
    };
    let snapshot = Snapshot {
        providers: Box::new([provider]),
        ..Snapshot::default()
    };
    let compiled = Compiled {
        snapshot,
        keys: Box::new([KeySource::Remote(source)]),
        ..Compiled::default()
    };
    Handle::start(Arc::new(compiled), Arc::new(Network), dice, Metrics::new())
}

/// Verifies a token as a decision would, getting what it lacks; at most as often as a decision asks.
async fn verify(handle: &Handle, token: &str) -> Result<(), Option<TokenError>> {
    let mut result = Err(None);
    for _ in 0..3 {
        let running = handle.current();
        let need = match running.facts(P) {
            Keys::Pending => Need::Keys(P),
            Keys::Unavailable => return Err(None),
            Keys::Ready { set, generation } => {
                let token = Token::parse(token).map_err(Some)?;
                let checked = token
                    .check(&Expect::default(), clock::now())
                    .map_err(Some)?;
                match checked.verify(set) {
                    Ok(_) => return Ok(()),
                    Err(error) => result = Err(Some(error)),
                }
                Need::FreshKeys {
                    provider: P,
                    generation,
                }
            }
        };
        handle.satisfy(&running, need).await;
    }
    result
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let (old, new) = (Key::new(Kind::P256, "old"), Key::new(Kind::Rsa, "new"));
    let idp = Idp::start(&[&old]);
    let (old_token, new_token) = (idp.token(&old, &json!({})), idp.token(&new, &json!({})));
    let handle = start(KeyLocation::Discovery(idp.issuer().into()));
    assert_eq!(verify(&handle, &old_token).await, Ok(()));
    idp.publish(&[&new]);
    assert_eq!(
        verify(&handle, &old_token).await,
        Ok(()),
        "nobody has asked yet"
    );
    assert_eq!(verify(&handle, &new_token).await, Ok(()));
    assert_eq!(
        verify(&handle, &old_token).await,
        Err(Some(TokenError::NoMatchingKey))
    );
    // Whatever goes wrong from here on, the last set stays.
    idp.fail(Reply::new(500));
    assert_eq!(
        verify(&handle, &old_token).await,
        Err(Some(TokenError::NoMatchingKey))
    );
    assert_eq!(verify(&handle, &new_token).await, Ok(()));
}

#[tokio::test]
async fn an_issuer_that_comes_later() {
    let key = Key::new(Kind::Ed25519, "a");
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port::free()).into();
    let handle = start(KeyLocation::Jwks(
        format!("http://{address}/jwks.json").into(),
    ));
    let mut versions = handle.subscribe();
    let early = Idp::start(&[&key]).token(&key, &json!({}));
    assert_eq!(verify(&handle, &early).await, Err(None));
    let idp = Idp::bind(address, None, &[&key]).unwrap();
    while verify(&handle, &early).await.is_err() {
        versions.changed().await.unwrap();
    }
    assert_eq!(idp.fetches(), 1);
    drop(idp);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(verify(&handle, &early).await, Ok(()), "its keys outlive it");
}
