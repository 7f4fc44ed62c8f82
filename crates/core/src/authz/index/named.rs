//! Rules filed under headers and claims, which have names of anybody's choice.

use foldhash::{HashMap, HashMapExt};

use super::super::attributes::{Attribute, Attributes};
use super::super::policy::HeaderField;
use super::texts::Texts;

/// Headers, or claims by the first step of their path.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    columns: Vec<(Attribute, Texts)>,
    by_name: HashMap<Box<str>, Vec<usize>>,
}

impl Named {
    pub(super) fn new(columns: Vec<(Attribute, Texts)>) -> Named {
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (at, (attribute, _)) in columns.iter().enumerate() {
            by_name.entry(name(attribute).into()).or_default().push(at);
        }
        Named { columns, by_name }
    }

    /// Gives rules that may match to `f` until it says `true`. What is fewer is
    /// gone through: what rules name, or the `count` names that the request
    /// has, which `names` gives one by one.
    pub(super) fn any(
        &self,
        attributes: &Attributes<'_>,
        count: usize,
        names: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> bool,
        f: &mut impl FnMut(u32) -> bool,
    ) -> bool {
        let mut look = |(attribute, column): &(Attribute, Texts)| {
            let empty = attribute.may_be_empty();
            attributes.any(attribute, |it| column.any(it, empty, f))
        };
        if self.columns.len() <= count {
            return self.columns.iter().any(look);
        }
        names(&mut |name| {
            let places = self.by_name.get(name).into_iter().flatten();
            let mut columns = places.filter_map(|at| self.columns.get(*at));
            columns.any(&mut look)
        })
    }
}

fn name(attribute: &Attribute) -> &str {
    match attribute {
        Attribute::Header(HeaderField::Named(name)) => name.as_str(),
        Attribute::Claim(path) => path.first().map_or("", |it| it),
        _ => "",
    }
}
