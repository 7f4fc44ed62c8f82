//! Runs the shared JWT corpus (Wycheproof, RFC vectors, jwt_verify_lib, generated attacks) through
//! the public API.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a corpus that cannot be read must fail the test, with its reason"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign_jose::{
    Alg, AlgSet, Audiences, Expect, Jws, KeySet, Symmetric, Token, TokenError, UnixTime, ZeroExp,
};
use countersign_testkit::corpus::{self, Jwt};
use serde_json::Value;

#[test]
fn every_case_gets_its_verdict() {
    let cases: Vec<Jwt> = corpus::cases("jwt/cases.jsonl");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let (outcome, took) = timed(case);
        let verdict = if outcome.is_ok() { "accept" } else { "reject" };
        *counts
            .entry(format!("{}, to {}", case.layer, case.expect))
            .or_default() += 1;
        if case.expect == "either" {
            *counts
                .entry(format!("{}, either: {verdict}", case.layer))
                .or_default() += 1;
        } else if verdict != case.expect {
            wrong.push(format!(
                "{}: {outcome:?}, not {}: {}",
                case.id, case.expect, case.note
            ));
        }
        wrong.extend(
            outcome
                .iter()
                .filter_map(|claims| missing_claim(case, claims)),
        );
        if took > BUDGET {
            wrong.push(format!("{}: took {took:?}", case.id));
        }
    }
    for (what, count) in &counts {
        println!("{count:5} {what}");
    }
    assert!(
        wrong.is_empty(),
        "{} disagreements:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Claims as JSON (`null` where only the signature was judged), or the reason for the refusal.
type Outcome = Result<Value, String>;

/// The best of three, so that a busy machine does not decide.
fn timed(case: &Jwt) -> (Outcome, Duration) {
    let runs = [(); 3].map(|()| {
        let start = Instant::now();
        let outcome = judge(case);
        (outcome, start.elapsed())
    });
    let took = runs
        .iter()
        .map(|(_, took)| *took)
        .min()
        .expect("three runs");
    let [(outcome, _), ..] = runs;
    (outcome, took)
}

fn judge(case: &Jwt) -> Outcome {
    let document = match (&case.jwks_raw, &case.jwks) {
        (Some(raw), _) => raw.clone(),
        (None, jwks) => jwks.as_ref().expect("a key set").to_string(),
    };
    let keys = KeySet::from_jwks(document.as_bytes(), Symmetric::Allow)
        .map_err(|error| error.to_string())?;
    let code = |error: TokenError| error.code().to_owned();
    match case.layer.as_str() {
        "jws" => {
            let jws = Jws::parse(&case.token).map_err(code)?;
            if !algs(case).contains(jws.header().alg()) {
                return Err(code(TokenError::AlgNotAllowed));
            }
            jws.verify(&keys).map(|()| Value::Null).map_err(code)
        }
        "jwt" => {
            let now = case
                .now
                .map_or(ANY_TIME, |now| now.try_into().expect("seconds since 1970"));
            let token = Token::parse(&case.token).map_err(code)?;
            let claims = token
                .check(&expect(case), UnixTime(now))
                .and_then(|checked| checked.verify(&keys))
                .map_err(code)?;
            Ok(serde_json::from_str(&claims.to_json()).expect("claims are JSON"))
        }
        other => panic!("unknown layer {other}"),
    }
}

/// The corpus follows the RFCs where Envoy does not: audiences byte for byte, `exp: 0` is 1970.
fn expect(case: &Jwt) -> Expect {
    Expect {
        issuer: case.iss.as_deref().map(Into::into),
        audiences: case.aud.clone().map_or(Audiences::Any, Audiences::exact),
        skew: 60,
        algs: algs(case),
        zero_exp: ZeroExp::Expired,
    }
}

fn algs(case: &Jwt) -> AlgSet {
    case.algs
        .iter()
        .map(|name| Alg::parse(name).expect("a known algorithm"))
        .collect()
}

fn missing_claim(case: &Jwt, claims: &Value) -> Option<String> {
    let wanted = case
        .if_accept_claims
        .as_ref()?
        .as_object()
        .expect("an object");
    let (name, value) = wanted
        .iter()
        .find(|(name, value)| claims.get(name.as_str()) != Some(*value))?;
    Some(format!("{}: the claim {name} is not {value}", case.id))
}

/// No case may take longer, whatever its verdict.
const BUDGET: Duration = Duration::from_millis(100);

/// For cases to which time does not matter.
const ANY_TIME: u64 = 1_800_000_000;
