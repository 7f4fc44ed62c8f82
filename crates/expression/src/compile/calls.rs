//! Operators and functions.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr as Tree, LiteralValue, operators};

use super::Compiler;
use crate::function::{self, Function, MACROS, Signature, TWO_VARIABLE_MACROS};
use crate::mistake::nearest;
use crate::pattern;
use crate::span::Span;
use crate::tree::{Binary, Expr, Logic, Node};
use crate::value::Literal;

impl Compiler<'_> {
    pub(super) fn call(&mut self, tree: &IdedExpr, own: Span, call: &CallExpr) -> Expr {
        if let Some(binary) = binary(&call.func_name) {
            return self.operator(own, &call.args, |[left, right]| {
                Node::Binary(binary, Box::new((left, right)))
            });
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, terms) => self.logic(own, Logic::And, terms),
            (operators::LOGICAL_OR, terms) => self.logic(own, Logic::Or, terms),
            (operators::LOGICAL_NOT, args) => {
                self.operator(own, args, |[operand]| Node::Not(Box::new(operand)))
            }
            (operators::NEGATE, args) => {
                self.operator(own, args, |[operand]| Node::Negate(Box::new(operand)))
            }
            (operators::CONDITIONAL, args) => self.operator(own, args, |[condition, yes, no]| {
                Node::Conditional(Box::new((condition, yes, no)))
            }),
            (operators::INDEX, [_, key]) if is_string(key) => self.chain(tree),
            (operators::INDEX, args) => self.operator(own, args, |[operand, key]| {
                Node::Index(Box::new(operand), Box::new(key))
            }),
            _ => self.function(own, call),
        }
    }

    fn operator<const N: usize>(
        &mut self,
        own: Span,
        operands: &[IdedExpr],
        node: impl FnOnce([Expr; N]) -> Node,
    ) -> Expr {
        let operands: Vec<Expr> = operands.iter().map(|operand| self.expr(operand)).collect();
        let span = operands
            .iter()
            .fold(own, |span, operand| span.join(operand.span));
        match <[Expr; N]>::try_from(operands) {
            Ok(operands) => self.spanned(span, node(operands)),
            Err(_) => self.mistake(own, "an operand is missing here", "write both sides"),
        }
    }

    fn function(&mut self, own: Span, call: &CallExpr) -> Expr {
        let arguments = call.args.as_slice();
        if let Some(signature) = self.namespaced(call) {
            let namespace = call
                .target
                .as_deref()
                .map_or(own, |target| self.place(target));
            return self.apply(own.join(namespace), signature, None, arguments);
        }
        let receiver = call.target.as_deref();
        match function::find(&call.func_name, receiver.is_some(), arguments.len()) {
            Ok(signature) => self.apply(own, signature, receiver, arguments),
            Err(known) => self.no_function(own, call, &known),
        }
    }

    /// A function whose name has a dot is parsed as a call on a receiver.
    fn namespaced(&self, call: &CallExpr) -> Option<&'static Signature> {
        let Tree::Ident(namespace) = &call.target.as_ref()?.expr else {
            return None;
        };
        let name = format!("{namespace}.{}", call.func_name);
        function::find(&name, false, call.args.len()).ok()
    }

    fn apply(
        &mut self,
        own: Span,
        signature: &Signature,
        receiver: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Expr {
        let all = receiver.into_iter().chain(arguments);
        let arguments: Vec<Expr> = all.map(|argument| self.expr(argument)).collect();
        let first = arguments.first().map_or(own, |first| own.join(first.span));
        if signature.function != Function::Matches {
            return self.spanned(first, Node::Call(signature.function, arguments.into()));
        }
        let constant = arguments.get(1).and_then(|pattern| match &pattern.node {
            Node::Literal(Literal::String(text)) => Some((pattern.span, pattern::compile(text))),
            _ => None,
        });
        match constant {
            None => self.spanned(first, Node::Call(signature.function, arguments.into())),
            Some((place, Err(problem))) => {
                let help = "patterns are regular expressions as RE2 has them";
                self.mistake(
                    place,
                    format!("this pattern is not possible: {problem}"),
                    help,
                )
            }
            Some((_, Ok(pattern))) => match arguments.into_iter().next() {
                Some(text) => self.spanned(first, Node::Matches(Box::new(text), pattern)),
                None => self.mistake(own, "an argument is missing", signature.example),
            },
        }
    }

    fn no_function(&mut self, own: Span, call: &CallExpr, known: &[&Signature]) -> Expr {
        let name = call.func_name.as_str();
        if TWO_VARIABLE_MACROS.contains(&name) && call.target.is_some() && call.args.len() > 2 {
            let message = format!("`{name}` with two variables is not supported");
            let help = "use one variable: it is the element of a list, or the key of a map";
            return self.mistake(own, message, help);
        }
        if MACROS.contains(&name) {
            let help = if name == "has" {
                "write `has(a.b)`".to_owned()
            } else {
                format!("write `list.{name}(x, x == 'a')`")
            };
            return self.mistake(own, format!("`{name}` is not called like this"), help);
        }
        if !known.is_empty() {
            let examples: Vec<String> = known
                .iter()
                .map(|known| format!("`{}`", known.example))
                .collect();
            let help = format!("write {}", examples.join(" or "));
            return self.mistake(own, format!("`{name}` is not called like this"), help);
        }
        if self.environment.is_unchecked() {
            return self.spanned(own, Node::Unknown(name.into()));
        }
        let help = match nearest(name, function::names().chain(MACROS)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "docs/expressions.md lists the functions".to_owned(),
        };
        self.mistake(own, format!("unknown function `{name}`"), help)
    }
}

fn is_string(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Tree::Literal(LiteralValue::String(_)))
}

fn binary(operator: &str) -> Option<Binary> {
    Some(match operator {
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::NotEqual,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::LessEqual,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::GreaterEqual,
        operators::IN => Binary::In,
        operators::ADD => Binary::Add,
        operators::SUBSTRACT => Binary::Subtract,
        operators::MULTIPLY => Binary::Multiply,
        operators::DIVIDE => Binary::Divide,
        operators::MODULO => Binary::Remainder,
        _ => return None,
    })
}
