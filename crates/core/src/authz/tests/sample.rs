//! A request written down, and policies that ask for one thing.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_jose::Claims;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::Identity;
use crate::authn::{Caller, Edits, TokenRule};
use crate::authz::{
    Action, Attributes, Clause, Policy, PolicySet, Refusal, Remarks, Rule, Test, Text,
};
use crate::connection::{Connection, TlsVersion};
use crate::id::{ListenerId, ProviderId};
use crate::origin::Origin;
use crate::request::Request;
use crate::trace::{NoRecord, Record, Trace};

#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) peer: &'static str,
    pub(super) client: &'static str,
    pub(super) local: &'static str,
    pub(super) sni: Option<String>,
    pub(super) uris: Vec<String>,
    pub(super) dns: Vec<String>,
    pub(super) subject: &'static str,
    pub(super) method: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) claims: Option<serde_json::Value>,
    pub(super) split: Vec<String>,
    pub(super) edits: Edits,
}

impl Default for Sample {
    fn default() -> Sample {
        Sample {
            peer: "10.0.0.1:5000",
            client: "192.0.2.7",
            local: "10.9.9.9:443",
            sni: None,
            uris: Vec::new(),
            dns: Vec::new(),
            subject: "",
            method: "GET".into(),
            authority: "api.test".into(),
            path: "/a/b".into(),
            query: None,
            headers: Vec::new(),
            claims: None,
            split: Vec::new(),
            edits: Edits::default(),
        }
    }
}

impl Sample {
    pub(super) fn with_claims(claims: serde_json::Value) -> Sample {
        let claims = Some(claims);
        Sample {
            claims,
            ..Sample::default()
        }
    }

    pub(super) fn with_header(name: &str, value: &str) -> Sample {
        let headers = vec![(name.into(), value.into())];
        Sample {
            headers,
            ..Sample::default()
        }
    }

    pub(super) fn with_uris(uris: &[&str]) -> Sample {
        let uris = uris.iter().map(|it| (*it).to_owned()).collect();
        Sample {
            uris,
            ..Sample::default()
        }
    }

    /// Whether there is a certificate.
    pub(super) fn is_known(&self) -> bool {
        !self.uris.is_empty() || !self.dns.is_empty() || !self.subject.is_empty()
    }

    /// Runs `f` with what policies see of it.
    pub(super) fn see<T>(&self, f: impl FnOnce(&Attributes<'_>) -> T) -> T {
        let boxed = |list: &[String]| list.iter().map(|it| Box::from(&**it)).collect();
        let identity = Identity {
            uris: boxed(&self.uris),
            dns: boxed(&self.dns),
            subject: self.subject.into(),
            digest: "".into(),
        };
        let connection = Connection {
            peer: address(self.peer),
            local: address(self.local),
            sni: self.sni.as_deref(),
            tls: self.sni.as_ref().map(|_| TlsVersion::Tls13),
            identity: self.is_known().then_some(&identity),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(&**name).unwrap();
            headers.append(name, HeaderValue::try_from(&**value).unwrap());
        }
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let request = Request {
            listener: ListenerId(0),
            scheme: if self.sni.is_some() { "https" } else { "http" },
            method: &method,
            authority: &self.authority,
            host: "",
            path: &self.path,
            query: self.query.as_deref(),
            headers: &headers,
            connection,
            version: Version::HTTP_11,
            upgrade: None,
            client: self.client.parse().unwrap(),
        };
        let rule = TokenRule {
            origin: origin("jwt", ""),
            provider: ProviderId(0),
            sources: Box::default(),
            forward: false,
            payload_header: None,
            claim_headers: Box::default(),
            space_delimited: boxed(&self.split),
            required: false,
        };
        let claims = self.claims.as_ref();
        let claims = claims.map(|it| Claims::parse(it.to_string().as_bytes()).unwrap());
        let caller = claims.as_ref().map(|claims| Caller {
            claims,
            rule: &rule,
        });
        f(&Attributes::of_request(
            &request,
            false,
            &self.edits,
            caller,
        ))
    }

    /// Holds it against a set, action by action.
    pub(super) fn decide<R: Record>(
        &self,
        set: &PolicySet,
        rec: &mut R,
    ) -> (Result<(), Refusal>, Remarks) {
        let mut remarks = Remarks::new();
        let actions = [Action::Custom, Action::Audit, Action::Deny, Action::Allow];
        let outcome = self.see(|attributes| {
            let mut each = actions.iter();
            each.try_for_each(|it| set.enforce(*it, attributes, &mut remarks, rec))
        });
        (outcome, remarks)
    }

    /// Whether a rule of this one clause matches, in a policy of this action.
    pub(super) fn meets(&self, action: Action, negated: bool, test: Test) -> bool {
        let rule = rule("r", vec![vec![clause(negated, test)]]);
        let set = PolicySet::new(vec![policy("p", action, vec![rule])]);
        let refused = self.decide(&set, &mut NoRecord).0.is_err();
        assert_eq!(self.decide(&set, &mut Trace::default()).0.is_err(), refused);
        refused == (action != Action::Allow)
    }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn origin(name: &str, part: &str) -> Arc<Origin> {
    Arc::new(Origin {
        kind: "AuthorizationPolicy",
        namespace: "foo".into(),
        name: name.into(),
        part: part.into(),
        file: "policies.yaml".into(),
        line: 1,
    })
}

pub(super) fn policy(name: &str, action: Action, rules: Vec<Rule>) -> Policy {
    Policy {
        origin: origin(name, ""),
        action,
        dry_run: false,
        rules,
    }
}

/// A rule with these operations.
pub(super) fn rule(name: &str, to: Vec<Vec<Clause>>) -> Rule {
    Rule {
        origin: origin("rule", name),
        from: Vec::new(),
        to,
        when: Vec::new(),
    }
}

pub(super) fn clause(negated: bool, test: Test) -> Clause {
    Clause {
        field: "field".into(),
        expanded: false,
        negated,
        test,
    }
}

pub(super) fn texts(values: &[&str]) -> Vec<Text> {
    values.iter().map(|it| Text::parse(it)).collect()
}
