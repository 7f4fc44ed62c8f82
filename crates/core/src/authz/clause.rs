//! A clause compiled: one attribute against its values.

use std::net::IpAddr;

use super::attributes::{Attribute, Attributes};
use super::names::{self, Account, Namespace};
use super::networks::NetworkSet;
use super::policy::{self, HeaderField, RequestPrincipal};
use super::template::PathTemplate;
use super::text::Text;
use super::values::TextSet;
use crate::action::Action;
use crate::host;

/// A compiled clause.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Text(Attribute, TextSet),
    Principals(TextSet),
    Namespaces(Box<[Namespace]>),
    Accounts(Box<[Account]>),
    TrustDomains(TextSet),
    RequestPrincipals(Box<[RequestPrincipal]>),
    Address(Whose, NetworkSet),
    /// Sorted.
    Ports(Box<[u16]>),
    /// Hosts as sent, and those that say no port, which a DENY rule also
    /// compares without the request's port and trailing dot (decision P9); and
    /// IPv6 addresses as usually written.
    Hosts(TextSet, TextSet),
    Paths(TextSet, Box<[PathTemplate]>),
    Never,
}

/// Whose address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    Peer,
    Client,
    Local,
}

impl Whose {
    pub(super) fn of(self, attributes: &Attributes<'_>) -> IpAddr {
        match self {
            Whose::Peer => attributes.peer(),
            Whose::Client => attributes.client(),
            Whose::Local => attributes.local(),
        }
    }
}

impl Clause {
    pub(super) fn new(clause: &policy::Clause, action: Action) -> Clause {
        let negated = clause.negated;
        // A `notHosts` that matched more would deny less.
        let any_port = action == Action::Deny && !negated;
        let mut test = compile(&clause.test, any_port);
        // Whichever admits less: what is denied is met in any characters, what is allowed in Envoy's.
        if let Test::Paths(_, templates) = &mut test
            && negated == (action == Action::Allow)
        {
            for template in templates {
                *template = template.of_any_character();
            }
        }
        Clause { negated, test }
    }

    pub(super) fn holds(&self, attributes: &Attributes<'_>) -> bool {
        self.test.matches(attributes) != self.negated
    }

    /// Less is asked first: what costs little, as to compare one text that every request has, and what tells rules
    /// apart that share a host, under which they often were found. To read claims and headers is most.
    pub(super) fn price(&self) -> u8 {
        match &self.test {
            Test::Never | Test::Ports(_) => 0,
            Test::Text(Attribute::Method, _) => 1,
            Test::Paths(..) => 2,
            Test::Text(Attribute::Host | Attribute::Sni, _) | Test::Address(..) => 3,
            Test::Hosts(..) => 4,
            _ => 5,
        }
    }
}

fn compile(test: &policy::Test, any_port: bool) -> Test {
    use policy::Test as T;
    let text = |attribute, texts: &[Text]| Test::Text(attribute, TextSet::new(texts));
    match test {
        T::Principals(texts) => Test::Principals(TextSet::new(texts)),
        T::Namespaces(list) => Test::Namespaces(list.iter().map(Namespace::new).collect()),
        T::ServiceAccounts(list) => Test::Accounts(list.iter().map(Account::new).collect()),
        T::TrustDomains(texts) => Test::TrustDomains(TextSet::new(texts)),
        T::RequestPrincipals(list) => Test::RequestPrincipals(list.clone().into()),
        T::PeerAddresses(list) => Test::Address(Whose::Peer, NetworkSet::new(list)),
        T::ClientAddresses(list) => Test::Address(Whose::Client, NetworkSet::new(list)),
        T::LocalAddresses(list) => Test::Address(Whose::Local, NetworkSet::new(list)),
        T::Ports(ports) => {
            let mut ports = ports.clone();
            ports.sort_unstable();
            Test::Ports(ports.into())
        }
        T::Sni(texts) => text(Attribute::Sni, texts),
        T::Hosts(texts) if any_port => {
            let usual: Vec<Text> = texts.iter().filter_map(usual_address).collect();
            let bare = texts.iter().filter(|it| !names_port(it));
            let bare = TextSet::new(bare.chain(&usual));
            Test::Hosts(TextSet::new(texts), bare)
        }
        T::Hosts(texts) => text(Attribute::Host, texts),
        T::Methods(texts) => text(Attribute::Method, texts),
        T::Paths(texts, templates) => Test::Paths(TextSet::new(texts), templates.clone().into()),
        T::Header(HeaderField::Method, texts) => text(Attribute::Method, texts),
        T::Header(field, texts) => text(Attribute::Header(field.clone()), texts),
        T::Claim(path, texts) => text(Attribute::Claim(path.clone()), texts),
        T::Absent => Test::Never,
    }
}

/// An IPv6 address among the hosts as it is usually written.
pub(super) fn usual_address(text: &Text) -> Option<Text> {
    match text {
        Text::Exact(it) => host::usual_address(it).map(|it| Text::Exact(it.into())),
        Text::Prefix(_) | Text::Suffix(_) | Text::Present => None,
    }
}

/// Whether a value for hosts says something about the port.
fn names_port(text: &Text) -> bool {
    match text {
        Text::Exact(it) | Text::Prefix(it) | Text::Suffix(it) => {
            // The colons within brackets are an IPv6 address's.
            let after = it.rsplit_once(']').map_or(&**it, |(_, after)| after);
            after.contains(':') && !after.starts_with('[')
        }
        Text::Present => false,
    }
}

impl Test {
    fn matches(&self, attributes: &Attributes<'_>) -> bool {
        match self {
            Test::Text(attribute, set) => {
                let mere = set.present && attribute.may_be_empty();
                attributes.any(attribute, |it| mere || set.matches(it))
            }
            Test::Principals(set) => {
                attributes.any(&Attribute::Principal, |it| set.matches_text(it))
                    || (set.present && attributes.names().any(|it| !it.is_empty()))
            }
            Test::Namespaces(list) => attributes
                .uris()
                .any(|name| list.iter().any(|it| it.matches(name))),
            Test::Accounts(list) => attributes
                .spiffe()
                .any(|name| list.iter().any(|it| it.matches(name))),
            Test::TrustDomains(set) => attributes.spiffe().any(|name| names::is_of(set, name)),
            Test::RequestPrincipals(list) => is_principal(attributes, list),
            Test::Address(whose, networks) => networks.contains(whose.of(attributes)),
            Test::Ports(ports) => ports.binary_search(&attributes.port()).is_ok(),
            Test::Hosts(as_sent, bare) => {
                let any = as_sent.present;
                attributes.any(&Attribute::Host, |it| any || as_sent.matches_text(it))
                    || attributes.any(&Attribute::HostForms, |it| bare.matches_text(it))
            }
            Test::Paths(set, templates) => attributes.path().is_some_and(|it| {
                set.matches(it.as_bytes()) || templates.iter().any(|template| template.matches(it))
            }),
            Test::Never => false,
        }
    }
}

/// Both claims must be there, be texts and match.
fn is_principal(attributes: &Attributes<'_>, list: &[RequestPrincipal]) -> bool {
    let Some(caller) = attributes.caller() else {
        return false;
    };
    let (Some(issuer), Some(subject)) = (caller.text("iss"), caller.text("sub")) else {
        return false;
    };
    list.iter()
        .any(|it| it.issuer.matches(issuer) && it.subject.matches(subject))
}
