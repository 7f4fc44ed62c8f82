//! Actions, joins, sets and address lists; what fails denies; and a trace that changes nothing.

use std::net::IpAddr;

use countersign_expression::Program;
use countersign_jose::{Claims, UnixTime};
use http::{HeaderMap, Method, Version};
use proptest::prelude::*;

use super::*;
use crate::authz::Known;
use crate::connection::Connection;
use crate::id::ListenerId;
use crate::reason::Reason;
use crate::request::Request;
use crate::trace::{Event, Expressed, NoRecord, Trace};

fn origin(name: &str, part: &str) -> Arc<Origin> {
    Arc::new(Origin {
        kind: "TrafficPolicy",
        namespace: "shop".into(),
        name: name.into(),
        part: part.into(),
        file: "p.yaml".into(),
        line: 1,
    })
}

/// A rule named after its place, with expressions named by their number.
fn rule(name: &str, action: RuleAction, join: Join, sources: &[&str]) -> ExpressionRule {
    let expression = |(index, source): (usize, &&str)| Expression {
        origin: origin(name, &index.to_string()),
        program: Program::compile(source, Dialect::Envoy.environment()).unwrap(),
        written: None,
    };
    ExpressionRule {
        origin: origin(name, ""),
        action,
        join,
        dialect: Dialect::Envoy,
        expressions: sources.iter().enumerate().map(expression).collect(),
        allowed: None,
        blocked: None,
    }
}

fn list(name: &str, networks: &[&str]) -> Option<AddressList> {
    Some(AddressList {
        origin: origin("a", name),
        networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
    })
}

fn one_set(rules: Vec<ExpressionRule>) -> Rbac {
    Rbac {
        sets: [RuleSet::new(rules.into_iter().map(Arc::new).collect())].into(),
    }
}

fn request<'a>(headers: &'a HeaderMap, client: &str) -> Request<'a> {
    let client: IpAddr = client.parse().unwrap();
    Request {
        listener: ListenerId(0),
        scheme: "http",
        method: &Method::GET,
        authority: "h.test",
        host: "h.test",
        path: "/",
        query: None,
        headers,
        connection: Connection {
            peer: (client, 1).into(),
            local: "127.0.0.1:80".parse().unwrap(),
            sni: None,
            tls: None,
            identity: None,
        },
        version: Version::HTTP_11,
        upgrade: None,
        client,
    }
}

