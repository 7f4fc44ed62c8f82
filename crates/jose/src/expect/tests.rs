use super::*;

fn claims(json: &str) -> Claims {
    Claims::parse(json.as_bytes()).unwrap()
}

fn check(expect: &Expect, json: &str, now: u64) -> Result<(), TokenError> {
    expect.check(&claims(json), UnixTime(now))
}

#[test]
fn time_is_inclusive_at_both_edges() {
    let expect = Expect {
        skew: 60,
        ..Expect::default()
    };
    let cases = [
        (r#"{"exp":1000}"#, 0, Ok(())),
        (r#"{"exp":1000}"#, 1060, Ok(())),
        (r#"{"exp":1000}"#, 1061, Err(TokenError::Expired)),
        (r#"{"exp":1000.9}"#, 1061, Err(TokenError::Expired)),
        (r#"{"exp":1}"#, u64::MAX, Err(TokenError::Expired)),
        (r#"{"exp":18446744073709551615}"#, u64::MAX, Ok(())),
        (r#"{"nbf":1000}"#, 940, Ok(())),
        (r#"{"nbf":1000}"#, 939, Err(TokenError::NotYetValid)),
        (r#"{"nbf":1000.9}"#, 940, Ok(())),
        (r#"{"nbf":0}"#, 0, Ok(())),
        (r#"{"nbf":18446744073709551615}"#, u64::MAX - 60, Ok(())),
        (
            r#"{"nbf":18446744073709551615}"#,
            u64::MAX - 61,
            Err(TokenError::NotYetValid),
        ),
        (
            r#"{"nbf":2000,"exp":1000}"#,
            1500,
            Err(TokenError::NotYetValid),
        ),
        (r#"{"iat":99999999999}"#, 0, Ok(())),
        ("{}", u64::MAX, Ok(())),
    ];
    for (json, now, verdict) in cases {
        assert_eq!(check(&expect, json, now), verdict, "{json} at {now}");
    }
    let huge = Expect {
        skew: u64::MAX,
        ..Expect::default()
    };
    assert_eq!(
        check(&huge, r#"{"exp":1,"nbf":18446744073709551615}"#, 5),
        Ok(())
    );
    let none = Expect::default();
    assert_eq!(check(&none, r#"{"exp":1000}"#, 1000), Ok(()));
    assert_eq!(
        check(&none, r#"{"exp":1000}"#, 1001),
        Err(TokenError::Expired)
    );
}

#[test]
fn expiry_at_zero_is_never_or_long_ago() {
    let envoy = Expect::default();
    let strict = Expect {
        zero_exp: ZeroExp::Expired,
        ..Expect::default()
    };
    for json in [r#"{"exp":0}"#, r#"{"exp":0.5}"#, r#"{"exp":-0.0}"#] {
        assert_eq!(check(&envoy, json, 1_800_000_000), Ok(()), "{json}");
        assert_eq!(
            check(&strict, json, 1_800_000_000),
            Err(TokenError::Expired),
            "{json}"
        );
    }
    assert_eq!(check(&strict, "{}", 1_800_000_000), Ok(()));
}

#[test]
fn issuers_are_compared_byte_for_byte() {
    let expect = Expect {
        issuer: Some("https://idp.test".into()),
        ..Expect::default()
    };
    assert_eq!(check(&expect, r#"{"iss":"https://idp.test"}"#, 0), Ok(()));
    for json in [
        "{}",
        r#"{"iss":""}"#,
        r#"{"iss":"https://idp.test/"}"#,
        r#"{"iss":"https://IDP.test"}"#,
        r#"{"iss":" https://idp.test"}"#,
        r#"{"iss":"https://idp.test\u0000"}"#,
        r#"{"iss":"http://idp.test"}"#,
    ] {
        assert_eq!(
            check(&expect, json, 0),
            Err(TokenError::IssuerUnknown),
            "{json}"
        );
    }
    assert_eq!(check(&Expect::default(), r#"{"iss":"anyone"}"#, 0), Ok(()));
    let empty = Expect {
        issuer: Some("".into()),
        ..Expect::default()
    };
    assert_eq!(check(&empty, "{}", 0), Err(TokenError::IssuerUnknown));
}

#[test]
fn audiences_follow_the_chosen_comparison() {
    let cases = [
        // accepted, presented, byte for byte, as Istio
        ("api", r#""api""#, true, true),
        ("api", r#"["x","api"]"#, true, true),
        ("api", r#""API""#, false, false),
        ("api", r#""api/""#, false, true),
        ("api", r#""api//""#, false, false),
        ("api/", r#""api""#, false, true),
        ("api", r#""https://api""#, false, true),
        ("http://api", r#""https://api/""#, false, true),
        ("api", r#""http://https://api""#, false, false),
        ("api", r#""HTTPS://api""#, false, false),
        ("https://api:443", r#""https://api""#, false, false),
        ("https://api/v1", r#""api""#, false, false),
        ("api", r#"" api""#, false, false),
        ("api", r#""api,other""#, false, false),
        ("api", "[]", false, false),
        ("", r#""""#, true, true),
        ("", r#""https://""#, false, true),
    ];
    for (accepted, presented, exact, istio) in cases {
        let claims = claims(&format!(r#"{{"aud":{presented}}}"#));
        assert_eq!(
            Audiences::exact([accepted]).accept(claims.audiences()),
            exact,
            "exact {accepted} {presented}"
        );
        assert_eq!(
            Audiences::istio([accepted]).accept(claims.audiences()),
            istio,
            "istio {accepted} {presented}"
        );
    }
}

#[test]
fn no_audience_passes_only_where_none_is_asked_for() {
    assert!(Audiences::Any.accept([]));
    assert!(!Audiences::exact(["api"]).accept([]));
    assert!(!Audiences::istio(["api"]).accept([]));
    let nothing: [&str; 0] = [];
    assert!(!Audiences::exact(nothing).accept(["api"]));
    assert!(!Audiences::istio(nothing).accept(["api"]));
}

#[test]
fn the_first_failure_in_the_order_of_envoy_wins() {
    let expect = Expect {
        issuer: Some("me".into()),
        audiences: Audiences::exact(["api"]),
        ..Expect::default()
    };
    let cases = [
        (
            r#"{"iss":"you","nbf":9000,"exp":1,"aud":"x"}"#,
            TokenError::IssuerUnknown,
        ),
        (
            r#"{"iss":"me","nbf":9000,"exp":1,"aud":"x"}"#,
            TokenError::NotYetValid,
        ),
        (r#"{"iss":"me","exp":1,"aud":"x"}"#, TokenError::Expired),
        (r#"{"iss":"me","aud":"x"}"#, TokenError::AudienceRefused),
    ];
    for (json, error) in cases {
        assert_eq!(check(&expect, json, 1000), Err(error), "{json}");
    }
}
