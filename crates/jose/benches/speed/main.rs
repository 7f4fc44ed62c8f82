//! How long the verification of a token takes: `cargo bench -p countersign-jose`.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here ends the benchmark"
)]

use std::hint::black_box;

use countersign_jose::{Audiences, Expect, Jws, KeySet, Symmetric, Token, TokenDigest, UnixTime};
use countersign_testkit::mint::{Key, Kind, jwks};
use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(benches, tokens);
criterion_main!(benches);

const CLAIMS: &str = include_str!("claims.json");
const NOW: UnixTime = UnixTime(1_800_000_000);

fn tokens(criterion: &mut Criterion) {
    let claims = serde_json::from_str(CLAIMS).unwrap();
    let expect = Expect {
        issuer: Some("https://idp.example.com".into()),
        audiences: Audiences::istio(["api"]),
        ..Expect::default()
    };
    let mut group = criterion.benchmark_group("token");
    let kinds = [
        ("RS256", Kind::Rsa),
        ("ES256", Kind::P256),
        ("EdDSA", Kind::Ed25519),
    ];
    for (name, kind) in kinds {
        let key = Key::new(kind, "benchmark");
        let keys = KeySet::from_jwks(jwks(&[&key]).as_bytes(), Symmetric::Refuse).unwrap();
        let token = key.token(&claims);
        let jws = Jws::parse(&token).unwrap();
        group.bench_function(format!("{name}, signature alone"), |bencher| {
            bencher.iter(|| jws.verify(&keys).unwrap());
        });
        group.bench_function(format!("{name}, parsed"), |bencher| {
            bencher.iter(|| Token::parse(black_box(&token)).unwrap());
        });
        group.bench_function(format!("{name}, digested"), |bencher| {
            bencher.iter(|| TokenDigest::of(black_box(&token)));
        });
        group.bench_function(format!("{name}, verified whole"), |bencher| {
            bencher.iter(|| {
                let token = Token::parse(black_box(&token)).unwrap();
                token.check(&expect, NOW).unwrap().verify(&keys).unwrap()
            });
        });
    }
}
