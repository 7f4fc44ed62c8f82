//! Finding the few rules that a request can match.
//!
//! Each rule is filed under values that it cannot do without: those of one
//! `when` entry, or of one field for each `from` or `to` entry. Of several such
//! choices the one is taken that fewest rules share, so that a set whose rules
//! all name one host is filed under their paths. A request is looked up under
//! each attribute by which anything is filed, and meets the rules found there
//! and those that demand nothing.

mod addresses;
mod anchor;
mod named;
mod seen;
mod texts;

use foldhash::{HashMap, HashMapExt};

use super::attributes::{Attribute, Attributes};
use super::clause::Whose;
use super::policy::{HeaderField, Rule};
use addresses::Addresses;
use anchor::{Key, anchors};
use named::Named;
use seen::Seen;
use texts::Texts;

/// Rules by what they cannot do without.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Rules that are always looked at, ascending.
    always: Box<[u32]>,
    texts: Box<[(Attribute, Texts)]>,
    headers: Named,
    claims: Named,
    addresses: Box<[(Whose, Addresses)]>,
    /// How many rules there are in all.
    rules: usize,
}

impl Index {
    pub(super) fn new(rules: &[&Rule]) -> Index {
        if rules.len() <= FEW {
            return Index {
                always: (0..).zip(rules).map(|(number, _)| number).collect(),
                rules: rules.len(),
                ..Index::default()
            };
        }
        let mut always = Vec::new();
        let (mut texts, mut addresses) = (HashMap::new(), HashMap::new());
        for (number, keys) in (0..).zip(anchors(rules)) {
            let Some(keys) = keys else {
                always.push(number);
                continue;
            };
            for key in keys {
                match key {
                    Key::Text(attribute, text) => {
                        let column: &mut texts::Builder = texts.entry(attribute).or_default();
                        column.add(text, number);
                    }
                    Key::Address(whose, network) => {
                        let column: &mut Addresses = addresses.entry(whose).or_default();
                        column.add(network, number);
                    }
                }
            }
        }
        let (mut plain, mut headers, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        for (attribute, column) in texts {
            let list = match &attribute {
                Attribute::Header(HeaderField::Named(_)) => &mut headers,
                Attribute::Claim(_) => &mut claims,
                _ => &mut plain,
            };
            list.push((attribute, column.build()));
        }
        Index {
            always: always.into(),
            texts: plain.into(),
            headers: Named::new(headers),
            claims: Named::new(claims),
            addresses: addresses.into_iter().collect(),
            rules: rules.len(),
        }
    }

    /// Gives every rule that may match to `f`, in no order, until it says `true`.
    pub(super) fn candidates(
        &self,
        attributes: &Attributes<'_>,
        mut f: impl FnMut(u32) -> bool,
    ) -> bool {
        if self.always.iter().any(|it| f(*it)) {
            return true;
        }
        if self.always.len() == self.rules {
            return false;
        }
        let mut seen = Seen::new(self.rules);
        let mut f = |rule| seen.is_new(rule) && f(rule);
        let mut texts = self.texts.iter();
        let mut addresses = self.addresses.iter();
        texts.any(|(attribute, column)| {
            let empty = attribute.may_be_empty();
            attributes.any(attribute, |it| column.any(it, empty, &mut f))
        }) || addresses.any(|(whose, column)| column.any(whose.of(attributes), &mut f))
            || self.headers.any(
                attributes,
                attributes.header_count(),
                |f| attributes.any_header_name(f),
                &mut f,
            )
            || self.claims.any(
                attributes,
                attributes.claim_count(),
                |f| attributes.any_claim_name(f),
                &mut f,
            )
    }
}

/// So few rules that they are tried one after the other.
const FEW: usize = 4;
