//! Trust domains of the mesh, and how policies that name one mean all of its aliases.

use std::sync::Arc;

/// The mesh's own trust domain, then its aliases (MeshConfig `trustDomain`, `trustDomainAliases`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomains(Vec<Arc<str>>);

/// What every mesh calls its own, whatever its name.
const LOCAL: &str = "cluster.local";

impl Default for TrustDomains {
    fn default() -> Self {
        TrustDomains(vec![LOCAL.into()])
    }
}

impl TrustDomains {
    /// Of a mesh that says so; without a name of its own it is `cluster.local`.
    pub(super) fn new(own: Option<Arc<str>>, aliases: Vec<Arc<str>>) -> TrustDomains {
        let own = own.unwrap_or_else(|| LOCAL.into());
        let mut all = vec![own];
        for alias in aliases {
            if !all.contains(&alias) {
                all.push(alias);
            }
        }
        TrustDomains(all)
    }

    /// What a value of `principals` stands for: where it names one of these trust domains in front of
    /// `/ns/<namespace>/sa/<account>`, the same under each of them.
    pub(super) fn principals(&self, value: &str) -> Vec<String> {
        let Some((domain, rest)) = value.split_once('/') else {
            return vec![value.to_owned()];
        };
        // Istio looks no closer: five segments make an identity, and a lone `*` means any trust domain.
        let ours = domain == LOCAL || self.0.iter().any(|it| fits(domain, it));
        if rest.split('/').count() != 4 || domain == "*" || !ours {
            return vec![value.to_owned()];
        }
        let mut all = Vec::new();
        for alias in &self.0 {
            let suffix = domain.strip_prefix('*');
            let one = match suffix.filter(|it| alias.ends_with(*it)) {
                Some(_) => value.to_owned(),
                None => format!("{alias}/{rest}"),
            };
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }

    /// What a value of `trustDomains` stands for.
    pub(super) fn aliases(&self, value: &str) -> Vec<String> {
        if self.0.iter().any(|it| **it == *value) {
            self.0.iter().map(ToString::to_string).collect()
        } else {
            vec![value.to_owned()]
        }
    }
}

/// Whether a trust domain, with a `*` at one end perhaps, means this one.
fn fits(pattern: &str, domain: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix('*') {
        domain.ends_with(suffix)
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        domain.starts_with(prefix)
    } else {
        pattern == domain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(own: &str, aliases: &[&str]) -> TrustDomains {
        let aliases = aliases.iter().map(|it| (*it).into()).collect();
        TrustDomains::new(Some(own.into()), aliases)
    }

    #[test]
    fn principals_under_every_alias() {
        let mesh = domains("td1", &["td2", "old-td"]);
        for (value, all) in [
            (
                "td1/ns/a/sa/b",
                &["td1/ns/a/sa/b", "td2/ns/a/sa/b", "old-td/ns/a/sa/b"][..],
            ),
            (
                "cluster.local/ns/a/sa/b",
                &["td1/ns/a/sa/b", "td2/ns/a/sa/b", "old-td/ns/a/sa/b"],
            ),
            (
                "td*/ns/a/sa/*",
                &["td1/ns/a/sa/*", "td2/ns/a/sa/*", "old-td/ns/a/sa/*"],
            ),
            (
                "*-td/ns/a/sa/b",
                &["td1/ns/a/sa/b", "td2/ns/a/sa/b", "*-td/ns/a/sa/b"],
            ),
            ("*/ns/a/sa/b", &["*/ns/a/sa/b"]),
            ("foreign/ns/a/sa/b", &["foreign/ns/a/sa/b"]),
            ("td1/ns/a/*", &["td1/ns/a/*"]),
            ("*/sa/b", &["*/sa/b"]),
            ("*", &["*"]),
        ] {
            assert_eq!(mesh.principals(value), all, "{value}");
        }
        let alone = TrustDomains::default();
        assert_eq!(
            alone.principals("cluster.local/ns/a/sa/b"),
            ["cluster.local/ns/a/sa/b"]
        );
    }

    #[test]
    fn trust_domains_under_every_alias() {
        let mesh = domains("td1", &["td2", "td1"]);
        assert_eq!(mesh.aliases("td2"), ["td1", "td2"]);
        assert_eq!(mesh.aliases("td*"), ["td*"]);
        assert_eq!(mesh.aliases("cluster.local"), ["cluster.local"]);
    }
}