/// `ok`, or reason, policy, and part of the policy; the same with and without a recorder.
fn ask(rbac: &Rbac, client: &str) -> (String, Vec<Event>) {
    let claims = Claims::parse(br#"{"sub": "alice"}"#).unwrap();
    let (headers, edits) = Default::default();
    let req = request(&headers, client);
    let known = Known::new(&req, false, &edits, Some(&claims), UnixTime(1));
    let (mut trace, quiet) = (Trace::default(), rbac.enforce(&known, &mut NoRecord));
    let told = rbac.enforce(&known, &mut trace);
    assert_eq!(quiet, told, "a trace changes nothing");
    let answer = match quiet {
        Ok(()) => "ok".to_owned(),
        Err(it) => format!("{} {} {}", it.reason.code(), it.origin.name, it.origin.part),
    };
    (answer, trace.events)
}

fn answer(rules: Vec<ExpressionRule>) -> String {
    ask(&one_set(rules), "192.0.2.1").0
}

const TRUE: &str = "jwt.sub == 'alice'";
const FALSE: &str = "jwt.sub == 'bob'";
const FAILS: &str = "jwt.groups == 'x'";

#[test]
fn one_rule() {
    use Join::{All, Any};
    use RuleAction::{Allow, Deny, Require};
    let table: &[(RuleAction, Join, &[&str], &str)] = &[
        (Allow, Any, &[TRUE], "ok"),
        (Allow, Any, &[FALSE], "expression_not_allowed a "),
        (Allow, Any, &[FALSE, TRUE], "ok"),
        (Allow, Any, &[FALSE, FALSE], "expression_not_allowed a "),
        (Allow, All, &[TRUE, TRUE], "ok"),
        (Allow, All, &[TRUE, FALSE], "expression_not_allowed a "),
        (Deny, Any, &[TRUE], "expression_denied a 0"),
        (Deny, Any, &[FALSE, TRUE], "expression_denied a 1"),
        (Deny, Any, &[FALSE, FALSE], "ok"),
        (Deny, All, &[TRUE, FALSE], "ok"),
        (Deny, All, &[TRUE, TRUE], "expression_denied a "),
        (Deny, All, &[TRUE], "expression_denied a 0"),
        (Require, All, &[TRUE, TRUE], "ok"),
        (Require, All, &[TRUE, FALSE], "expression_not_allowed a 1"),
    ];
    for (action, join, sources, wanted) in table {
        let told = answer(vec![rule("a", *action, *join, sources)]);
        assert_eq!(told, *wanted, "{action} {join:?} {sources:?}");
    }
}

/// Decision P2, for every expression that is looked at.
#[test]
fn what_fails_denies() {
    use Join::{All, Any};
    use RuleAction::{Allow, Deny, Require};
    let table: &[(RuleAction, Join, &[&str], &str)] = &[
        (Allow, Any, &[FAILS], "expression_failed a 0"),
        (Allow, Any, &[FALSE, FAILS], "expression_failed a 1"),
        (Allow, Any, &[FAILS, TRUE], "expression_failed a 0"),
        (Allow, Any, &[TRUE, FAILS], "ok"),
        (Deny, Any, &[FAILS], "expression_failed a 0"),
        (Deny, All, &[FALSE, FAILS], "ok"),
        (Deny, All, &[TRUE, FAILS], "expression_failed a 1"),
        (Require, All, &[FAILS], "expression_failed a 0"),
        (Require, All, &[FALSE, FAILS], "expression_not_allowed a 0"),
        // No bool, division by zero, a method on a number: all the same.
        (Deny, Any, &["jwt.sub"], "expression_failed a 0"),
        (
            Deny,
            Any,
            &["1 / source.port == 1 && 1 / 0 == 1"],
            "expression_failed a 0",
        ),
        (
            Allow,
            Any,
            &["size(source.port) == 1"],
            "expression_failed a 0",
        ),
    ];
    for (action, join, sources, wanted) in table {
        let told = answer(vec![rule("a", *action, *join, sources)]);
        assert_eq!(told, *wanted, "{action} {join:?} {sources:?}");
    }
}

#[test]
fn several_rules_of_a_set() {
    let of = |name: &str, action, source| rule(name, action, Join::All, &[source]);
    use RuleAction::{Allow, Deny, Require};
    for (rules, wanted) in [
        (vec![of("a", Allow, FALSE), of("b", Allow, TRUE)], "ok"),
        (
            vec![of("a", Allow, FALSE), of("b", Allow, FALSE)],
            "expression_not_allowed a ",
        ),
        (
            vec![of("a", Allow, TRUE), of("b", Deny, TRUE)],
            "expression_denied b 0",
        ),
        (
            vec![of("a", Allow, TRUE), of("b", Require, FALSE)],
            "expression_not_allowed b 0",
        ),
        (
            vec![of("a", Require, TRUE), of("b", Require, FALSE)],
            "expression_not_allowed b 0",
        ),
        (
            vec![of("a", Require, FALSE), of("b", Deny, TRUE)],
            "expression_denied b 0",
        ),
        (vec![of("a", Deny, FALSE), of("b", Require, TRUE)], "ok"),
        (
            vec![of("a", Allow, FAILS), of("b", Allow, TRUE)],
            "expression_failed a 0",
        ),
        (vec![of("a", Allow, TRUE), of("b", Allow, FAILS)], "ok"),
        (vec![], "ok"),
    ] {
        assert_eq!(answer(rules.clone()), wanted, "{rules:?}");
    }
}

#[test]
fn all_sets_must_pass() {
    let set = |name: &str, source| {
        RuleSet::new(vec![Arc::new(rule(
            name,
            RuleAction::Allow,
            Join::Any,
            &[source],
        ))])
    };
    let both = |first, second| Rbac {
        sets: [set("a", first), set("b", second)].into(),
    };
    let told = |rbac: Rbac| ask(&rbac, "192.0.2.1").0;
    assert_eq!(told(both(TRUE, TRUE)), "ok");
    assert_eq!(told(both(TRUE, FALSE)), "expression_not_allowed b ");
    assert_eq!(told(both(FALSE, TRUE)), "expression_not_allowed a ");
}

#[test]
fn addresses_come_first_and_the_blocked_ones_win() {
    let with = |action, sources: &[&str], allowed: &[&str], blocked: &[&str]| {
        let mut rule = rule("a", action, Join::Any, sources);
        rule.allowed = list("allowed", allowed).filter(|it| !it.networks.is_empty());
        rule.blocked = list("blocked", blocked).filter(|it| !it.networks.is_empty());
        one_set(vec![rule])
    };
    use RuleAction::{Allow, Deny};
    let ten = &["10.0.0.0/8"][..];
    let inner = &["10.1.0.0/16", "2001:db8::/32"][..];
    for (rbac, client, wanted) in [
        (with(Allow, &[], ten, &[]), "10.2.0.1", "ok"),
        (
            with(Allow, &[], ten, &[]),
            "11.0.0.1",
            "address_refused a allowed",
        ),
        (with(Allow, &[], &[], inner), "10.2.0.1", "ok"),
        (
            with(Allow, &[], &[], inner),
            "10.1.0.1",
            "address_refused a blocked",
        ),
        (
            with(Allow, &[], &[], inner),
            "2001:db8::9",
            "address_refused a blocked",
        ),
        (
            with(Allow, &[], ten, inner),
            "10.1.0.1",
            "address_refused a blocked",
        ),
        (with(Allow, &[TRUE], ten, inner), "10.2.0.1", "ok"),
        (
            with(Allow, &[FALSE], ten, inner),
            "10.2.0.1",
            "expression_not_allowed a ",
        ),
        (
            with(Allow, &[FAILS], ten, inner),
            "11.0.0.1",
            "address_refused a allowed",
        ),
        (with(Deny, &[FALSE], ten, &[]), "10.2.0.1", "ok"),
        (
            with(Deny, &[TRUE], ten, &[]),
            "10.2.0.1",
            "expression_denied a 0",
        ),
        (
            with(Deny, &[FALSE], ten, &[]),
            "11.0.0.1",
            "address_refused a allowed",
        ),
    ] {
        assert_eq!(ask(&rbac, client).0, wanted, "{rbac:?} {client}");
    }
}

#[test]
fn the_trace_says_what_was_looked_at() {
    let mut first = rule("a", RuleAction::Allow, Join::Any, &[FALSE, TRUE, FAILS]);
    first.blocked = list("blocked", &["10.0.0.0/8"]);
    let denies = rule(
        "b",
        RuleAction::Deny,
        Join::Any,
        &["jwt.sub == 'bob' || request.method == 'PUT'"],
    );
    let (answer, events) = ask(&one_set(vec![first, denies]), "192.0.2.1");
    assert_eq!(answer, "ok");
    let seen = |event: &Event| match event {
        Event::AddressList { origin, listed, .. } => format!("{} {listed}", origin.part),
        Event::Expression {
            origin,
            action,
            result,
            ..
        } => {
            let result = match result {
                Expressed::True => "true".to_owned(),
                Expressed::False { part, seen } => format!("false by {part} {seen:?}"),
                Expressed::Failed(why) => format!("failed: {why}"),
            };
            format!("{action} {} {} {result}", origin.name, origin.part)
        }
        other => format!("{other:?}"),
    };
    let told: Vec<String> = events.iter().map(seen).collect();
    assert_eq!(
        told,
        [
            "blocked false",
            "Deny b 0 false by jwt.sub == 'bob' || request.method == 'PUT' \
             [(\"jwt.sub\", \"\\\"alice\\\"\"), (\"request.method\", \"\\\"GET\\\"\")]",
            "Allow a 0 false by jwt.sub == 'bob' [(\"jwt.sub\", \"\\\"alice\\\"\")]",
            "Allow a 1 true",
        ]
    );
}

/// Many expressions, each of which could be paid for, cannot be paid for together.
#[test]
fn all_expressions_of_a_request_have_one_budget() {
    let zeros = |count: usize| vec!["0"; count].join(",");
    let heavy = format!("[{0}].exists(a, [{0}].exists(b, a + b > 0))", zeros(60));
    let ask = |count: usize| {
        let sources = vec![&*heavy; count];
        let any = rule("a", RuleAction::Allow, Join::Any, &sources);
        let each = sources
            .iter()
            .map(|it| rule("a", RuleAction::Deny, Join::All, &[it]));
        let sets = [any.clone(), any].map(|it| RuleSet::new(vec![it.into()]));
        let sets = Rbac { sets: sets.into() };
        (answer(each.collect()), ask(&sets, "192.0.2.1").0)
    };
    let (each, _) = ask(2);
    assert_eq!(each, "ok");
    let (each, any) = ask(20);
    assert_eq!(each, "expression_failed a 0");
    assert!(any.starts_with("expression_failed a "), "{any}");
}

/// A header of several lines is put together each time it is read.
#[test]
fn what_is_copied_is_paid_for() {
    let mut headers = HeaderMap::new();
    for _ in 0..2 {
        headers.append("x-big", "a".repeat(30_000).parse().unwrap());
    }
    let zeros = vec!["0"; 60].join(",");
    let edits = Default::default();
    let req = request(&headers, "10.0.0.1");
    for read in [
        "request.headers['x-big'] != ''",
        "'x-big' in request.headers",
        "has(request.referer)",
    ] {
        let source = format!("[{zeros}].all(a, [{zeros}].all(b, {read} || false))");
        let set = one_set(vec![rule("a", RuleAction::Allow, Join::Any, &[&source])]);
        let known = Known::new(&req, false, &edits, None, UnixTime(1));
        let refusal = set.enforce(&known, &mut NoRecord).unwrap_err();
        let paid = refusal.detail.contains("more steps");
        assert_eq!(paid, read.contains("x-big"), "{read}: {}", refusal.detail);
    }
}

/// However an expression writes it, a credential is in no trace.
#[test]
fn no_trace_shows_a_credential() {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-access-key", "x-session", "x-tokens"] {
        headers.append(name, "hidden".parse().unwrap());
    }
    headers.append(
        "x-plain",
        "Bearer eyJhidden00000000000000000".parse().unwrap(),
    );
    let edits = Default::default();
    let req = request(&headers, "10.0.0.1");
    for read in [
        "request.headers.authorization",
        "(request).headers.authorization",
        "((request.headers)).authorization",
        "(request)['headers']['authorization']",
        r#"request["\x68eaders"].authorization"#,
        r#"request.headers["\x61uthorization"]"#,
        r#"request.headers['Auth' + 'orization']"#,
        "request.headers['x-access-key']",
        "request.headers['X-Session']",
        "request.headers['x-tokens']",
        "request.headers['x-plain']",
        "[request][0].headers.authorization",
        "[request.headers][0].authorization",
        "string(request.headers.authorization)",
    ] {
        let set = one_set(vec![rule(
            "a",
            RuleAction::Allow,
            Join::Any,
            &[&format!("{read} == 'x'")],
        )]);
        let known = Known::new(&req, false, &edits, None, UnixTime(1));
        let mut trace = Trace::default();
        assert!(set.enforce(&known, &mut trace).is_err());
        let told = format!("{:?}", trace.events);
        assert!(!told.contains("hidden"), "{read}: {told}");
    }
}

