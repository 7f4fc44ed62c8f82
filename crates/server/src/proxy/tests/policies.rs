//! What is logged and counted of AuthorizationPolicies.

use countersign_core::authz::{Action, Clause, Policy, Rule, Test, Text};
use countersign_testkit::client::Request;
use countersign_testkit::upstream::Upstream;

use super::scene::{Gateway, Scene, origin};

/// A policy about paths that begin so.
fn policy(name: &str, action: Action, prefix: &str) -> Policy {
    let clause = Clause {
        field: "to[0].operation.paths".into(),
        expanded: false,
        negated: false,
        test: Test::Paths(vec![Text::Prefix(prefix.into())], Vec::new()),
    };
    let object = origin("AuthorizationPolicy", name);
    Policy {
        action,
        dry_run: name.starts_with("trial"),
        rules: vec![Rule {
            origin: object.part("rules[0]", 9).into(),
            from: Vec::new(),
            to: vec![vec![clause]],
            when: Vec::new(),
        }],
        origin: object,
    }
}

fn ask(gateway: &Gateway, path: &str) -> (u16, serde_json::Value) {
    let response = Request::get(path)
        .header("host", "a.test")
        .send(gateway.address);
    if response.status == 403 {
        assert_eq!(response.text(), "RBAC: access denied");
        assert_eq!(response.headers.first("content-type"), Some("text/plain"));
        assert!(response.headers.first("www-authenticate").is_none());
    }
    (response.status, gateway.logged(path))
}

#[test]
fn refusals_trials_and_audits() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.policies = vec![
        policy("audit", Action::Audit, "/"),
        policy("trial-deny", Action::Deny, "/tried"),
        policy("deny", Action::Deny, "/denied"),
        policy("allow", Action::Allow, "/tried"),
    ];
    let gateway = scene.start();

    let (status, line) = ask(&gateway, "/denied");
    assert_eq!((status, &line["reason"]), (403, &"policy_denied".into()));
    let rule = line["rule"].as_str().unwrap();
    assert!(
        rule.starts_with("AuthorizationPolicy test/deny rules[0] ("),
        "{rule}"
    );
    assert!(line.get("dry_run").is_none(), "{line}");

    let (status, line) = ask(&gateway, "/else");
    assert_eq!(
        (status, &line["reason"]),
        (403, &"policy_not_allowed".into())
    );
    let detail = "none of 1 rule in 1 ALLOW policy matches: test/allow";
    assert_eq!(line["detail"], detail);

    let (status, line) = ask(&gateway, "/tried");
    assert_eq!(status, 200);
    let told = |field: &str| line[field].as_str().unwrap().to_owned();
    let (trial, audit) = (told("dry_run"), told("audit"));
    assert!(
        trial.starts_with("would_deny AuthorizationPolicy test/trial-deny rules[0] ("),
        "{trial}"
    );
    assert!(
        audit.starts_with("AuthorizationPolicy test/audit rules[0] ("),
        "{audit}"
    );

    let text = gateway.metrics.render();
    for series in [
        r#"countersign_policy_denials_total{kind="AuthorizationPolicy",policy="test/deny",rule="rules[0]",reason="policy_denied"} 1"#,
        r#"countersign_policy_denials_total{kind="AuthorizationPolicy",policy="test/allow",rule="",reason="policy_not_allowed"} 1"#,
        r#"countersign_dry_run_total{kind="AuthorizationPolicy",policy="test/trial-deny",rule="rules[0]",outcome="would_deny"} 1"#,
        r#"countersign_audit_total{kind="AuthorizationPolicy",policy="test/audit",rule="rules[0]"} 3"#,
    ] {
        assert!(
            text.lines().any(|line| line == series),
            "{series} in {text}"
        );
    }
    assert_eq!(upstream.connections(), 1);
}
