//! Sets of AuthorizationPolicies of several shapes, each of which lets its requests in.

use countersign_core::authz::{
    Action, Clause, PathTemplate, Policy, RequestPrincipal, Rule, Test, Text,
};

use super::gateway::origin;
use super::requests::ISSUER;

/// Policies with ten rules each. The shape says by what a rule is found:
///
/// - `host`: DENY, ten paths of a host of its own, where a claim is not the one wanted;
/// - `path`: ALLOW, ten prefixes of its own for one caller, all on one host;
/// - `claim`: ALLOW, one host and one method, and ten values of one claim, which alone differ;
/// - `template`: ALLOW, ten templates that begin with `{*}`, for a tenant of its own;
/// - `address`: DENY, ten networks of its own;
/// - `negated`: DENY, nothing by which a rule could be found.
pub(crate) fn policies(shape: &str, number: usize) -> Result<Vec<Policy>, String> {
    (0..number).map(|it| policy(shape, it)).collect()
}

const RULES: usize = 10;

fn policy(shape: &str, number: usize) -> Result<Policy, String> {
    let rules: Result<Vec<Rule>, String> = (0..RULES).map(|it| rule(shape, number, it)).collect();
    let action = match shape {
        "path" | "claim" | "template" => Action::Allow,
        _ => Action::Deny,
    };
    Ok(Policy {
        origin: origin("AuthorizationPolicy", &format!("policy-{number}")),
        action,
        dry_run: false,
        rules: rules?,
    })
}

fn rule(shape: &str, policy: usize, rule: usize) -> Result<Rule, String> {
    let exact = |text: String| vec![Text::Exact(text.into())];
    let tenant = |text: String| Test::Claim(Box::new(["tenant".into()]), exact(text));
    let host = |policy| Test::Hosts(exact(format!("host-{policy}.example.com")));
    let (from, to, when) = match shape {
        // Each policy guards a host of its own against other tenants.
        "host" => {
            let path = Text::Prefix(format!("/{rule}/").into());
            let to = vec![is(host(policy)), is(Test::Paths(vec![path], Vec::new()))];
            (vec![], to, vec![not(tenant(format!("tenant-{policy}")))])
        }
        // Each policy opens a path of its own to one caller.
        "path" => {
            let path = Text::Prefix(format!("/service-{policy}/{rule}/").into());
            let caller = RequestPrincipal {
                issuer: Text::Exact(ISSUER.into()),
                subject: Text::Exact(format!("caller-{policy}").into()),
            };
            let to = vec![is(host(0)), is(Test::Paths(vec![path], Vec::new()))];
            (vec![is(Test::RequestPrincipals(vec![caller]))], to, vec![])
        }
        // Rules differ in one claim alone.
        "claim" => {
            let to = vec![is(host(0)), is(Test::Methods(exact("GET".to_owned())))];
            (
                vec![],
                to,
                vec![is(tenant(format!("tenant-{policy}-{rule}")))],
            )
        }
        "template" => {
            let path = format!("/{{*}}/{policy}-{rule}/{{**}}");
            let path = PathTemplate::parse(&path).map_err(|it| it.to_string())?;
            let to = vec![is(host(0)), is(Test::Paths(Vec::new(), vec![path]))];
            (vec![], to, vec![is(tenant(format!("tenant-{policy}")))])
        }
        // Each policy blocks a network of its own.
        "address" => {
            let [a, b] = u16::try_from(policy)
                .map_err(|it| it.to_string())?
                .to_be_bytes();
            let text = format!("172.{a}.{b}.{rule}/32");
            let network = text
                .parse()
                .map_err(|_| format!("`{text}` is no network"))?;
            (
                vec![is(Test::ClientAddresses(vec![network]))],
                vec![],
                vec![],
            )
        }
        // Nothing by which rules could be told apart: each is looked at.
        "negated" => {
            let others = not(tenant(format!("tenant-{policy}-{rule}")));
            let path = not(Test::Paths(vec![Text::Prefix("/".into())], Vec::new()));
            (vec![], vec![path], vec![others])
        }
        _ => return Err(format!("`{shape}` is no shape")),
    };
    let some = |clauses: Vec<Clause>| {
        if clauses.is_empty() {
            vec![]
        } else {
            vec![clauses]
        }
    };
    Ok(Rule {
        origin: origin(
            "AuthorizationPolicy",
            &format!("policy-{policy} rules[{rule}]"),
        ),
        from: some(from),
        to: some(to),
        when,
    })
}

fn is(test: Test) -> Clause {
    Clause {
        field: "field".into(),
        expanded: false,
        negated: false,
        test,
    }
}

fn not(test: Test) -> Clause {
    Clause {
        negated: true,
        ..is(test)
    }
}
