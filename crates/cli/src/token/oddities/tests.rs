use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const NOW: u64 = 1_700_000_000;
const HEADER: &str = r#"{"alg":"RS256","kid":"a"}"#;

fn codes(header: &str, claims: &str) -> Vec<&'static str> {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let token = Decoded::read(&format!("{header}.{claims}.c2ln")).unwrap();
    oddities(&token, NOW)
        .iter()
        .map(|oddity| oddity.code)
        .collect()
}

#[test]
fn an_ordinary_token_is_not_odd() {
    let claims =
        r#"{"iss":"i","sub":"s","aud":"a","iat":1700000000,"nbf":1699999990,"exp":1700003600}"#;
    assert_eq!(codes(HEADER, claims), [""; 0]);
    let old = claims.replace("17000", "16000").replace("16999", "15999");
    assert_eq!(codes(HEADER, &old), [""; 0]);
}

#[test]
fn odd_headers() {
    let claims = r#"{"iss":"i","exp":1700003600}"#;
    for (header, expected) in [
        (r#"{"alg":"none"}"#, &["alg-none", "no-kid"][..]),
        (r#"{"alg":"NonE","kid":"a"}"#, &["alg-none"]),
        (r#"{"alg":"ES256K","kid":"a"}"#, &["refused"]),
        (r#"{"alg":"HS256","kid":"a"}"#, &["symmetric"]),
        (r#"{"alg":"RS256"}"#, &["no-kid"]),
        (r#"{"alg":"RS256","kid":"a","crit":["x"]}"#, &["refused"]),
        (
            r#"{"alg":"RS256","kid":"a","jku":"https://evil.test","x5c":[]}"#,
            &["key-in-header"],
        ),
    ] {
        assert_eq!(codes(header, claims), expected, "{header}");
    }
}

#[test]
fn odd_claims() {
    for (claims, expected) in [
        (r#"{"iss":"i"}"#, &["no-exp"][..]),
        (r#"{"iss":"i","exp":0}"#, &["no-exp"]),
        (r#"{"iss":"i","exp":"soon"}"#, &["refused"]),
        (
            r#"{"iss":"i","exp":1700003600000,"iat":1700000000}"#,
            &["milliseconds"],
        ),
        (
            r#"{"iss":"i","exp":1700003600000,"iat":1700000000000}"#,
            &["milliseconds", "milliseconds"],
        ),
        (
            r#"{"iss":"i","exp":1700003600,"nbf":1700007200}"#,
            &["never-valid"],
        ),
        (
            r#"{"iss":"i","exp":1700003600,"iat":1700000061}"#,
            &["issued-in-future"],
        ),
        (
            r#"{"iss":"i","exp":1710000000,"iat":1700000000}"#,
            &["long-lived"],
        ),
        (r#"{"exp":1700003600}"#, &["no-iss"]),
        (r#"{"iss":"i ","exp":1700003600}"#, &["white-space"]),
        (r#"{"iss":7,"exp":1700003600}"#, &["refused"]),
    ] {
        assert_eq!(codes(HEADER, claims), expected, "{claims}");
    }
}
