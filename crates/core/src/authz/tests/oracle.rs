//! The rules read a second time, plainly: no index, no sets, each value by itself.

use std::net::IpAddr;

use serde_json::Value;

use super::sample::{Sample, address};
use crate::authz::{Action, Clause, HeaderField, Policy, Remark, Remarked, Rule, Test, Text};
use crate::reason::Reason;

/// Reason and origin of a refusal, and all remarks, in order.
pub(super) fn decide(
    policies: &[Policy],
    sample: &Sample,
) -> (Option<(Reason, String)>, Vec<Remark>) {
    let mut remarks = Vec::new();
    for action in [Action::Custom, Action::Audit, Action::Deny, Action::Allow] {
        let of = |dry_run| {
            let these = move |it: &&Policy| it.action == action && it.dry_run == dry_run;
            policies.iter().filter(these)
        };
        let matching = |it: &Policy| {
            it.rules
                .iter()
                .find(|rule| rule_holds(rule, action, sample))
                .cloned()
        };
        let mut say = |rule: Rule, outcome| {
            let origin = rule.origin.clone();
            remarks.push(Remark {
                action,
                outcome,
                origin,
            });
        };
        for rule in of(true).filter_map(matching) {
            say(
                rule,
                match action {
                    Action::Custom | Action::Deny => Remarked::WouldDeny,
                    Action::Audit => Remarked::WouldAudit,
                    Action::Allow => Remarked::WouldAllow,
                },
            );
        }
        if action == Action::Audit {
            of(false)
                .filter_map(matching)
                .for_each(|rule| say(rule, Remarked::Audited));
        }
        if action == Action::Allow
            && let Some(first) = of(true).next()
            && of(true).all(|it| matching(it).is_none())
        {
            let origin = first.origin.clone();
            remarks.push(Remark {
                action,
                outcome: Remarked::WouldDeny,
                origin,
            });
        }
        let first = of(false).find_map(matching).map(|it| it.origin);
        let refusal = match (action, first) {
            (Action::Custom, Some(it)) => Some((Reason::PolicyCustom, it)),
            (Action::Deny, Some(it)) => Some((Reason::PolicyDenied, it)),
            (Action::Allow, None) => of(false)
                .next()
                .map(|it| (Reason::PolicyNotAllowed, it.origin.clone())),
            _ => None,
        };
        if let Some((reason, origin)) = refusal {
            return (Some((reason, origin.to_string())), remarks);
        }
    }
    (None, remarks)
}

fn rule_holds(rule: &Rule, action: Action, sample: &Sample) -> bool {
    let all = |clauses: &Vec<Clause>| clauses.iter().all(|it| holds(it, action, sample));
    (rule.from.is_empty() || rule.from.iter().any(all))
        && (rule.to.is_empty() || rule.to.iter().any(all))
        && all(&rule.when)
}

fn holds(clause: &Clause, action: Action, sample: &Sample) -> bool {
    let loose = action == Action::Deny && !clause.negated;
    test_holds(&clause.test, loose, sample) != clause.negated
}

