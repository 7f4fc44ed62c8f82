use std::collections::HashSet;

use countersign_jose::{Alg, Expect, KeySet, Symmetric, Token, TokenError, UnixTime};
use tempfile::TempDir;

use super::*;

/// A minted folder and the keys that it publishes.
struct Minted {
    folder: TempDir,
    keys: Value,
}

fn options(folder: &TempDir, rotating: u64, fresh: u64) -> Options {
    Options {
        folder: folder.path().to_owned(),
        rotating,
        fresh,
    }
}

fn mint(rotating: u64, fresh: u64) -> Minted {
    let folder = TempDir::new().expect("a folder");
    run(&options(&folder, rotating, fresh)).expect("minted");
    let keys = fs::read(folder.path().join("keys.json")).expect("keys");
    let keys = serde_json::from_slice(&keys).expect("JSON");
    Minted { folder, keys }
}

impl Minted {
    fn tokens(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(file)).expect(file);
        text.lines().map(str::to_owned).collect()
    }

    fn key_set(&self, algorithm: Algorithm) -> KeySet {
        let jwks = self.keys[algorithm.name()].as_str().expect("a JWKS");
        let keys = KeySet::from_jwks(jwks.as_bytes(), Symmetric::Refuse).expect("keys");
        assert_eq!(keys.len(), 1, "{algorithm}: {:?}", keys.skipped());
        keys
    }
}

fn verify(token: &str, keys: &KeySet) -> Result<String, TokenError> {
    let expect = Expect {
        issuer: Some("https://idp.test".into()),
        ..Expect::default()
    };
    let token = Token::parse(token)?;
    let claims = token
        .check(&expect, UnixTime(now().expect("a clock")))?
        .verify(keys)?;
    Ok(claims.subject().expect("a subject").to_owned())
}

#[test]
fn every_good_token_verifies_and_all_are_distinct() {
    let minted = mint(5, 21);
    let mut seen = HashSet::new();
    for algorithm in Algorithm::ALL {
        let keys = minted.key_set(algorithm);
        for (file, count) in [("hot", 1), ("rotating", 5), ("new", 21)] {
            let tokens = minted.tokens(&format!("{algorithm}-{file}.txt"));
            assert_eq!(tokens.len(), count, "{algorithm}-{file}");
            for (n, token) in tokens.into_iter().enumerate() {
                assert_eq!(verify(&token, &keys), Ok(format!("user-{n}")));
                assert!(seen.insert(token), "{algorithm}-{file} {n} is there twice");
            }
        }
    }
}

#[test]
fn bad_tokens_differ_from_good_ones_in_the_signature_alone() {
    let minted = mint(3, 4);
    let keys = minted.key_set(Algorithm::Rs256);
    let good = minted.tokens("RS256-new.txt");
    let bad = minted.tokens("RS256-bad.txt");
    assert_eq!(bad.len(), 4);
    for (bad, good) in bad.iter().zip(&good) {
        assert_eq!(verify(bad, &keys), Err(TokenError::BadSignature));
        assert_eq!(bad.len(), good.len());
        assert_eq!(bad.split('.').next(), good.split('.').next());
    }
    let expired = minted.tokens("RS256-expired.txt");
    assert_eq!(expired.len(), 3);
    for token in &expired {
        assert_eq!(verify(token, &keys), Err(TokenError::Expired));
        let back_then = UnixTime(now().expect("a clock") - HOUR - 60);
        let token = Token::parse(token).expect("a token");
        let checked = token
            .check(&Expect::default(), back_then)
            .expect("not expired then");
        assert!(checked.verify(&keys).is_ok());
    }
}

#[test]
fn tokens_are_as_long_as_real_ones() {
    let minted = mint(1, 1);
    for file in ["hot", "rotating", "new", "bad", "expired"] {
        for token in minted.tokens(&format!("RS256-{file}.txt")) {
            assert!(
                (1000..=1100).contains(&token.len()),
                "{file}: {}",
                token.len()
            );
        }
    }
}

#[test]
fn the_pem_is_the_key_that_signed() {
    let minted = mint(1, 1);
    for algorithm in Algorithm::ALL {
        let pem = fs::read_to_string(minted.folder.path().join(format!("{algorithm}.pem")));
        let keys = KeySet::from_inline(&pem.expect("a PEM")).expect("a key");
        let token = &minted.tokens(&format!("{algorithm}-hot.txt"))[0];
        assert_eq!(verify(token, &keys), Ok("user-0".to_owned()), "{algorithm}");
    }
}

#[test]
fn a_whole_folder_is_left_alone_until_something_else_is_asked_for() {
    let minted = mint(2, 2);
    let hot = minted.tokens("RS256-hot.txt");
    run(&options(&minted.folder, 2, 2)).expect("nothing to do");
    assert_eq!(minted.tokens("RS256-hot.txt"), hot);
    run(&options(&minted.folder, 2, 3)).expect("minted again");
    assert_ne!(minted.tokens("RS256-hot.txt"), hot);
    assert_eq!(minted.tokens("RS256-new.txt").len(), 3);

    // What has less than a day left is made again, too.
    let mark = minted.folder.path().join(MARK);
    let soon = now().expect("a clock") + DAY;
    let complete = json!({ "rotating": 2, "fresh": 3, "expires": soon });
    fs::write(&mark, complete.to_string()).expect("written");
    let hot = minted.tokens("RS256-hot.txt");
    run(&options(&minted.folder, 2, 3)).expect("minted again");
    assert_ne!(minted.tokens("RS256-hot.txt"), hot);
}

#[test]
fn every_algorithm_is_the_one_that_its_key_states() {
    let minted = mint(1, 1);
    for (algorithm, alg) in [
        (Algorithm::Rs256, Alg::RS256),
        (Algorithm::Es256, Alg::ES256),
        (Algorithm::EdDsa, Alg::EdDSA),
    ] {
        let keys = minted.key_set(algorithm);
        let key = keys.keys().next().expect("a key");
        assert_eq!(key.alg(), Some(alg));
        assert_eq!(key.kid(), Some(kid(algorithm).as_str()));
    }
}
