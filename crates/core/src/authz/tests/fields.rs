//! Each field against values that match and values that do not.

use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::sample::{Sample, texts};
use crate::authn::Edits;
use crate::authz::Action::{Allow, Audit, Custom, Deny};
use crate::authz::{
    HeaderField, NamespacePattern, PathTemplate, RequestPrincipal, ServiceAccount, Test, Text,
};

/// A clause and its opposite, in an ALLOW policy.
#[track_caller]
fn check(test: &Test, sample: &Sample, matches: bool) {
    assert_eq!(
        sample.meets(Allow, false, test.clone()),
        matches,
        "{test:?}"
    );
    assert_eq!(
        sample.meets(Allow, true, test.clone()),
        !matches,
        "not {test:?}"
    );
}

fn named(name: &'static str) -> HeaderField {
    HeaderField::Named(HeaderName::from_static(name))
}

fn claim(path: &[&str], values: &[&str]) -> Test {
    Test::Claim(
        path.iter().map(|it| Box::from(*it)).collect(),
        texts(values),
    )
}

#[test]
fn methods_are_compared_in_their_case() {
    let get = Sample::default();
    for (value, matches) in [
        ("GET", true),
        ("G*", true),
        ("*T", true),
        ("*", true),
        ("get", false),
        ("POST", false),
    ] {
        check(&Test::Methods(texts(&[value])), &get, matches);
    }
}

#[test]
fn paths_without_query() {
    let sample = Sample {
        query: Some("x=1".into()),
        ..Sample::default()
    };
    for (value, matches) in [
        ("/a/b", true),
        ("/a/*", true),
        ("/a*", true),
        ("*/b", true),
        ("*", true),
        ("/a", false),
        ("/a/b/", false),
        ("/a/b?x=1", false),
        ("/A/b", false),
        ("/*/b", false),
        ("*a*", false),
    ] {
        check(&Test::Paths(texts(&[value]), Vec::new()), &sample, matches);
    }
    for (template, matches) in [
        ("/{*}/b", true),
        ("/a/{*}", true),
        ("/{**}", true),
        ("/{*}", false),
    ] {
        let template = PathTemplate::parse(template).unwrap();
        check(&Test::Paths(Vec::new(), vec![template]), &sample, matches);
    }
}

#[test]
fn templates_meet_odd_characters_where_that_admits_less() {
    let sample = Sample {
        path: "/a/x|y".into(),
        ..Sample::default()
    };
    let template = PathTemplate::parse("/a/{*}").unwrap();
    let test = Test::Paths(Vec::new(), vec![template]);
    for (action, negated, meets) in [
        (Allow, false, false),
        (Allow, true, false),
        (Deny, false, true),
        (Deny, true, true),
    ] {
        let met = sample.meets(action, negated, test.clone());
        assert_eq!(met, meets, "{action:?} {negated}");
    }
}

#[test]
fn hosts_as_istio_compares_them() {
    let host = |authority: &str| Sample {
        authority: authority.into(),
        ..Sample::default()
    };
    for (value, authority, matches) in [
        ("example.com", "example.com", true),
        ("example.com", "EXAMPLE.com", true),
        ("example.com", "example.com:443", false),
        ("example.com", "example.com.", false),
        ("example.com:*", "example.com:443", true),
        ("example.*", "example.com:443", true),
        ("*.example.com", "www.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com", "www.example.com:443", false),
        ("*", "anything", true),
    ] {
        let test = Test::Hosts(texts(&[value]));
        check(&test, &host(authority), matches);
        assert_eq!(
            host(authority).meets(Custom, false, test),
            matches,
            "{value} {authority}"
        );
    }
}

#[test]
fn a_port_or_a_dot_passes_no_deny_rule() {
    let host = |authority: &str| Sample {
        authority: authority.into(),
        ..Sample::default()
    };
    for (value, authority, denied) in [
        ("example.com", "example.com", true),
        ("example.com", "Example.com:443", true),
        ("example.com", "example.com.", true),
        ("example.com", "example.com.:8080", true),
        ("example.com", "example.com:", true),
        ("example.com", "example.com.evil", false),
        ("*.example.com", "www.example.com:443", true),
        ("*.example.com", "www.example.com.", true),
        ("example.com:443", "example.com:443", true),
        ("example.com:443", "example.com:80", false),
        ("example.com:443", "example.com", false),
        ("*:443", "example.com:443", true),
        ("[::1]", "[::1]:80", true),
        ("[::1]:443", "[::1]:80", false),
        ("example.com.", "example.com.:80", true),
    ] {
        let test = Test::Hosts(texts(&[value]));
        assert_eq!(
            host(authority).meets(Deny, false, test),
            denied,
            "{value} {authority}"
        );
    }
    // What a DENY rule spares is not more for it.
    for (authority, denied) in [
        ("example.com", false),
        ("example.com:443", true),
        ("other", true),
    ] {
        let test = Test::Hosts(texts(&["example.com"]));
        assert_eq!(
            host(authority).meets(Deny, true, test),
            denied,
            "not {authority}"
        );
    }
}

