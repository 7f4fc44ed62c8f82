//! What each rule is filed under.

use foldhash::{HashMap, HashMapExt};
use ipnet::IpNet;

use super::super::attributes::Attribute;
use super::super::clause::{Whose, usual_address};
use super::super::policy::{Clause, HeaderField, Rule, Test};
use super::super::text::Text;

/// A value that a request has if a rule filed under it matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A text of an attribute.
    Text(Attribute, Text),
    /// An address within a network.
    Address(Whose, IpNet),
}

/// The keys of each rule, of which a request must have one; `None` for a rule
/// that can do without any.
pub(super) fn anchors(rules: &[&Rule]) -> Vec<Option<Vec<Key>>> {
    let census = Census::new(rules);
    rules.iter().map(|rule| census.cheapest(rule)).collect()
}

/// How often each key, and any key of its attribute, stands in the rules.
struct Census {
    keys: HashMap<Key, u32>,
    attributes: HashMap<Kind, u32>,
}

/// What a key is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Text(Attribute),
    Address(Whose),
}

/// Keys with what it costs to be filed under them: how many of the rules a
/// request is expected to meet there.
struct Choice {
    cost: f64,
    keys: Vec<Key>,
}

impl Census {
    fn new(rules: &[&Rule]) -> Census {
        let mut census = Census {
            keys: HashMap::new(),
            attributes: HashMap::new(),
        };
        let clauses = rules.iter().flat_map(|it| it.clauses());
        for key in clauses.filter_map(alternatives).flatten().flatten() {
            *census.attributes.entry(key.kind()).or_default() += 1;
            *census.keys.entry(key).or_default() += 1;
        }
        census
    }

    fn cheapest(&self, rule: &Rule) -> Option<Vec<Key>> {
        let entries = [&rule.from, &rule.to].into_iter().filter_map(|entries| {
            // One field for each entry, since any entry will do.
            let choices = entries.iter().map(|clauses| self.cheapest_of(clauses));
            let choices: Vec<Choice> = choices.collect::<Option<_>>()?;
            (!choices.is_empty()).then(|| join(choices))
        });
        let choice = entries
            .chain(self.cheapest_of(&rule.when))
            .min_by(by_cost)?;
        Some(choice.keys)
    }

    /// The best field of several that must all hold.
    fn cheapest_of(&self, clauses: &[Clause]) -> Option<Choice> {
        let choices = clauses.iter().filter_map(|clause| {
            let values = alternatives(clause)?;
            let best =
                |keys: Vec<Key>| keys.into_iter().map(|key| self.choice(key)).min_by(by_cost);
            let choices: Vec<Choice> = values.into_iter().map(best).collect::<Option<_>>()?;
            Some(join(choices))
        });
        choices.min_by(by_cost)
    }

    /// Requests are expected to have the values that rules name, as often as
    /// rules name them.
    fn choice(&self, key: Key) -> Choice {
        let count = |it: Option<&u32>| f64::from(it.copied().unwrap_or(1));
        let (these, all) = (self.keys.get(&key), self.attributes.get(&key.kind()));
        let share = if key.is_broad() {
            1.0
        } else {
            count(these) / count(all)
        };
        Choice {
            cost: share + key.price(),
            keys: vec![key],
        }
    }
}

fn by_cost(a: &Choice, b: &Choice) -> std::cmp::Ordering {
    a.cost.total_cmp(&b.cost)
}

fn join(choices: Vec<Choice>) -> Choice {
    let cost = choices.iter().map(|it| it.cost).sum();
    let keys = choices.into_iter().flat_map(|it| it.keys).collect();
    Choice { cost, keys }
}

impl Key {
    fn kind(&self) -> Kind {
        match self {
            Key::Text(attribute, _) => Kind::Text(attribute.clone()),
            Key::Address(whose, _) => Kind::Address(*whose),
        }
    }

    /// Whether nearly every request has it, whatever the rules say.
    fn is_broad(&self) -> bool {
        match self {
            Key::Text(_, Text::Present) => true,
            Key::Text(_, Text::Prefix(it) | Text::Suffix(it)) => it.len() <= 1,
            Key::Text(_, Text::Exact(_)) => false,
            Key::Address(_, network) => network.prefix_len() == 0,
        }
    }