#[test]
fn a_refusal_says_why_in_the_log() {
    let detail = |rules: Vec<ExpressionRule>| {
        let set = one_set(rules);
        let (headers, edits) = Default::default();
        let req = request(&headers, "10.0.0.1");
        let known = Known::new(&req, false, &edits, None, UnixTime(1));
        let refusal = set.enforce(&known, &mut NoRecord).unwrap_err();
        (refusal.reason, refusal.detail.to_string())
    };
    let get = "request.method == 'PUT'";
    let allow = |sources: &[&str]| rule("a", RuleAction::Allow, Join::Any, sources);
    let mut blocked = allow(&[]);
    blocked.blocked = list("blocked", &["10.0.0.0/8"]);
    for (rules, reason, words) in [
        (
            vec![allow(&[TRUE])],
            Reason::ExpressionFailed,
            "`jwt.sub` is absent (at offset 0)",
        ),
        (
            vec![allow(&[get])],
            Reason::ExpressionNotAllowed,
            "the expression is not true",
        ),
        (
            vec![allow(&[get, get])],
            Reason::ExpressionNotAllowed,
            "none of 2 expressions lets it in",
        ),
        (
            vec![allow(&[get]), allow(&[get])],
            Reason::ExpressionNotAllowed,
            "none of 2 expressions of 2 policies lets it in",
        ),
        (vec![blocked], Reason::AddressRefused, "10.0.0.1 is blocked"),
    ] {
        let told = detail(rules);
        assert_eq!(
            (told.0, told.1.contains(words)),
            (reason, true),
            "{}",
            told.1
        );
    }
}

