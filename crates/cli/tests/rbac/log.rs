//! What the log and the metrics say about refusals by expressions.

use countersign_testkit::client::Request;
use serde_json::json;

use crate::scene::{DENIED, Shop, object, whole_gateway};

#[test]
fn a_refusal_names_the_expression() {
    let policy = json!({
        "targetRefs": [whole_gateway()],
        "rbac": {"action": "Deny", "policy": {
            "matchExpressions": ["request.method == 'PUT'", "jwt.sub == 'bob'"],
            "blockedCIDRs": ["192.0.2.0/24"],
        }},
    });
    let shop = Shop::open(&[object(
        "gateway.kgateway.dev/v1alpha1",
        "TrafficPolicy",
        "p",
        policy,
    )]);
    shop.all(&[
        (Request::new("PUT", "/"), DENIED),
        (Request::get("/"), DENIED),
        (
            Request::get("/").header("x-forwarded-for", "192.0.2.9"),
            DENIED,
        ),
    ]);
    for reason in ["expression_denied", "expression_failed", "address_refused"] {
        let metrics = shop.gateway.admin("/metrics").text();
        let counted = metrics.lines().any(|line| {
            line.starts_with("countersign_requests_total{")
                && line.contains(&format!("reason=\"{reason}\""))
                && line.ends_with(" 1")
        });
        assert!(counted, "{reason}\n{metrics}");
    }
    let config = shop.gateway.admin("/config").json();
    let rule = &config["expressions"][0]["sets"][0][0];
    assert_eq!(
        (&rule["action"], &rule["expressions"]),
        (&json!("Deny"), &json!(2))
    );
    assert_eq!(config["listeners"][0]["routes"][0]["expressions"], 0);
    assert!(
        !config.to_string().contains("bob"),
        "expressions are not shown"
    );
    shop.gateway.signal("TERM");
    let printed = shop.gateway.wait();
    let log = printed.stdout + &printed.stderr;
    for (reason, rule, detail) in [
        ("expression_denied", "rbac.policy.matchExpressions[0]", ""),
        (
            "expression_failed",
            "rbac.policy.matchExpressions[1]",
            "`jwt.sub` is absent (at offset 0)",
        ),
        (
            "address_refused",
            "rbac.policy.blockedCIDRs",
            "192.0.2.9 is blocked",
        ),
    ] {
        let line = log
            .lines()
            .find(|line| line.contains(&format!("reason={reason}")));
        let line = line.unwrap_or_else(|| panic!("no line with {reason} in\n{log}"));
        assert!(
            line.contains(&format!("TrafficPolicy default/p {rule} (")),
            "{line}"
        );
        assert!(line.contains(detail), "{line}");
    }
}
