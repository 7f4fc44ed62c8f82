//! What nobody reads is no secret to anybody: a field that is misspelt may hold one all the same.

use super::nearest;
use crate::diagnostic::Diagnostics;
use crate::yaml::{Key, Node, SECRET_NAMES, Value, folded};

/// Withholds the value of an unknown field as far as its name, or one inside it, is nearly that of a secret. `asked` are
/// the fields that are known beside it: among those of a secret, any other may be meant for it.
pub(super) fn withhold(key: &Key, node: &Node, asked: &[&str], diags: &mut Diagnostics) {
    let beside = asked.contains(&"inline");
    inside(node, beside || resembles(&key.text), diags);
}

fn inside(node: &Node, hide: bool, diags: &mut Diagnostics) {
    match &node.value {
        Value::Scalar(_) if hide => diags.withhold(node.span),
        Value::Scalar(_) | Value::Broken(_) => {}
        Value::Sequence(items) => items.iter().for_each(|it| inside(it, hide, diags)),
        Value::Mapping(entries) => {
            for (key, node) in entries {
                inside(node, hide || resembles(&key.text), diags);
            }
        }
    }
}

fn resembles(name: &str) -> bool {
    nearest(&folded(name), SECRET_NAMES).is_some()
}