    /// A little, to settle ties: exact texts before others, and what every
    /// request has once before what must be searched for.
    fn price(&self) -> f64 {
        const STEP: f64 = 1e-6;
        let attribute = match self {
            Key::Text(Attribute::Path | Attribute::HostForms | Attribute::Method, _) => 0.0,
            Key::Text(Attribute::Sni | Attribute::Port, _) => 1.0,
            Key::Text(..) => 2.0,
            Key::Address(..) => 3.0,
        };
        let exact = matches!(self, Key::Text(_, Text::Exact(_)));
        STEP * if exact { attribute } else { attribute + 0.5 }
    }
}

/// For each value of a clause the keys that it could be filed under; `None`
/// where the clause can hold without any.
fn alternatives(clause: &Clause) -> Option<Vec<Vec<Key>>> {
    if clause.negated {
        return None;
    }
    let texts = |attribute: Attribute, list: &[Text]| {
        let key = |text: &Text| vec![Key::Text(attribute.clone(), text.clone())];
        Some(list.iter().map(key).collect())
    };
    let addresses = |whose, list: &[IpNet]| {
        let key = |network: &IpNet| vec![Key::Address(whose, network.trunc())];
        Some(list.iter().map(key).collect())
    };
    match &clause.test {
        // `*` matches names that are no SPIFFE names.
        Test::Principals(list) if list.contains(&Text::Present) => None,
        Test::Principals(list) => texts(Attribute::Principal, list),
        Test::TrustDomains(list) if list.contains(&Text::Present) => None,
        Test::TrustDomains(list) => texts(Attribute::TrustDomain, list),
        Test::Namespaces(list) => {
            let names = list
                .iter()
                .map(|it| segment(Attribute::NamespaceSegment, &it.0));
            names.collect()
        }
        Test::ServiceAccounts(list) => {
            let names = list
                .iter()
                .map(|it| segment(Attribute::AccountSegment, &it.name));
            names.collect()
        }
        Test::RequestPrincipals(list) => {
            let key = |attribute, text: &Text| Key::Text(attribute, text.clone());
            let keys = list.iter().map(|it| {
                vec![
                    key(Attribute::Subject, &it.subject),
                    key(Attribute::Issuer, &it.issuer),
                ]
            });
            Some(keys.collect())
        }
        Test::PeerAddresses(list) => addresses(Whose::Peer, list),
        Test::ClientAddresses(list) => addresses(Whose::Client, list),
        Test::LocalAddresses(list) => addresses(Whose::Local, list),
        Test::Ports(list) => {
            let key = |port: &u16| {
                vec![Key::Text(
                    Attribute::Port,
                    Text::Exact(format!("{port:05}").into()),
                )]
            };
            Some(list.iter().map(key).collect())
        }
        Test::Sni(list) => texts(Attribute::Sni, list),
        Test::Hosts(list) => {
            let usual: Vec<Text> = list.iter().filter_map(usual_address).collect();
            texts(Attribute::HostForms, &[&**list, &usual].concat())
        }
        Test::Methods(list) | Test::Header(HeaderField::Method, list) => {
            texts(Attribute::Method, list)
        }
        Test::Paths(list, templates) => {
            let mut keys = texts(Attribute::Path, list)?;
            keys.extend(
                templates
                    .iter()
                    .map(|it| vec![Key::Text(Attribute::Path, Text::Prefix(it.prefix().into()))]),
            );
            Some(keys)
        }
        Test::Header(field, list) => texts(Attribute::Header(field.clone()), list),
        Test::Claim(path, list) => texts(Attribute::Claim(path.clone()), list),
        // It never holds: the rule is filed nowhere.
        Test::Absent => Some(Vec::new()),
    }
}

/// A name between two slashes.
fn segment(attribute: Attribute, name: &str) -> Option<Vec<Key>> {
    let whole = !name.contains(['*', '/']);
    whole.then(|| vec![Key::Text(attribute, Text::Exact(name.into()))])
}
