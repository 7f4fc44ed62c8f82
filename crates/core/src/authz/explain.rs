//! Why a rule does not match, in words. Nothing of this runs unless somebody
//! listens.

use std::fmt::Display;
use std::sync::Arc;

use countersign_jose::Value;

use super::attributes::{Attribute, Attributes};
use super::policy::{Clause, HeaderField, Rule, Test};
use super::rule::Place;
use super::secret::{HIDDEN, is_secret, looks_like_token};
use crate::trace::Mismatch;

/// The clause at a place, what it asks for, and what there is instead.
pub(super) fn mismatch(rule: &Rule, place: Place, attributes: &Attributes<'_>) -> Mismatch {
    let entry = |entries: &'_ [Vec<Clause>], entry: usize, clause: usize| {
        let found = entries.get(entry).and_then(|it| it.get(clause)).cloned();
        (found, entries.len())
    };
    let (clause, entries) = match place {
        Place::From(at, clause) => entry(&rule.from, at, clause),
        Place::To(at, clause) => entry(&rule.to, at, clause),
        Place::When(clause) => (rule.when.get(clause).cloned(), 1),
    };
    let Some(clause) = clause else {
        return Mismatch {
            field: Arc::from("rule"),
            wanted: "something else".into(),
            seen: NOTHING.into(),
        };
    };
    let mut wanted = wanted(&clause);
    if entries > 1 {
        wanted.push_str(", or another of the entries beside it");
    }
    Mismatch {
        wanted: wanted.into(),
        seen: seen(&clause.test, attributes).into(),
        field: clause.field,
    }
}

fn wanted(clause: &Clause) -> String {
    let values = match &clause.test {
        _ if clause.expanded => Listed {
            text: "what variables hold, which is not shown".to_owned(),
            many: false,
        },
        Test::Principals(list) | Test::TrustDomains(list) | Test::Sni(list) => listed(list),
        Test::Hosts(list) | Test::Methods(list) | Test::Claim(_, list) => listed(list),
        Test::Header(HeaderField::Named(name), _) if is_secret(name.as_str()) => Listed {
            text: HIDDEN.to_owned(),
            many: false,
        },
        Test::Header(_, list) => listed(list),
        Test::Paths(texts, templates) => {
            let texts = texts.iter().map(|it| it as &dyn Display);
            listed(texts.chain(templates.iter().map(|it| it as &dyn Display)))
        }
        Test::Namespaces(list) => listed(list.iter().map(|it| &it.0)),
        Test::ServiceAccounts(list) => listed(
            list.iter()
                .map(|it| format!("{}/{}", it.namespace, it.name)),
        ),
        Test::RequestPrincipals(list) => listed(
            list.iter()
                .map(|it| format!("{}/{}", it.issuer, it.subject)),
        ),
        Test::PeerAddresses(list) | Test::ClientAddresses(list) | Test::LocalAddresses(list) => {
            listed(list)
        }
        Test::Ports(list) => listed(list),
        Test::Absent => Listed {
            text: "metadata of an Envoy filter".to_owned(),
            many: false,
        },
    };
    match (clause.negated, values.many) {
        (false, false) => values.text,
        (false, true) => format!("one of {}", values.text),
        (true, false) => format!("anything but {}", values.text),
        (true, true) => format!("none of {}", values.text),
    }
}

struct Listed {
    text: String,
    many: bool,
}

/// The first few of some values.
fn listed<T: Display>(values: impl IntoIterator<Item = T>) -> Listed {
    let mut values = values.into_iter();
    let shown: Vec<String> = values
        .by_ref()
        .take(SHOWN)
        .map(|it| shown(&it.to_string()))
        .collect();
    let (many, more) = (shown.len() > 1, values.count());
    let mut text = shown.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    Listed { text, many }
}

/// A value in backticks, cut where it is long.
fn shown(value: &str) -> String {
    if looks_like_token(value) {
        return HIDDEN.to_owned();
    }
    match value.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("`{}…`", value.get(..at).unwrap_or_default()),
        None => format!("`{value}`"),
    }
}

