//! Who can have a token from the demo's issuer.

use serde_json::{Value, json};

/// Somebody with an account.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    team: &'static str,
    groups: &'static [&'static str],
}

/// Everybody.
pub(crate) const PEOPLE: [Person; 2] = [
    Person {
        name: "alice",
        team: "dev",
        groups: &["dev", "on-call"],
    },
    Person {
        name: "bob",
        team: "sales",
        groups: &["sales"],
    },
];

impl Person {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PEOPLE.iter().find(|person| person.name == name)
    }

    /// What a token from `issuer` says of them.
    pub(crate) fn claims(&self, issuer: &str, now: u64, lifetime: u64) -> Value {
        json!({
            "iss": issuer,
            "sub": self.name,
            "aud": "demo",
            "iat": now,
            "exp": now.saturating_add(lifetime),
            "team": self.team,
            "groups": self.groups,
        })
    }
}