#[test]
fn addresses_and_ports() {
    let sample = Sample::default();
    let networks = |it: &str| vec![it.parse().unwrap()];
    for (network, peer, client, local) in [
        ("10.0.0.0/8", true, false, true),
        ("10.0.0.1/32", true, false, false),
        ("192.0.2.0/24", false, true, false),
        ("10.0.0.1/8", true, false, true),
        ("::/0", false, false, false),
    ] {
        check(&Test::PeerAddresses(networks(network)), &sample, peer);
        check(&Test::ClientAddresses(networks(network)), &sample, client);
        check(&Test::LocalAddresses(networks(network)), &sample, local);
    }
    let mapped = Sample {
        peer: "[::ffff:10.0.0.1]:1",
        client: "::ffff:10.0.0.1",
        ..Sample::default()
    };
    check(&Test::PeerAddresses(networks("10.0.0.0/8")), &mapped, true);
    check(
        &Test::ClientAddresses(networks("10.0.0.0/8")),
        &mapped,
        true,
    );
    check(&Test::Ports(vec![80, 443]), &sample, true);
    check(&Test::Ports(vec![444, 80]), &sample, false);
}

#[test]
fn server_names_only_where_there_is_one() {
    let named = Sample {
        sni: Some("api.test".into()),
        ..Sample::default()
    };
    for (value, matches) in [
        ("api.test", true),
        ("*.test", true),
        ("*", true),
        ("API.test", false),
    ] {
        check(&Test::Sni(texts(&[value])), &named, matches);
        check(&Test::Sni(texts(&[value])), &Sample::default(), false);
    }
}

#[test]
fn header_lines_one_by_one() {
    let mut sample = Sample::with_header("x-a", "one");
    sample.headers.push(("x-a".into(), "two,three".into()));
    sample.headers.push(("x-empty".into(), String::new()));
    for (name, value, matches) in [
        ("x-a", "one", true),
        ("x-a", "two,three", true),
        ("x-a", "t*", true),
        ("x-a", "*", true),
        ("x-a", "two", false),
        ("x-a", "one,two,three", false),
        ("x-a", "ONE", false),
        ("x-b", "*", false),
        ("x-empty", "*", true),
    ] {
        check(
            &Test::Header(named(name), texts(&[value])),
            &sample,
            matches,
        );
    }
}

#[test]
fn parts_of_the_request_as_headers() {
    let sample = Sample {
        authority: "API.test:80".into(),
        query: Some("x=1".into()),
        ..Sample::default()
    };
    for (field, value, matches) in [
        (HeaderField::Method, "GET", true),
        (HeaderField::Authority, "API.test:80", true),
        (HeaderField::Authority, "api.test:80", false),
        (HeaderField::Path, "/a/b?x=1", true),
        (HeaderField::Path, "/a/b", false),
        (HeaderField::Path, "/a/*", true),
        (HeaderField::Scheme, "http", true),
        // Said of the connection before policies look, whatever the client says.
        (named("x-forwarded-proto"), "http", true),
        (named("x-forwarded-for"), "10.0.0.1", true),
    ] {
        check(&Test::Header(field, texts(&[value])), &sample, matches);
    }
    let mut spoofed = Sample::with_header("x-forwarded-proto", "https");
    spoofed
        .headers
        .push(("x-forwarded-for".into(), "1.2.3.4".into()));
    check(
        &Test::Header(named("x-forwarded-proto"), texts(&["https"])),
        &spoofed,
        false,
    );
    check(
        &Test::Header(named("x-forwarded-for"), texts(&["1.2.3.4,10.0.0.1"])),
        &spoofed,
        true,
    );
}

