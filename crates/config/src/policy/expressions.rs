//! CEL rules as policies write them: expressions and lists of addresses, checked and compiled.

use std::sync::Arc;

use countersign_core::authz::{AddressList, Dialect, Expression, ExpressionRule, Join, RuleAction};
use countersign_expression::{Mistake, Program};
use ipnet::{IpNet, Ipv4Net};

use super::absent::absent_in;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::Object;
use crate::read::{Spanned, list_in, parsed, string_of};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// An expression as it was written.
pub(super) struct Source {
    text: Arc<str>,
    span: Span,
    /// As it was written, where variables of the environment were replaced in it: what they held is not shown.
    written: Option<Arc<str>>,
}

/// What makes a rule.
pub(super) struct RuleSpec<'a> {
    /// The field that it stands in: `rbac`, `traffic.authorization`.
    pub(super) field: &'static str,
    pub(super) span: Span,
    pub(super) action: RuleAction,
    pub(super) join: Join,
    pub(super) dialect: Dialect,
    pub(super) expressions: &'a [Source],
    pub(super) allowed: Option<&'a Spanned<Vec<IpNet>>>,
    pub(super) blocked: Option<&'a Spanned<Vec<IpNet>>>,
}

/// `matchExpressions`: how many there may be, and how long each is (kgateway's and agentgateway's own bounds).
pub(super) fn match_expressions(node: &Node, diags: &mut Diagnostics) -> Option<Vec<Source>> {
    list_in(1..=256, source)(node, diags)
}

fn source(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    let text = string_of(1..=16_384)(node, diags)?;
    let written = match &node.value {
        Value::Scalar(it) => it.written.clone(),
        _ => None,
    };
    Some(Source {
        text,
        span: node.span,
        written,
    })
}

impl RuleSpec<'_> {
    /// Compiles all expressions; every mistake in each of them is an error.
    pub(super) fn compile(self, policy: &Object, diags: &mut Diagnostics) -> ExpressionRule {
        let at = |part: String, span: Span| Arc::new(policy.origin.part(part, span.start.line));
        let field = self.field;
        let mut expressions = Vec::new();
        for (index, source) in self.expressions.iter().enumerate() {
            source.remark(policy, diags);
            match Program::compile(&source.text, self.dialect.environment()) {
                Ok(program) => expressions.push(Expression {
                    origin: at(
                        format!("{field}.policy.matchExpressions[{index}]"),
                        source.span,
                    ),
                    program,
                    written: source.written.clone(),
                }),
                Err(mistakes) => {
                    for mistake in mistakes {
                        let error = source.refused(mistake, self.dialect);
                        diags.push(error.about(policy.reference()));
                    }
                }
            }
        }
        let list = |name: &str, networks: Option<&Spanned<Vec<IpNet>>>| {
            networks.map(|it| AddressList {
                origin: at(format!("{field}.policy.{name}"), it.span),
                networks: it.value.clone().into(),
            })
        };
        ExpressionRule {
            origin: at(field.to_owned(), self.span),
            action: self.action,
            join: self.join,
            dialect: self.dialect,
            expressions: expressions.into(),
            allowed: list("allowedCIDRs", self.allowed),
            blocked: list("blockedCIDRs", self.blocked),
        }
    }
}

impl Source {
    /// Says which headers it compares that are never there.
    fn remark(&self, policy: &Object, diags: &mut Diagnostics) {
        if self.written.is_some() {
            return;
        }
        for (name, absent) in absent_in(&self.text) {
            let message = format!(
                "header {} is taken off before expressions look: {}",
                quoted(name),
                absent.why
            );
            let warning = Diagnostic::warning("never-matches", message).at(self.span);
            let help = "compare a header that goes on to the backend instead";
            diags.push(warning.help(help).about(policy.reference()));
        }
    }

    fn refused(&self, mistake: Mistake, dialect: Dialect) -> Diagnostic {
        if self.written.is_some() {
            let message =
                "this is no expression that can be evaluated once its variables are replaced";
            let error = Diagnostic::error("invalid-expression", message).at(self.span);
            return error
                .help("replace them by hand and check it again: what they hold is not shown");
        }
        let (message, span) = match self.place(mistake.offset) {
            Some(span) => (mistake.message, span),
            None => {
                let near: String = self.rest(mistake.offset).chars().take(SHOWN).collect();
                (
                    format!("{}, at {}", mistake.message, quoted(&near)),
                    self.span,
                )
            }
        };
        let error = Diagnostic::error("invalid-expression", message).at(span);
        match dialect.withheld(self.path(mistake.offset)) {
            Some(why) => error.help(why),
            None => error.help(mistake.help),
        }
    }

    /// The name that a mistake is about, with what it is a member of: `request.size`.
    fn path(&self, offset: usize) -> &str {
        let before = self.text.get(..offset).unwrap_or_default();
        let start = before.rfind(|c| !is_word(c) && c != '.').map_or(0, |at| {
            at + before
                .get(at..)
                .and_then(|it| it.chars().next())
                .map_or(1, char::len_utf8)
        });
        let end = offset
            + self
                .rest(offset)
                .find(|c| !is_word(c))
                .unwrap_or(self.rest(offset).len());
        self.text.get(start..end).unwrap_or_default()
    }

    /// Where the offset of a mistake lies in the text of the file, where the expression stands there letter for letter.
    fn place(&self, offset: usize) -> Option<Span> {
        let written = self.span.end.byte.checked_sub(self.span.start.byte)? as usize;
        let quotes = written.checked_sub(self.text.len())?;
        let one_line = self.span.start.line == self.span.end.line;
        if !one_line || !matches!(quotes, 0 | 2) {
            return None;
        }
        let before = self.text.get(..offset)?;
        let rest = self.rest(offset);
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let end = word.max(rest.chars().next().map_or(0, char::len_utf8));
        let opening = if quotes == 2 { "'" } else { "" };
        let start = self.span.start.after(opening).after(before);
        Some(Span {
            end: start.after(rest.get(..end)?),
            start,
            ..self.span
        })
    }

    fn rest(&self, offset: usize) -> &str {
        self.text.get(offset..).unwrap_or_default()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Characters of an expression that are shown where they cannot be pointed at.
const SHOWN: usize = 40;

/// `allowedCIDRs`, `blockedCIDRs`.
pub(super) fn networks(node: &Node, diags: &mut Diagnostics) -> Option<Vec<IpNet>> {
    list_in(1..=256, network)(node, diags)
}

/// A network in CIDR notation. Addresses are compared as IPv4 wherever they can be written so, networks too.
fn network(node: &Node, diags: &mut Diagnostics) -> Option<IpNet> {
    let parse = |text: &str| text.parse().ok().map(|net: IpNet| canonical(net.trunc()));
    let help =
        "write an address and the length of its prefix, such as `10.0.0.0/8` or `203.0.113.7/32`";
    parsed(parse, "is not a network in CIDR notation", help)(node, diags)
}

fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let IpNet::V6(six) = network else {
        return network;
    };
    let four = six.addr().to_ipv4_mapped();
    let length = six.prefix_len().checked_sub(MAPPED);
    match (four, length) {
        (Some(four), Some(length)) => Ipv4Net::new(four, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_networks_are_those_of_ipv4() {
        for (written, meant) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            let net: IpNet = written.parse().unwrap();
            assert_eq!(canonical(net.trunc()).to_string(), meant, "{written}");
        }
    }
}
