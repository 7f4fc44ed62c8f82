//! Random sets under random requests, by three ways to one answer.

use http::{HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::oracle;
use super::sample::{Sample, clause, origin, texts};
use crate::authn::Edits;
use crate::authz::{
    Action, Clause, HeaderField, NamespacePattern, PathTemplate, Policy, PolicySet,
    RequestPrincipal, Rule, ServiceAccount, Test, Text,
};
use crate::trace::{Event, NoRecord, Trace};

fn some(values: &'static [&'static str]) -> impl Strategy<Value = Vec<Text>> {
    vec(select(values), 1..4).prop_map(|it| texts(&it))
}

const WORDS: &[&str] = &["a", "b", "ab", "a*", "*b", "*", "a b", "10.*", "ba", "*a"];
const HOSTS: &[&str] = &[
    "api.test",
    "api.test:443",
    "api.*",
    "*.test",
    "*.test:*",
    "*",
    "api.test.",
];
const PATHS: &[&str] = &["/a", "/a/*", "/a/b", "/a/b/*", "/*", "*/b", "*", "/b"];
const TEMPLATES: &[&str] = &["/{*}", "/a/{*}", "/{**}/b", "/a/{**}", "/{*}/{**}"];
const NAMES: &[&str] = &["td/ns/x/sa/y", "td/*", "*/sa/y", "*", "d/ns/x/sa/z"];
const NETWORKS: &[&str] = &[
    "10.0.0.0/8",
    "10.0.0.1/32",
    "192.0.2.0/24",
    "::/0",
    "0.0.0.0/0",
    "fd00::/8",
];

fn networks() -> impl Strategy<Value = Vec<ipnet::IpNet>> {
    vec(select(NETWORKS), 1..3).prop_map(|it| it.iter().map(|it| it.parse().unwrap()).collect())
}

fn field() -> impl Strategy<Value = HeaderField> {
    let named = |name| HeaderField::Named(HeaderName::from_static(name));
    select(vec![
        named("x-c"),
        named("x-d"),
        named("x-forwarded-for"),
        named("x-a"),
        named("x-b"),
        HeaderField::Method,
        HeaderField::Authority,
        HeaderField::Path,
        HeaderField::Scheme,
    ])
}

fn principal() -> impl Strategy<Value = RequestPrincipal> {
    let text = || select(&["a", "b", "a*", "*b", "*", ""][..]).prop_map(Text::parse);
    (text(), text()).prop_map(|(issuer, subject)| RequestPrincipal { issuer, subject })
}

fn test() -> impl Strategy<Value = Test> {
    let claim = select(&["groups", "scope", "n.x", "roles"][..]);
    let path = claim.prop_map(|it| it.split('.').map(Box::from).collect::<Box<[Box<str>]>>());
    let templates = vec(select(TEMPLATES), 0..2);
    let templates = templates.prop_map(|it| {
        it.iter()
            .map(|it| PathTemplate::parse(it).unwrap())
            .collect()
    });
    let account = |it: &str| ServiceAccount {
        namespace: "x".into(),
        name: it.into(),
    };
    prop_oneof![
        1 => some(NAMES).prop_map(Test::Principals),
        1 => vec(select(&["x", "x*", "*", "y/z"][..]), 1..3)
            .prop_map(|it| Test::Namespaces(it.into_iter().map(|it| NamespacePattern(it.into())).collect())),
        1 => vec(select(&["y", "z"][..]), 1..3)
            .prop_map(move |it| Test::ServiceAccounts(it.into_iter().map(account).collect())),
        1 => some(&["td", "t*", "*d", "*"]).prop_map(Test::TrustDomains),
        2 => vec(principal(), 1..3).prop_map(Test::RequestPrincipals),
        1 => networks().prop_map(Test::PeerAddresses),
        1 => networks().prop_map(Test::ClientAddresses),
        1 => networks().prop_map(Test::LocalAddresses),
        1 => vec(select(vec![443, 80]), 1..3).prop_map(Test::Ports),
        1 => some(&["api.test", "*.test", "*", "API.test"]).prop_map(Test::Sni),
        2 => some(HOSTS).prop_map(Test::Hosts),
        2 => some(&["GET", "POST", "G*", "*", "get"]).prop_map(Test::Methods),
        3 => (some(PATHS), templates).prop_map(|(texts, templates)| Test::Paths(texts, templates)),
        2 => (field(), some(WORDS)).prop_map(|(field, texts)| Test::Header(field, texts)),
        3 => (path, some(WORDS)).prop_map(|(path, texts)| Test::Claim(path, texts)),
        1 => Just(Test::Absent),
    ]
}