fn seen(test: &Test, attributes: &Attributes<'_>) -> String {
    match test {
        Test::Principals(_) => some(attributes.names(), NO_CERTIFICATE),
        Test::Namespaces(_) | Test::ServiceAccounts(_) | Test::TrustDomains(_) => {
            let named = attributes.names().next().is_some();
            some(
                attributes.uris(),
                if named { NO_URI } else { NO_CERTIFICATE },
            )
        }
        Test::RequestPrincipals(_) => principal(attributes),
        Test::PeerAddresses(_) => shown(&attributes.peer().to_string()),
        Test::ClientAddresses(_) => shown(&attributes.client().to_string()),
        Test::LocalAddresses(_) => shown(&attributes.local().to_string()),
        Test::Ports(_) => shown(&attributes.port().to_string()),
        Test::Sni(_) => values(&Attribute::Sni, attributes, "no server name"),
        Test::Hosts(_) => values(&Attribute::Host, attributes, NOTHING),
        Test::Methods(_) => values(&Attribute::Method, attributes, NOTHING),
        Test::Paths(..) => values(&Attribute::Path, attributes, NOTHING),
        Test::Header(HeaderField::Named(name), _) if is_secret(name.as_str()) => {
            let there = attributes.any(&header(HeaderField::Named(name.clone())), |_| true);
            if there { HIDDEN } else { NO_HEADER }.to_owned()
        }
        // A query may carry a token.
        Test::Header(HeaderField::Path, _) => {
            let path = values(&Attribute::Path, attributes, NOTHING);
            let whole = |target: &[u8]| target.contains(&b'?');
            match attributes.any(&header(HeaderField::Path), whole) {
                true => format!("{path} and a query that is not shown"),
                false => path,
            }
        }
        Test::Header(field, _) => values(&header(field.clone()), attributes, NO_HEADER),
        Test::Claim(path, _) => claim(path, attributes),
        Test::Absent => NOTHING.to_owned(),
    }
}

fn header(field: HeaderField) -> Attribute {
    Attribute::Header(field)
}

fn values(attribute: &Attribute, attributes: &Attributes<'_>, none: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    attributes.any(attribute, |it| {
        all.push(String::from_utf8_lossy(it).into_owned());
        false
    });
    some(all, none)
}

fn some<T: Display>(values: impl IntoIterator<Item = T>, none: &str) -> String {
    let values = listed(values).text;
    if values.is_empty() {
        none.to_owned()
    } else {
        values
    }
}

fn principal(attributes: &Attributes<'_>) -> String {
    let Some(caller) = attributes.caller() else {
        return NO_TOKEN.to_owned();
    };
    let part = |name: &str, claim: &str| match caller.text(claim) {
        Some(text) => format!("{name} {}", shown(text)),
        None => format!("no {name}"),
    };
    format!("{}, {}", part("issuer", "iss"), part("subject", "sub"))
}

/// Numbers, booleans and objects are told by kind: they match nothing, which
/// is what people want to know.
fn claim(path: &[Box<str>], attributes: &Attributes<'_>) -> String {
    let Some(caller) = attributes.caller() else {
        return NO_TOKEN.to_owned();
    };
    match caller.claims.path(path) {
        None => "no such claim".to_owned(),
        Some(Value::String("")) => "an empty text".to_owned(),
        Some(Value::String(_)) => values(&Attribute::Claim(path.into()), attributes, NOTHING),
        Some(Value::List(list)) if list.is_empty() => "an empty list".to_owned(),
        Some(Value::List(list)) => {
            let texts = list.iter().filter(|it| it.as_str().is_some()).count();
            let told = values(&Attribute::Claim(path.into()), attributes, "");
            match list.len() - texts {
                0 => told,
                _ if texts == 0 => "a list without texts; nothing else is compared".to_owned(),
                others => format!("{told} and {others} that are no text"),
            }
        }
        Some(other) => format!(
            "the {} {}; only texts are compared",
            other.kind(),
            shown(&other.to_json())
        ),
    }
}

const NOTHING: &str = "nothing";
const NO_HEADER: &str = "no such header";
const NO_CERTIFICATE: &str = "no verified client certificate";
const NO_URI: &str = "a client certificate without a URI name";
const NO_TOKEN: &str = "no token";
/// Values that are named before the rest is counted.
const SHOWN: usize = 5;
/// Characters of a value that are shown.
const LONGEST: usize = 120;
