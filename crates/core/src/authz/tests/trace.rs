//! What a recorder is told.

use http::HeaderName;
use serde_json::json;

use super::sample::{Sample, clause, policy, rule, texts};
use crate::authz::Action::{Allow, Deny};
use crate::authz::{HeaderField, PolicySet, RequestPrincipal, Test, Text};
use crate::trace::{Event, Trace};

/// What is said of the one rule of an ALLOW policy that does not match.
fn said(sample: &Sample, negated: bool, test: Test) -> String {
    let rule = rule("rules[0]", vec![vec![clause(negated, test)]]);
    let set = PolicySet::new(vec![policy("p", Allow, vec![rule])]);
    let mut trace = Trace::default();
    assert!(sample.decide(&set, &mut trace).0.is_err());
    let said = trace.events.iter().find_map(|it| match it {
        Event::RuleFailed { mismatch, .. } => {
            Some(format!("{}, saw {}", mismatch.wanted, mismatch.seen))
        }
        _ => None,
    });
    said.unwrap()
}

fn claim(path: &str, values: &[&str]) -> Test {
    Test::Claim(Box::new([path.into()]), texts(values))
}

#[test]
fn wanted_and_seen_in_words() {
    let claims = json!({
        "iss": "i", "sub": "s", "admin": true, "groups": ["a", "b", 1], "none": [], "org": { "x": 1 },
    });
    let caller = Sample::with_claims(claims);
    let anonymous = Sample::default();
    let principal = || {
        let (issuer, subject) = (Text::parse("i"), Text::parse("x*"));
        Test::RequestPrincipals(vec![RequestPrincipal { issuer, subject }])
    };
    for (sample, negated, test, words) in [
        (
            &caller,
            false,
            claim("admin", &["true"]),
            "`true`, saw the boolean `true`; only texts are compared",
        ),
        (
            &caller,
            false,
            claim("org", &["x"]),
            "`x`, saw the object `{\"x\":1}`; only texts are compared",
        ),
        (
            &caller,
            false,
            claim("groups", &["x", "y"]),
            "one of `x`, `y`, saw `a`, `b` and 1 that are no text",
        ),
        (
            &caller,
            true,
            claim("groups", &["a", "y"]),
            "none of `a`, `y`, saw `a`, `b` and 1 that are no text",
        ),
        (
            &caller,
            false,
            claim("none", &["*"]),
            "`*`, saw an empty list",
        ),
        (
            &caller,
            false,
            claim("tenant", &["a"]),
            "`a`, saw no such claim",
        ),
        (
            &anonymous,
            false,
            claim("groups", &["a"]),
            "`a`, saw no token",
        ),
        (
            &caller,
            false,
            principal(),
            "`i/x*`, saw issuer `i`, subject `s`",
        ),
        (&anonymous, false, principal(), "`i/x*`, saw no token"),
        (
            &anonymous,
            false,
            Test::Principals(texts(&["td/*"])),
            "`td/*`, saw no verified client certificate",
        ),
        (
            &anonymous,
            false,
            Test::Hosts(texts(&["x.test"])),
            "`x.test`, saw `api.test`",
        ),
        (
            &anonymous,
            true,
            Test::Methods(texts(&["GET"])),
            "anything but `GET`, saw `GET`",
        ),
        (&anonymous, false, Test::Ports(vec![80]), "`80`, saw `443`"),
        (
            &anonymous,
            false,
            Test::Sni(texts(&["*"])),
            "`*`, saw no server name",
        ),
        (
            &anonymous,
            false,
            Test::Methods(texts(&["A", "B", "C", "D", "E", "F", "G"])),
            "one of `A`, `B`, `C`, `D`, `E` and 2 more, saw `GET`",
        ),
    ] {
        assert_eq!(said(sample, negated, test), words);
    }
}

#[test]
fn secrets_are_not_told() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
    let header = |name: &'static str| HeaderField::Named(HeaderName::from_static(name));
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-jwt",
    ] {
        for value in [format!("Bearer {token}"), token.to_owned()] {
            let told = said(
                &Sample::with_header(name, &value),
                false,
                Test::Header(header(name), texts(&["s3cret-value"])),
            );
            assert!(told.contains("saw a value that is not shown"), "{told}");
            assert!(name == "x-jwt" || !told.contains("s3cret"), "{told}");
        }
    }
    let told = said(
        &Sample::default(),
        false,
        Test::Header(header("cookie"), texts(&["a=b"])),
    );
    assert_eq!(told, "a value that is not shown, saw no such header");
    let query = Sample {
        query: Some("access_token=secret".into()),
        ..Sample::default()
    };
    let told = said(
        &query,
        false,
        Test::Header(HeaderField::Path, texts(&["/x"])),
    );
    assert_eq!(told, "`/x`, saw `/a/b` and a query that is not shown");
    let long = Sample::with_header("x-a", &"y".repeat(500));
    assert!(said(&long, false, Test::Header(header("x-a"), texts(&["z"]))).len() < 200);
}

#[test]
fn every_policy_and_rule_in_order() {
    let at = |value: &str| clause(false, Test::Paths(texts(&[value]), Vec::new()));
    let mut third = policy("third", Deny, vec![rule("r", vec![])]);
    third.dry_run = true;
    let mut two = rule("two", vec![vec![at("/x")], vec![at("/y"), at("/a/b")]]);
    two.when = vec![at("/a/b")];
    let set = PolicySet::new(vec![
        policy("first", Deny, vec![rule("one", vec![vec![at("/x")]]), two]),
        policy("allow", Allow, vec![]),
        third,
        policy(
            "last",
            Deny,
            vec![rule("all", vec![]), rule("more", vec![])],
        ),
    ]);
    let mut trace = Trace::default();
    let refused = Sample::default().decide(&set, &mut trace).0.unwrap_err();
    assert_eq!(&*refused.origin.part, "all");
    let lines: Vec<String> = trace.events.iter().map(ToString::to_string).collect();
    let rule = |part: &str| format!("AuthorizationPolicy foo/rule {part} (policies.yaml:1)");
    let policy = |name: &str| format!("policy: AuthorizationPolicy foo/{name} (policies.yaml:1)");
    assert_eq!(
        lines,
        [
            "DENY policies: 3".to_owned(),
            policy("first"),
            format!("no match: {}: field wants `/x`, saw `/a/b`", rule("one")),
            format!(
                "no match: {}: field wants `/x`, or another of the entries beside it, saw `/a/b`",
                rule("two")
            ),
            policy("third") + ", dry run",
            format!("matches: {}", rule("r")),
            policy("last"),
            format!("matches: {}", rule("all")),
            format!("matches: {}", rule("more")),
        ]
    );
}