fn clauses(most: usize) -> impl Strategy<Value = Vec<Clause>> {
    let one = (prop::bool::weighted(0.2), test()).prop_map(|(negated, test)| clause(negated, test));
    vec(one, 0..=most)
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let entries = || vec(clauses(2), 0..3);
    (entries(), entries(), clauses(1)).prop_map(|(from, to, when)| Rule {
        origin: origin("", ""),
        from,
        to,
        when,
    })
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let actions = select(vec![
        Action::Custom,
        Action::Audit,
        Action::Deny,
        Action::Deny,
        Action::Allow,
    ]);
    let one = (actions, prop::bool::weighted(0.3), vec(a_rule(), 0..5));
    vec(one, 0..9).prop_map(|list| {
        let number =
            |(number, (action, dry_run, mut rules)): (usize, (Action, bool, Vec<Rule>))| {
                let name = format!("p{number}");
                for (part, rule) in rules.iter_mut().enumerate() {
                    rule.origin = origin(&name, &format!("rules[{part}]"));
                }
                Policy {
                    origin: origin(&name, ""),
                    action,
                    dry_run,
                    rules,
                }
            };
        list.into_iter().enumerate().map(number).collect()
    })
}

fn claims() -> impl Strategy<Value = serde_json::Value> {
    let text = || select(&["a", "b", "ab", "", "a b"][..]);
    let value = prop_oneof![
        4 => text().prop_map(|it| json!(it)),
        4 => vec(text(), 0..3).prop_map(|it| json!(it)),
        1 => Just(json!([1, "a", ["b"]])),
        1 => Just(json!(true)),
        1 => Just(json!({ "x": "a" })),
    ];
    let value = || option::of(value.clone());
    (
        text(),
        option::of(text()),
        value(),
        value(),
        value(),
        value(),
    )
        .prop_map(|(iss, sub, groups, scope, n, roles)| {
            let mut claims = json!({ "iss": iss });
            let told = [("groups", groups), ("scope", scope), ("roles", roles)];
            for (name, value) in told.into_iter().filter_map(|(name, it)| Some((name, it?))) {
                claims[name] = value;
            }
            if let Some(sub) = sub {
                claims["sub"] = json!(sub);
            }
            if let Some(n) = n {
                claims["n"] = json!({ "x": n });
            }
            claims
        })
}

fn edits() -> impl Strategy<Value = Edits> {
    (any::<bool>(), any::<bool>()).prop_map(|(taken, told)| {
        let mut edits = Edits::default();
        if taken {
            edits.remove_headers.push(HeaderName::from_static("x-a"));
        }
        if told {
            let value = HeaderValue::from_static("ab");
            edits.identity.push((HeaderName::from_static("x-b"), value));
        }
        edits
    })
}

fn request() -> impl Strategy<Value = Sample> {
    let names = select(vec![
        "spiffe://td/ns/x/sa/y",
        "spiffe://d/ns/x/sa/z",
        "https://x/ns/y/z/",
        "spiffe://td",
    ]);
    let ends = (
        select(&["10.0.0.1:1", "192.0.2.1:1", "[fd00::1]:1"][..]),
        select(&["192.0.2.7", "10.0.0.1", "fd00::1"][..]),
        select(&["10.9.9.9:443", "[fd00::2]:80"][..]),
        option::of(select(&["api.test", "x.test"][..])),
        vec(names, 0..3),
        vec(select(&["dns.test", "td/x"][..]), 0..2),
        select(&["", "CN=a"][..]),
    );
    let header = (
        select(&["x-a", "x-b"][..]),
        select(&["a", "ab", "", "b,a"][..]),
    );
    let http = (
        select(&["GET", "POST"][..]),
        select(
            &[
                "api.test",
                "API.test:443",
                "api.test.",
                "api.test.:80",
                "x.test",
                "[::1]:80",
            ][..],
        ),
        select(&["/a", "/a/b", "/a/b/c", "/", "/b", "/a/"][..]),
        option::of(select(&["x=1", "a"][..])),
        vec(header, 0..3),
        option::of(claims()),
        vec(select(&["roles", "sub"][..]), 0..2),
        edits(),
    );
    (ends, http).prop_map(|(ends, http)| {
        let (peer, client, local, sni, uris, dns, subject) = ends;
        let (method, authority, path, query, headers, claims, split, edits) = http;
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        let headers = headers
            .into_iter()
            .map(|(a, b)| (a.to_owned(), b.to_owned()));
        Sample {
            peer,
            client,
            local,
            sni: sni.map(str::to_owned),
            uris: owned(uris),
            dns: owned(dns),
            subject,
            method: method.into(),
            authority: authority.into(),
            path: path.into(),
            query: query.map(str::to_owned),
            headers: headers.collect(),
            claims,
            split: owned(split),
            edits,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The index without a recorder, every rule with one, and the plain reading agree.
    #[test]
    fn three_ways_to_one_answer(policies in policies(), requests in vec(request(), 1..6)) {
        let set = PolicySet::new(policies.clone());
        for request in &requests {
            let quick = request.decide(&set, &mut NoRecord);
            let mut trace = Trace::default();
            prop_assert_eq!(&request.decide(&set, &mut trace), &quick);
            let (refusal, remarks) = oracle::decide(&policies, request);
            let told = quick.0.err().map(|it| (it.reason, it.origin.to_string()));
            prop_assert_eq!(told, refusal);
            prop_assert_eq!(quick.1.to_vec(), remarks);
            let explained = trace.events.iter().all(|it| match it {
                Event::RuleFailed { mismatch, .. } => {
                    !mismatch.seen.is_empty() && !mismatch.wanted.is_empty()
                }
                _ => true,
            });
            prop_assert!(explained);
        }
    }
}
