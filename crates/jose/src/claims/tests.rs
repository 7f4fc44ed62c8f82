use super::*;

fn parse(json: &str) -> Result<Claims, TokenError> {
    Claims::parse(json.as_bytes())
}

#[test]
fn registered_claims_are_read() {
    let claims = parse(
        r#"{"iss":"i","sub":"","jti":"j","aud":["a","b"],"exp":3,"nbf":2.9,"iat":1,"x":{"y":[1]},"x.y":null}"#,
    )
    .unwrap();
    assert_eq!(
        (claims.issuer(), claims.subject(), claims.jwt_id()),
        (Some("i"), Some(""), Some("j"))
    );
    assert!(claims.audiences().eq(["a", "b"]));
    assert_eq!(
        (claims.expires(), claims.not_before(), claims.issued_at()),
        (Some(3), Some(2), Some(1))
    );
    assert_eq!(claims.path(&["x", "y"]).map(Value::kind), Some("list"));
    assert_eq!(claims.get("x.y"), Some(Value::Null));
    assert_eq!(claims.get("y"), None);
    assert!(claims.to_json().starts_with(r#"{"iss":"i","sub":"""#));
}

#[test]
fn absent_claims_are_absent() {
    let claims = parse("{}").unwrap();
    assert_eq!(
        (claims.issuer(), claims.subject(), claims.jwt_id()),
        (None, None, None)
    );
    assert_eq!(
        (claims.expires(), claims.not_before(), claims.issued_at()),
        (None, None, None)
    );
    assert_eq!(claims.audiences().count(), 0);
}

#[test]
fn a_wrong_type_is_refused_whoever_asks_for_the_claim() {
    let not_strings = ["null", "1", "true", "[]", "[\"x\"]", "{}"];
    for name in ["iss", "sub", "jti"] {
        for value in not_strings {
            let error = parse(&format!(r#"{{"{name}":{value}}}"#)).unwrap_err();
            assert_eq!(error, TokenError::ClaimNotString(name), "{value}");
        }
    }
    for name in ["iat", "nbf", "exp"] {
        for value in ["null", "\"1600000000\"", "true", "[1]", "{}"] {
            let error = parse(&format!(r#"{{"{name}":{value}}}"#)).unwrap_err();
            assert_eq!(error, TokenError::ClaimNotInteger(name), "{value}");
        }
        for value in ["-1", "-0.5", "18446744073709551616", "1e308"] {
            let error = parse(&format!(r#"{{"{name}":{value}}}"#)).unwrap_err();
            assert_eq!(error, TokenError::ClaimNotPositive64(name), "{value}");
        }
    }
    for value in [
        "null",
        "1",
        "{}",
        "[null]",
        "[\"a\",1]",
        "[[\"a\"]]",
        "true",
    ] {
        assert_eq!(
            parse(&format!(r#"{{"aud":{value}}}"#)).unwrap_err(),
            TokenError::AudNotStrings,
            "{value}"
        );
    }
}

#[test]
fn audiences_come_as_string_or_list() {
    let audiences = |json: &str| {
        parse(json)
            .unwrap()
            .audiences()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(audiences(r#"{"aud":"a"}"#), ["a"]);
    assert_eq!(audiences(r#"{"aud":""}"#), [""]);
    assert_eq!(audiences(r#"{"aud":"a,b"}"#), ["a,b"]);
    assert_eq!(audiences(r#"{"aud":["b","a","b"]}"#), ["b", "a", "b"]);
    assert!(audiences(r#"{"aud":[]}"#).is_empty());
}

#[test]
fn a_payload_that_is_no_object_is_refused() {
    for json in ["", "null", "[]", "\"x\"", "1", "{", "{}{}", "{\"a\":1,}"] {
        assert_eq!(parse(json).unwrap_err(), TokenError::PayloadJson, "{json}");
    }
    assert_eq!(
        parse(r#"{"sub":"a","sub":"a"}"#).unwrap_err(),
        TokenError::PayloadDuplicate
    );
    assert_eq!(
        parse(r#"{"x":{"y":1,"y":2}}"#).unwrap_err(),
        TokenError::PayloadDuplicate
    );
}

#[test]
fn no_expiry_and_expiry_at_zero_are_told_apart_only_inside() {
    for json in ["{}", r#"{"exp":0}"#, r#"{"exp":0.5}"#] {
        assert_eq!(parse(json).unwrap().expires(), None, "{json}");
    }
    assert!(parse(r#"{"exp":0.5}"#).unwrap().expires_at_zero());
    assert!(!parse("{}").unwrap().expires_at_zero());
    assert_eq!(
        parse(r#"{"exp":18446744073709551615}"#).unwrap().expires(),
        Some(u64::MAX)
    );
}

#[test]
fn debug_shows_names_without_values() {
    let shown = format!("{:?}", parse(r#"{"sub":"alice","email":"a@b.c"}"#).unwrap());
    assert_eq!(shown, r#"Claims {"sub", "email"}"#);
}

#[test]
fn the_weight_is_at_least_the_content() {
    let text = "x".repeat(1000);
    let small = parse(r#"{"aud":["a"]}"#).unwrap();
    let large = parse(&format!(r#"{{"aud":["a"],"o":{{"{text}":["{text}"]}}}}"#)).unwrap();
    assert!(small.weight() > size_of::<Claims>());
    assert!(large.weight() >= small.weight() + 2 * text.len());
}