/// What the words of this module's documentation say, without order or haste.
fn by_the_book(rules: &[(RuleAction, Join, Vec<u8>)]) -> Option<bool> {
    let held = |join: Join, values: &[u8]| match join {
        Join::Any => values.contains(&1),
        Join::All => !values.contains(&0),
    };
    // Where something fails it depends on what is looked at.
    if rules.iter().any(|(_, _, values)| values.contains(&2)) {
        return None;
    }
    let of = |action| {
        let all = rules
            .iter()
            .filter(move |it| it.0 == action && !it.2.is_empty());
        all.map(|(_, join, values)| held(*join, values))
    };
    let allowed = of(RuleAction::Allow).count() == 0 || of(RuleAction::Allow).any(|it| it);
    Some(!of(RuleAction::Deny).any(|it| it) && of(RuleAction::Require).all(|it| it) && allowed)
}

fn arbitrary_rules() -> impl Strategy<Value = Vec<(RuleAction, Join, Vec<u8>)>> {
    let actions = [RuleAction::Allow, RuleAction::Deny, RuleAction::Require];
    let action = prop::sample::select(actions.to_vec());
    let join = prop::sample::select(vec![Join::Any, Join::All]);
    prop::collection::vec((action, join, prop::collection::vec(0u8..3, 0..4)), 0..6)
}

proptest! {
    #[test]
    fn sets_decide_as_written(rules in arbitrary_rules()) {
        let compiled = rules.iter().map(|(action, join, values)| {
            let source = |it: &u8| [FALSE, TRUE, FAILS][usize::from(*it)];
            let sources: Vec<&str> = values.iter().map(source).collect();
            rule("a", *action, *join, &sources)
        });
        // `ask` compares with and without a recorder.
        let (told, _) = ask(&one_set(compiled.collect()), "192.0.2.1");
        if let Some(passes) = by_the_book(&rules) {
            prop_assert_eq!(told == "ok", passes, "{}", told);
        }
    }
}
