//! What policies of each action make of a request, alone and together.

use super::sample::{Sample, clause, policy, rule, texts};
use crate::authz::Action::{Allow, Audit, Custom, Deny};
use crate::authz::{Policy, PolicySet, Remarked, Rule, Test};
use crate::connection::Connection;
use crate::decide_connection;
use crate::reason::Reason;
use crate::trace::{NoRecord, Trace};

fn path(value: &str) -> Rule {
    rule(
        value,
        vec![vec![clause(
            false,
            Test::Paths(texts(&[value]), Vec::new()),
        )]],
    )
}

fn trial(mut policy: Policy) -> Policy {
    policy.dry_run = true;
    policy
}

/// Reason, object and place of a refusal, and its detail.
fn refusal(policies: Vec<Policy>) -> Option<(Reason, String, String)> {
    let set = PolicySet::new(policies);
    let (outcome, _) = Sample::default().decide(&set, &mut NoRecord);
    outcome.err().map(|it| {
        let origin = format!("{} {}", it.origin.name, it.origin.part);
        (it.reason, origin, it.detail.into())
    })
}

fn reason(policies: Vec<Policy>) -> Option<Reason> {
    refusal(policies).map(|it| it.0)
}

#[test]
fn one_allow_policy_refuses_all_else() {
    assert_eq!(reason(vec![]), None);
    assert_eq!(reason(vec![policy("p", Deny, vec![path("/x")])]), None);
    assert_eq!(reason(vec![policy("p", Allow, vec![path("/a/b")])]), None);
    let (reason, origin, detail) = refusal(vec![
        policy("first", Allow, vec![path("/x"), path("/y")]),
        policy("second", Allow, vec![]),
        trial(policy("third", Allow, vec![path("/a/b")])),
    ])
    .unwrap();
    assert_eq!((reason, &*origin), (Reason::PolicyNotAllowed, "first "));
    assert_eq!(
        detail,
        "none of 2 rules in 2 ALLOW policies matches: foo/first, foo/second"
    );
    let many = (0..8)
        .map(|it| policy(&format!("p{it}"), Allow, vec![]))
        .collect();
    let detail = refusal(many).unwrap().2;
    assert_eq!(
        detail,
        "none of 0 rules in 8 ALLOW policies matches: foo/p0, foo/p1, foo/p2, foo/p3, foo/p4 and 3 more"
    );
}

#[test]
fn rules_without_conditions_match_everything() {
    assert_eq!(
        reason(vec![policy("p", Allow, vec![rule("all", vec![])])]),
        None
    );
    assert_eq!(
        reason(vec![policy("p", Deny, vec![rule("all", vec![])])]),
        Some(Reason::PolicyDenied)
    );
    assert_eq!(reason(vec![policy("p", Deny, vec![])]), None);
    assert_eq!(
        reason(vec![policy("p", Allow, vec![])]),
        Some(Reason::PolicyNotAllowed)
    );
}

#[test]
fn the_first_rule_in_order_is_named() {
    let (mut policies, all) = (Vec::new(), || rule("all", vec![]));
    for number in 0..30 {
        policies.push(policy(
            &format!("p{number}"),
            Deny,
            vec![path(&format!("/{number}"))],
        ));
    }
    policies.push(policy(
        "q",
        Deny,
        vec![path("/x"), path("/a/*"), path("/a/b")],
    ));
    policies.push(policy("r", Deny, vec![all()]));
    let (reason, origin, detail) = refusal(policies.clone()).unwrap();
    assert_eq!(
        (reason, &*origin, &*detail),
        (Reason::PolicyDenied, "rule /a/*", "")
    );
    policies.insert(3, policy("s", Deny, vec![all()]));
    assert_eq!(refusal(policies).unwrap().1, "rule all");
}

#[test]
fn custom_comes_first_and_deny_before_allow() {
    let all = |name: &str| vec![rule(name, vec![])];
    let (custom, deny) = (policy("c", Custom, all("c")), policy("d", Deny, all("d")));
    let allow = policy("a", Allow, all("a"));
    assert_eq!(
        reason(vec![allow.clone(), deny.clone(), custom.clone()]),
        Some(Reason::PolicyCustom)
    );
    assert_eq!(
        reason(vec![allow.clone(), deny]),
        Some(Reason::PolicyDenied)
    );
    // Really dry, unlike in Istio (decision P8).
    assert_eq!(reason(vec![allow, trial(custom)]), None);
}

