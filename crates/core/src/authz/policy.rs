//! Policies as the configuration reads them.

use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;

use super::template::PathTemplate;
use super::text::Text;
use crate::action::Action;
use crate::origin::Origin;

/// One AuthorizationPolicy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The object.
    pub origin: Arc<Origin>,
    /// `action`.
    pub action: Action,
    /// `istio.io/dry-run`: it is recorded what the policy would do, and not done.
    pub dry_run: bool,
    /// `rules`, any one of which matches. Without rules it matches nothing.
    pub rules: Vec<Rule>,
}

/// One `rules` entry: any of `from`, any of `to`, and every `when`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The entry.
    pub origin: Arc<Origin>,
    /// Sources; all clauses of one must hold. Empty: any source.
    pub from: Vec<Vec<Clause>>,
    /// Operations; all clauses of one must hold. Empty: any operation.
    pub to: Vec<Vec<Clause>>,
    /// Conditions, all of which must hold. An entry with both `values` and
    /// `notValues` is two clauses.
    pub when: Vec<Clause>,
}

/// One list of values of one field.
#[derive(Debug, Clone)]
pub struct Clause {
    /// The list as a reader finds it: `from[0].source.notPrincipals`, or
    /// `when[1].values` with its key: `when[1] request.auth.claims[groups] values`.
    pub field: Arc<str>,
    /// `not…`: holds where none of the values matches, an absent attribute included.
    pub negated: bool,
    /// What is compared with which values, any one of which suffices.
    pub test: Test,
    /// Variables of the environment were replaced in the values: what they
    /// held is not told to anybody.
    pub expanded: bool,
}

impl Policy {
    /// Fields that only requests have; where there are any, a TCP listener
    /// cannot do what the policy says (decision P6).
    pub fn request_fields(&self) -> impl Iterator<Item = &Arc<str>> {
        let clauses = self.rules.iter().flat_map(Rule::clauses);
        clauses
            .filter(|it| it.test.needs_request())
            .map(|it| &it.field)
    }

    /// What is left of it for a connection (decision P6).
    pub(super) fn without_requests(&self) -> Policy {
        let mut policy = self.clone();
        if self.action == Action::Allow {
            policy
                .rules
                .retain(|rule| !rule.clauses().any(|it| it.test.needs_request()));
        }
        for rule in &mut policy.rules {
            let entries = rule.from.iter_mut().chain(&mut rule.to);
            for clauses in entries.chain([&mut rule.when]) {
                clauses.retain(|it| !it.test.needs_request());
            }
        }
        policy
    }
}

impl Rule {
    /// Every clause, in order.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        let entries = self.from.iter().chain(&self.to);
        entries.flatten().chain(&self.when)
    }
}

/// An attribute of a request with the values that it may have.
#[derive(Debug, Clone)]
pub enum Test {
    /// `principals`, `source.principal`: names of the client certificate
    /// without `spiffe://`, trust-domain aliases spelt out.
    Principals(Vec<Text>),
    /// `namespaces`, `source.namespace`.
    Namespaces(Vec<NamespacePattern>),
    /// `serviceAccounts`, `source.serviceAccount`.
    ServiceAccounts(Vec<ServiceAccount>),
    /// `trustDomains`, `source.trustDomain`, aliases spelt out.
    TrustDomains(Vec<Text>),
    /// `requestPrincipals`, `request.auth.principal`.
    RequestPrincipals(Vec<RequestPrincipal>),
    /// `ipBlocks`, `source.ip`: the connection's other end.
    PeerAddresses(Vec<IpNet>),
    /// `remoteIpBlocks`, `remote.ip`: the client, as trusted proxies tell it.
    ClientAddresses(Vec<IpNet>),
    /// `destination.ip`.
    LocalAddresses(Vec<IpNet>),
    /// `ports`, `destination.port`: the Gateway's port (decision P10).
    Ports(Vec<u16>),
    /// `connection.sni`.
    Sni(Vec<Text>),
    /// `hosts`, compared in lower case with the authority as sent, port
    /// included (decision P9 for DENY). The values are in lower case.
    Hosts(Vec<Text>),
    /// `methods`.
    Methods(Vec<Text>),
    /// `paths`: the normalised path without query.
    Paths(Vec<Text>, Vec<PathTemplate>),
    /// `request.headers[name]`; each line of a header is compared by itself.
    Header(HeaderField, Vec<Text>),
    /// `request.auth.claims[a][b]`, `request.auth.audiences` (`aud`),
    /// `request.auth.presenter` (`azp`): a string, or a list with one.
    Claim(Box<[Box<str>]>, Vec<Text>),
    /// `experimental.envoy.filters.…`: metadata that nothing here sets.
    Absent,
}

impl Test {
    /// Whether it asks for something that connections alone do not have.
    pub fn needs_request(&self) -> bool {
        match self {
            Test::RequestPrincipals(_)
            | Test::Hosts(_)
            | Test::Methods(_)
            | Test::Paths(..)
            | Test::Header(..)
            | Test::Claim(..) => true,
            Test::Principals(_)
            | Test::Namespaces(_)
            | Test::ServiceAccounts(_)
            | Test::TrustDomains(_)
            | Test::PeerAddresses(_)
            | Test::ClientAddresses(_)
            | Test::LocalAddresses(_)
            | Test::Ports(_)
            | Test::Sni(_)
            | Test::Absent => false,
        }
    }
}

/// A header, or one of the parts of a request that Envoy shows as headers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeaderField {
    /// A header.
    Named(HeaderName),
    /// `:method`.
    Method,
    /// `:authority`, `host`.
    Authority,
    /// `:path`: normalised, with the query.
    Path,
    /// `:scheme`.
    Scheme,
}

/// A namespace with `*` anywhere in it, sought as `/ns/<it>/` in the caller's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespacePattern(pub Box<str>);

/// A service account, of whatever trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// Issuer and subject of a token, both of which must match and be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPrincipal {
    /// `iss`.
    pub issuer: Text,
    /// `sub`.
    pub subject: Text,
}
