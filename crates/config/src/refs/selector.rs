//! Namespaces and their labels, and the selectors that are held against them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{Kind, Objects};
use crate::read::{self, Fields, any_string, choice, string};
use crate::yaml::Node;

/// Labels of the namespaces that were loaded.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    labels: HashMap<Arc<str>, Labels>,
}

/// Keys and values.
type Labels = Vec<(Arc<str>, Arc<str>)>;

/// A Kubernetes `LabelSelector`: every term must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: Arc<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<Arc<str>>),
    NotIn(Vec<Arc<str>>),
    Exists,
    Absent,
}

/// The label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Namespaces {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> Namespaces {
        let mut labels = HashMap::new();
        for object in objects.of(Kind::Namespace) {
            object.fields(diags).ignored("spec");
            labels.insert(Arc::clone(&object.name), object.labels.clone());
        }
        Namespaces { labels }
    }

    /// Whether a namespace is one of those selected. One that was not loaded has its name's label only.
    pub(crate) fn selected(&self, namespace: &str, selector: &LabelSelector) -> bool {
        let labels = self.labels.get(namespace).map_or(&[][..], Vec::as_slice);
        selector.matches(|key| {
            if key == NAME_LABEL {
                return Some(namespace);
            }
            let label = labels.iter().find(|(label, _)| **label == *key);
            label.map(|(_, value)| &**value)
        })
    }
}

impl LabelSelector {
    /// Reads `matchLabels` and `matchExpressions`; without either it selects everything.
    pub(crate) fn of(node: &Node, diags: &mut Diagnostics) -> Option<LabelSelector> {
        let mut fields = Fields::of(node, "selector", diags)?;
        let labels = fields.optional("matchLabels", read::map(any_string));
        let expressions = fields.list("matchExpressions", expression);
        let equals = labels
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| Term {
                key: key.text,
                test: Test::In(vec![value]),
            });
        Some(LabelSelector {
            terms: equals.chain(expressions).collect(),
        })
    }

    fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.terms.iter().all(|term| {
            let value = label(&term.key);
            let among = |values: &[Arc<str>]| values.iter().any(|it| Some(&**it) == value);
            match &term.test {
                Test::In(values) => among(values),
                Test::NotIn(values) => !among(values),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Absent,
}

fn expression(node: &Node, diags: &mut Diagnostics) -> Option<Term> {
    let operators = [
        ("In", Operator::In),
        ("NotIn", Operator::NotIn),
        ("Exists", Operator::Exists),
        ("DoesNotExist", Operator::Absent),
    ];
    let mut fields = Fields::of(node, "matchExpressions", diags)?;
    let key = fields.required("key", string);
    let operator = fields.required("operator", choice(&operators));
    let values = fields.list("values", any_string);
    let (key, operator) = (key?, operator?);
    let takes_values = matches!(operator, Operator::In | Operator::NotIn);
    if takes_values == values.is_empty() {
        let (problem, help) = if takes_values {
            ("this operator needs `values`", "add at least one value")
        } else {
            ("this operator takes no `values`", "remove `values`")
        };
        let span = fields.span();
        let error = Diagnostic::error("invalid-selector", problem).at(span);
        fields.diags().push(error.help(help));
        return None;
    }
    let test = match operator {
        Operator::In => Test::In(values),
        Operator::NotIn => Test::NotIn(values),
        Operator::Exists => Test::Exists,
        Operator::Absent => Test::Absent,
    };
    Some(Term { key, test })
}