#[test]
fn headers_as_the_upstream_gets_them() {
    let mut edits = Edits::default();
    edits
        .remove_headers
        .push(HeaderName::from_static("x-token"));
    edits.remove_query.push("access_token".into());
    edits.identity.push((
        HeaderName::from_static("x-user"),
        HeaderValue::from_static("alice"),
    ));
    let sample = Sample {
        edits,
        query: Some("a=1&access_token=secret&b".into()),
        ..Sample::with_header("x-token", "secret")
    };
    check(
        &Test::Header(named("x-token"), texts(&["*"])),
        &sample,
        false,
    );
    check(
        &Test::Header(named("x-user"), texts(&["alice"])),
        &sample,
        true,
    );
    check(
        &Test::Header(HeaderField::Path, texts(&["/a/b?a=1&b"])),
        &sample,
        true,
    );
    let edits = Edits {
        remove_query: ["a".into(), "b".into(), "access_token".into()]
            .into_iter()
            .collect(),
        ..Edits::default()
    };
    let bare = Sample { edits, ..sample };
    check(
        &Test::Header(HeaderField::Path, texts(&["/a/b"])),
        &bare,
        true,
    );
}

#[test]
fn names_of_certificates() {
    let web = "spiffe://td/ns/prod/sa/web";
    let principals = |value: &str| Test::Principals(texts(&[value]));
    for (value, matches) in [
        ("td/ns/prod/sa/web", true),
        ("td/*", true),
        ("*/sa/web", true),
        ("*", true),
        ("td/ns/prod/sa/we", false),
        ("other/*", false),
    ] {
        check(&principals(value), &Sample::with_uris(&[web]), matches);
        check(
            &principals(value),
            &Sample::with_uris(&["https://x", web]),
            matches,
        );
        check(&principals(value), &Sample::default(), false);
    }
    // Without a SPIFFE name nothing but presence matches.
    let dns = Sample {
        dns: vec!["td/web".into()],
        ..Sample::default()
    };
    let subject = Sample {
        subject: "CN=td/web",
        ..Sample::default()
    };
    for sample in [dns, subject, Sample::with_uris(&["https://td/web"])] {
        check(&principals("*"), &sample, true);
        for value in ["td/web", "td/*", "*web", "https://td/web", "CN=td/web"] {
            check(&principals(value), &sample, false);
        }
    }
}

#[test]
fn namespaces_accounts_and_trust_domains() {
    let namespaces = |value: &str| Test::Namespaces(vec![NamespacePattern(value.into())]);
    let account = |namespace: &str, name: &str| {
        Test::ServiceAccounts(vec![ServiceAccount {
            namespace: namespace.into(),
            name: name.into(),
        }])
    };
    let domain = |value: &str| Test::TrustDomains(texts(&[value]));
    let (web, nested) = (
        "spiffe://td/ns/prod/sa/web",
        "spiffe://td/region/eu/ns/prod/team/a/sa/web/pod/1",
    );
    for (test, uri, matches) in [
        (namespaces("prod"), web, true),
        (namespaces("pr*"), web, true),
        (namespaces("*rod"), web, true),
        (namespaces("p*d"), nested, true),
        (namespaces("pro"), web, false),
        (namespaces("prod"), "https://x/ns/prod/y", true),
        (namespaces("prod"), "https://x/ns/prod", false),
        (account("prod", "web"), web, true),
        (account("prod", "web"), nested, true),
        (account("prod", "we"), web, false),
        (account("dev", "web"), web, false),
        (account("prod", "web"), "https://td/ns/prod/sa/web", false),
        (account("prod", "web"), "spiffe://td/ns/prod/sa/web/", false),
        (domain("td"), web, true),
        (domain("t*"), web, true),
        (domain("*"), web, true),
        (domain("*"), "https://td/x", false),
        (domain("td"), "spiffe://td", false),
        (domain("td2"), web, false),
    ] {
        check(&test, &Sample::with_uris(&[uri]), matches);
        check(&test, &Sample::default(), false);
    }
}

/// Anybody whom a CA lets choose a name for a host or a person would be somebody else's workload.
#[test]
fn only_uris_name_namespaces_and_accounts() {
    let namespace = Test::Namespaces(vec![NamespacePattern("prod".into())]);
    let account = Test::ServiceAccounts(vec![ServiceAccount {
        namespace: "prod".into(),
        name: "web".into(),
    }]);
    for name in [
        "spiffe://td/ns/prod/sa/web",
        "x/ns/prod/sa/web",
        "CN=a/ns/prod/sa/web",
    ] {
        let dns = Sample {
            dns: vec![name.to_owned()],
            ..Sample::default()
        };
        let subject = Sample {
            subject: name,
            ..Sample::default()
        };
        for sample in [dns, subject] {
            check(&namespace, &sample, false);
            check(&account, &sample, false);
        }
    }
}

