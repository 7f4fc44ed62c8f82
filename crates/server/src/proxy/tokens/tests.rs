use std::thread;

use countersign_config::compiled::TokenCache;

use super::*;

/// What a token of an ordinary identity provider says, 1.1 kB with header and signature.
fn claims(number: u64) -> Verified<Claims> {
    let text = format!(
        r#"{{"iss":"https://idp.example","sub":"user-{number}","aud":["api","web"],"iat":1800000000,
        "exp":1800003600,"nbf":1800000000,"jti":"0f8b6c5e-{number:012}","email":"user-{number}@example.com",
        "name":"Some Body","groups":["staff","developers","on-call"],"scope":"openid email orders.read",
        "azp":"portal","sid":"2c6a1c9d-5a0a-4a2c-9b60-0c0f5f0c3c61","tenant":"acme-europe-west",
        "realm_access":{{"roles":["member","reader","offline_access"]}},"role":"member","team":"team-{number}"}}"#
    );
    Verified::dangerous_unverified(Claims::parse(text.as_bytes()).unwrap())
}

fn key(number: u64) -> Key {
    let (provider, generation) = (1, 1);
    Key {
        whose: Whose {
            provider,
            generation,
        },
        token: TokenDigest::of(number.to_string()),
    }
}

/// Memory that the entries take by all that is known of them; allocators add to it.
fn taken(tokens: &Tokens) -> u64 {
    let counts = size_of::<[usize; 2]>();
    let claims = tokens
        .0
        .iter()
        .map(|(_, entry)| entry.claims.weight() + counts);
    let claims: usize = claims.sum();
    u64::try_from(claims + tokens.0.memory_used().total()).unwrap()
}

#[test]
fn ten_thousand_tokens_are_all_kept() {
    let tokens = Tokens::new(TokenCache::default().bytes);
    for _ in 0..2 {
        for number in 0..10_000 {
            tokens.keep(key(number), &claims(number));
        }
    }
    let found = (0..10_000).filter(|it| tokens.find(&key(*it)) == Some(claims(*it)));
    assert_eq!(found.count(), 10_000);
}

#[test]
fn the_stated_memory_is_what_they_take() {
    let tokens = Tokens::new(TokenCache::default().bytes);
    for number in 0..10_000 {
        tokens.keep(key(number), &claims(number));
    }
    let (stated, taken) = (tokens.bytes(), taken(&tokens));
    assert!(taken <= stated, "{taken} bytes, not {stated}");
    assert!(stated <= taken + taken / 4, "{taken} bytes, not {stated}");
}

#[test]
fn memory_is_bounded_whatever_comes() {
    for bound in [100_000, 4 << 20] {
        let tokens = Tokens::new(bound);
        let large = format!(r#"{{"sub":"{}"}}"#, "x".repeat(40_000));
        let large = Verified::dangerous_unverified(Claims::parse(large.as_bytes()).unwrap());
        for number in 0..20_000 {
            let claims = match number % 100 {
                0 => large.clone(),
                _ => claims(number),
            };
            tokens.keep(key(number), &claims);
            if number % 3 == 0 {
                let _perhaps = tokens.find(&key(number / 2));
            }
        }
        // Each part rounds its share up to a byte.
        assert!(tokens.bytes() <= bound + SHARDS, "{}", tokens.bytes());
        assert!(taken(&tokens) <= bound, "{}", taken(&tokens));
        assert!(tokens.bytes() >= bound / 2, "{}", tokens.bytes());
    }
}

/// Whoever has no key of the issuer can look for tokens, and that is all.
#[test]
fn looking_for_tokens_pushes_none_out() {
    let tokens = Tokens::new(8 << 20);
    for number in 0..1000 {
        tokens.keep(key(number), &claims(number));
    }
    let before = (tokens.bytes(), tokens.0.memory_used().total());
    for number in 1000..11_000 {
        assert_eq!(tokens.find(&key(number)), None);
    }
    assert_eq!((tokens.bytes(), tokens.0.memory_used().total()), before);
    assert!((0..1000).all(|number| tokens.find(&key(number)).is_some()));
}

#[test]
fn its_size_can_change_and_be_none() {
    let tokens = Tokens::new(0);
    let fill = || (0..2000).for_each(|it| tokens.keep(key(it), &claims(it)));
    fill();
    assert_eq!((tokens.bytes(), tokens.find(&key(1))), (0, None));
    tokens.resize(8 << 20);
    fill();
    assert!((0..2000).all(|number| tokens.find(&key(number)).is_some()));
    tokens.resize(1 << 20);
    assert!(tokens.bytes() <= (1 << 20) + SHARDS, "{}", tokens.bytes());
    assert!((0..2000).any(|number| tokens.find(&key(number)).is_some()));
    tokens.resize(0);
    fill();
    assert_eq!((tokens.bytes(), tokens.find(&key(1))), (0, None));
}

#[test]
fn what_one_worker_keeps_the_others_find() {
    let tokens = Tokens::new(TokenCache::default().bytes);
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let tokens = tokens.clone();
            thread::spawn(move || {
                for number in (worker..4000).step_by(4) {
                    tokens.keep(key(number), &claims(number));
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|it| it.join().unwrap());
    assert!((0..4000).all(|number| tokens.find(&key(number)) == Some(claims(number))));
}

/// Two tokens whose digests begin alike are two tokens.
#[test]
fn the_whole_key_counts() {
    let tokens = Tokens::new(1 << 20);
    tokens.keep(key(1), &claims(1));
    let (mut provider, mut generation) = (key(1), key(1));
    provider.whose.provider = 2;
    generation.whose.generation = 2;
    for other in [provider, generation, key(2)] {
        assert_eq!(tokens.find(&other), None);
    }
    assert!(tokens.find(&key(1)).is_some());
}
