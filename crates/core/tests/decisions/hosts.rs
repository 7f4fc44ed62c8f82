//! Hosts in odd spellings, before policies.

use countersign_core::Reason;
use countersign_core::authz::{Action, Test};

use crate::policies::{allowed, ask, denied, guarded, policy, texts};
use crate::world::*;

fn open() -> World {
    World::new(vec![], None, None, &[Route("/", None, None)])
}

fn at(host: &str) -> http::request::Builder {
    http::Request::builder().uri("/").header("host", host)
}

#[test]
fn a_denied_host_in_other_spellings() {
    let deny = |host| policy("deny", Action::Deny, false, Test::Hosts(texts(&[host])));
    let refused = denied(Reason::PolicyDenied, "deny-rule");
    for (rule, host) in [
        ("secret.test", "secret.test.:80"),
        ("[::1]", "[0:0:0:0:0:0:0:1]"),
        ("[::1]", "[0::1]:8080"),
        ("[0:0::1]", "[::1]"),
        ("[2001:db8::a]", "[2001:db8:0:0::A]:1"),
    ] {
        let few = guarded(open(), vec![deny(rule)]);
        let names = ["a", "b", "c", "d", "e", "f"];
        let others = names.map(|it| policy(it, Action::Deny, false, Test::Hosts(texts(&[it]))));
        let many = guarded(open(), others.into_iter().chain([deny(rule)]).collect());
        for world in [few, many] {
            assert_eq!(ask(&world, at(host)), refused, "{rule} {host}");
            assert_eq!(ask(&world, at("[::2]")), allowed());
        }
    }
}

#[test]
fn hosts_with_empty_labels_are_no_hosts() {
    for host in ["secret.test..", "secret..test", "..", "a..:80"] {
        assert_eq!(open().ask(at(host)).status, 400, "{host}");
    }
    // One dot in front makes it another name, as in Envoy.
    assert_eq!(open().ask(at(".secret.test")).status, 200);
}