fn test_holds(test: &Test, loose: bool, sample: &Sample) -> bool {
    let some = |texts: &[Text], value: &str| texts.iter().any(|it| it.matches(value));
    let present =
        |texts: &[Text], value: &str| texts.contains(&Text::Present) || some(texts, value);
    let within = |list: &[ipnet::IpNet], at: IpAddr| list.iter().any(|it| it.contains(&at));
    match test {
        Test::Principals(texts) => {
            let full = names(sample);
            full.iter()
                .any(|name| match name.strip_prefix("spiffe://") {
                    Some(name) => some(texts, name) || texts.contains(&Text::Present),
                    None => texts.contains(&Text::Present) && !name.is_empty(),
                })
        }
        Test::Namespaces(list) => list.iter().any(|pattern| {
            let quoted: Vec<String> = pattern.0.split('*').map(regex::escape).collect();
            let regex = regex::Regex::new(&format!("^.*/ns/{}/.*$", quoted.join(".*"))).unwrap();
            sample.uris.iter().any(|it| regex.is_match(it))
        }),
        Test::ServiceAccounts(list) => list.iter().any(|it| {
            let (namespace, name) = (regex::escape(&it.namespace), regex::escape(&it.name));
            let regex = format!("^spiffe://.+/ns/{namespace}/(.+/|)sa/{name}(/.+)?$");
            let regex = regex::Regex::new(&regex).unwrap();
            names(sample).iter().any(|it| regex.is_match(it))
        }),
        Test::TrustDomains(texts) => names(sample).iter().any(|name| {
            let Some(rest) = name.strip_prefix("spiffe://") else {
                return false;
            };
            texts.contains(&Text::Present)
                || rest
                    .split_once('/')
                    .is_some_and(|(domain, _)| some(texts, domain))
        }),
        Test::RequestPrincipals(list) => {
            let claim = |name: &str| {
                let text = sample.claims.as_ref()?.get(name)?.as_str()?;
                (!sample.split.iter().any(|it| it == name)).then_some(text)
            };
            let (issuer, subject) = (claim("iss"), claim("sub"));
            list.iter().any(|it| {
                issuer.is_some_and(|text| it.issuer.matches(text))
                    && subject.is_some_and(|text| it.subject.matches(text))
            })
        }
        Test::PeerAddresses(list) => within(list, address(sample.peer).ip()),
        Test::ClientAddresses(list) => within(list, sample.client.parse().unwrap()),
        Test::LocalAddresses(list) => within(list, address(sample.local).ip()),
        Test::Ports(list) => list.contains(&address(sample.local).port()),
        Test::Sni(texts) => sample.sni.as_ref().is_some_and(|it| some(texts, it)),
        Test::Hosts(texts) => {
            let sent = sample.authority.to_ascii_lowercase();
            let bare = sent.split(':').next().unwrap();
            let without_port: Vec<Text> = texts
                .iter()
                .filter(|it| !it.to_string().contains(':'))
                .cloned()
                .collect();
            present(texts, &sent)
                || (loose
                    && (some(&without_port, bare)
                        || some(&without_port, bare.trim_end_matches('.'))))
        }
        Test::Methods(texts) => present(texts, &sample.method),
        Test::Paths(texts, templates) => {
            some(texts, &sample.path) || templates.iter().any(|it| it.matches(&sample.path))
        }
        Test::Header(field, texts) => lines(field, sample).iter().any(|it| present(texts, it)),
        Test::Claim(path, texts) => claim_texts(path, sample).iter().any(|it| some(texts, it)),
        Test::Absent => false,
    }
}

fn names(sample: &Sample) -> Vec<String> {
    match (&sample.uris[..], &sample.dns[..], sample.subject) {
        ([], [], "") => Vec::new(),
        ([], [], subject) => vec![subject.to_owned()],
        ([], dns, _) => dns.to_vec(),
        (uris, ..) => uris.to_vec(),
    }
}

fn lines(field: &HeaderField, sample: &Sample) -> Vec<String> {
    match field {
        HeaderField::Method => vec![sample.method.clone()],
        HeaderField::Authority => vec![sample.authority.clone()],
        HeaderField::Scheme => vec![
            if sample.sni.is_some() {
                "https"
            } else {
                "http"
            }
            .to_owned(),
        ],
        HeaderField::Path => {
            let query = sample.query.as_ref().map(|it| format!("?{it}"));
            vec![format!("{}{}", sample.path, query.unwrap_or_default())]
        }
        HeaderField::Named(name) if name == "x-forwarded-for" => {
            vec![address(sample.peer).ip().to_string()]
        }
        HeaderField::Named(name) => {
            let sent = sample.headers.iter().filter(|(it, _)| *it == name.as_str());
            let told = sample.edits.identity.iter().filter(|(it, _)| it == name);
            let sent: Vec<String> = match sample.edits.remove_headers.contains(name) {
                true => Vec::new(),
                false => sent.map(|(_, value)| value.clone()).collect(),
            };
            let told = told.map(|(_, value)| value.to_str().unwrap().to_owned());
            sent.into_iter().chain(told).collect()
        }
    }
}

fn claim_texts(path: &[Box<str>], sample: &Sample) -> Vec<String> {
    let mut at = sample.claims.as_ref();
    for step in path {
        at = at
            .and_then(|it| it.as_object())
            .and_then(|it| it.get(&**step));
    }
    let is_split = matches!(path, [name] if ["scope", "permission"].contains(&&**name)
        || sample.split.iter().any(|it| **it == **name));
    match at {
        Some(Value::String(text)) if is_split => text
            .split(' ')
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|it| it.as_str())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