#[test]
fn entries_are_alternatives_and_fields_are_not() {
    let get = |value: &str| clause(false, Test::Methods(texts(&[value])));
    let at = |value: &str| clause(false, Test::Paths(texts(&[value]), Vec::new()));
    for (to, matches) in [
        (vec![vec![get("GET"), at("/a/b")]], true),
        (vec![vec![get("POST"), at("/a/b")]], false),
        (vec![vec![get("POST")], vec![at("/a/b")]], true),
        (vec![vec![get("POST")], vec![at("/x")]], false),
        (vec![vec![get("POST")], vec![]], true),
    ] {
        let denied = reason(vec![policy("p", Deny, vec![rule("r", to)])]).is_some();
        assert_eq!(denied, matches);
    }
    let mut both = rule("r", vec![vec![get("GET")]]);
    both.from = vec![vec![at("/x")]];
    assert_eq!(reason(vec![policy("p", Deny, vec![both.clone()])]), None);
    both.from = vec![vec![at("/a/b")]];
    both.when = vec![at("/a/b"), get("POST")];
    assert_eq!(reason(vec![policy("p", Deny, vec![both.clone()])]), None);
    both.when.pop();
    assert_eq!(
        reason(vec![policy("p", Deny, vec![both])]),
        Some(Reason::PolicyDenied)
    );
}

#[test]
fn policies_under_trial_and_audits_leave_remarks() {
    let set = PolicySet::new(vec![
        trial(policy("c", Custom, vec![path("/a/*")])),
        policy("au", Audit, vec![path("/x"), path("/a/b"), path("/a/*")]),
        policy("au2", Audit, vec![path("/x")]),
        trial(policy("au3", Audit, vec![path("/a/b")])),
        trial(policy("d", Deny, vec![path("/a/b")])),
        trial(policy("d2", Deny, vec![path("/x")])),
        trial(policy("al", Allow, vec![path("/y")])),
        trial(policy("al2", Allow, vec![])),
    ]);
    let quick = Sample::default().decide(&set, &mut NoRecord);
    assert_eq!(quick, Sample::default().decide(&set, &mut Trace::default()));
    let told = quick
        .1
        .iter()
        .map(|it| (it.action, it.outcome, &*it.origin.part));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (Custom, Remarked::WouldDeny, "/a/*"),
            (Audit, Remarked::WouldAudit, "/a/b"),
            (Audit, Remarked::Audited, "/a/b"),
            (Deny, Remarked::WouldDeny, "/a/b"),
            (Allow, Remarked::WouldDeny, ""),
        ]
    );
    assert_eq!(quick.0, Ok(()), "no ALLOW policy is enforced");
    assert_eq!(&*quick.1[4].origin.name, "al");
    let set = PolicySet::new(vec![trial(policy("al", Allow, vec![path("/a/b")]))]);
    let (_, remarks) = Sample::default().decide(&set, &mut NoRecord);
    assert_eq!(remarks[0].outcome, Remarked::WouldAllow);
}

#[test]
fn connections_lose_what_only_requests_have() {
    let port = |port| clause(false, Test::Ports(vec![port]));
    let at = |negated| clause(negated, Test::Paths(texts(&["/x"]), Vec::new()));
    let connection = Connection {
        peer: super::sample::address("10.0.0.1:1"),
        local: super::sample::address("10.9.9.9:443"),
        sni: None,
        tls: None,
        identity: None,
    };
    for (action, to, refused) in [
        (Deny, vec![vec![port(443)]], true),
        (Deny, vec![vec![port(80)]], false),
        (Deny, vec![vec![port(443), at(false)]], true),
        (Deny, vec![vec![port(80), at(false)]], false),
        (Deny, vec![vec![at(false)]], true),
        (Deny, vec![vec![port(80)], vec![at(true)]], true),
        (Custom, vec![vec![at(false)]], true),
        (Allow, vec![vec![port(443)]], false),
        (Allow, vec![vec![port(443), at(true)]], true),
        (Allow, vec![vec![port(443)], vec![at(true)]], true),
        (Allow, vec![], false),
        (Audit, vec![vec![at(false)]], false),
    ] {
        let policies = [policy("p", action, vec![rule("r", to.clone())])];
        let set = PolicySet::for_connections(&policies);
        let decision = decide_connection(Some(&set), &connection, &mut NoRecord);
        assert_eq!(decision.denial.is_some(), refused, "{action} {to:?}");
        let audited = decision
            .remarks
            .iter()
            .any(|it| it.outcome == Remarked::Audited);
        assert_eq!(audited, action == Audit);
        let has_path = to
            .iter()
            .flatten()
            .any(|it| matches!(it.test, Test::Paths(..)));
        assert_eq!(policies[0].request_fields().next().is_some(), has_path);
    }
    assert!(
        decide_connection(None, &connection, &mut NoRecord)
            .denial
            .is_none()
    );
}