#[test]
fn request_principals_are_an_issuer_and_a_subject() {
    let text = Text::parse;
    let principal = |issuer: &str, subject: &str| {
        Test::RequestPrincipals(vec![RequestPrincipal {
            issuer: text(issuer),
            subject: text(subject),
        }])
    };
    let alice = Sample::with_claims(json!({ "iss": "https://idp", "sub": "alice" }));
    for (issuer, subject, matches) in [
        ("https://idp", "alice", true),
        ("*", "*", true),
        ("https://idp", "*", true),
        ("https://idp", "al*", true),
        ("*idp", "alice", true),
        ("https://idp", "", false),
        ("https://idp/", "alice", false),
        ("https://idp", "bob", false),
    ] {
        check(&principal(issuer, subject), &alice, matches);
        check(&principal(issuer, subject), &Sample::default(), false);
    }
    for claims in [
        json!({ "iss": "i" }),
        json!({ "sub": "s" }),
        json!({ "iss": "i", "sub": "" }),
    ] {
        check(&principal("*", "*"), &Sample::with_claims(claims), false);
    }
    check(
        &principal("i", ""),
        &Sample::with_claims(json!({ "iss": "i", "sub": "" })),
        true,
    );
    check(
        &principal("i", ""),
        &Sample::with_claims(json!({ "iss": "i" })),
        false,
    );
    let split = Sample {
        split: vec!["sub".into()],
        ..alice
    };
    check(&principal("*", "*"), &split, false);
}

#[test]
fn claims_are_texts_or_lists_of_texts() {
    let sample = Sample::with_claims(json!({
        "group": "admin", "groups": ["admin", "dev", 7], "empty": "", "none": [], "flag": true,
        "number": 7, "null": null, "nested": { "group": "admin", "list": ["a"], "a.b": "c" },
        "lists": [["admin"]], "a.b": "dotted",
    }));
    for (path, value, matches) in [
        (&["group"][..], "admin", true),
        (&["group"], "adm*", true),
        (&["group"], "*", true),
        (&["group"], "Admin", false),
        (&["groups"], "dev", true),
        (&["groups"], "*ev", true),
        (&["groups"], "7", false),
        (&["groups"], "admin,dev", false),
        (&["empty"], "*", false),
        (&["none"], "*", false),
        (&["flag"], "true", false),
        (&["flag"], "*", false),
        (&["number"], "7", false),
        (&["null"], "*", false),
        (&["nested"], "*", false),
        (&["nested", "group"], "admin", true),
        (&["nested", "list"], "a", true),
        (&["nested", "a.b"], "c", true),
        (&["nested", "list", "0"], "a", false),
        (&["lists"], "admin", false),
        (&["a.b"], "dotted", true),
        (&["a", "b"], "*", false),
        (&["absent"], "*", false),
    ] {
        check(&claim(path, &[value]), &sample, matches);
        check(&claim(path, &[value]), &Sample::default(), false);
    }
}

#[test]
fn some_claims_are_lists_of_words() {
    let claims = json!({
        "scope": "openid read  write", "permission": "a b", "scp": "a b", "roles": "a\tb c",
        "nested": { "scope": "a b" },
    });
    let sample = Sample {
        split: vec!["roles".into()],
        ..Sample::with_claims(claims)
    };
    for (path, value, matches) in [
        (&["scope"][..], "read", true),
        (&["scope"], "openid read  write", false),
        (&["scope"], "*", true),
        (&["permission"], "b", true),
        (&["scp"], "a", false),
        (&["scp"], "a b", true),
        (&["roles"], "a\tb", true),
        (&["roles"], "c", true),
        (&["roles"], "b", false),
        (&["nested", "scope"], "a", false),
        (&["nested", "scope"], "a b", true),
    ] {
        check(&claim(path, &[value]), &sample, matches);
    }
    let blank = Sample::with_claims(json!({ "scope": "  " }));
    check(&claim(&["scope"], &["*"]), &blank, false);
}

#[test]
fn metadata_is_never_there() {
    check(&Test::Absent, &Sample::default(), false);
    assert!(
        Sample::default().meets(Audit, false, Test::Absent)
            == Sample::default().meets(Audit, true, Test::Absent)
    );
}
