//! Variables, the variables of macros, types, and the fields that are read from them.

use cel::IdedExpr;
use cel::common::ast::{Expr as Tree, LiteralValue, operators};

use super::Compiler;
use crate::environment::Shape;
use crate::mistake::{Mistake, nearest};
use crate::span::Span;
use crate::tree::{Expr, Node, Path};
use crate::value::{Literal, Type};

/// A field that is read: its name, where it stands, and whether after a dot.
#[derive(Clone, Copy)]
struct Field<'t> {
    name: &'t str,
    place: Span,
    dotted: bool,
}

impl Compiler<'_> {
    /// A name with all the fields that are read from it, or any operand with fields.
    pub(super) fn chain(&mut self, tree: &IdedExpr) -> Expr {
        let (root, fields) = self.fields(tree);
        let base = match &root.expr {
            Tree::Ident(name) => {
                let place = self.place(root);
                if let Some(expr) = self.name(place, name, &fields) {
                    return expr;
                }
                let local = self.local(name);
                self.spanned(place, Node::Local(local.unwrap_or(0)))
            }
            _ => self.expr(root),
        };
        self.fields_of(base, &fields)
    }

    /// `has(operand.field)`; `own` is its `(`.
    pub(super) fn presence(&mut self, own: Span, operand: &IdedExpr, field: &str) -> Expr {
        let whole = self.tokens.widen(own);
        let (root, mut fields) = self.fields(operand);
        if let Tree::Ident(name) = &root.expr {
            fields.push(Field {
                name: field,
                place: self.tokens.last_but_one(whole),
                dotted: false,
            });
            let place = self.place(root);
            if let Some(Expr { node, .. }) = self.name(place, name, &fields) {
                let node = match node {
                    Node::Path(path) => Node::HasPath(path),
                    other => other,
                };
                return Expr { span: whole, node };
            }
        }
        let operand = self.expr(operand);
        Expr {
            span: whole,
            node: Node::HasField(Box::new(operand), field.into()),
        }
    }

    /// Walks down to what the fields are read from.
    fn fields<'t>(&self, mut tree: &'t IdedExpr) -> (&'t IdedExpr, Vec<Field<'t>>) {
        let mut fields = Vec::new();
        while let Some((operand, name, dotted)) = field(tree) {
            fields.push(Field {
                name,
                place: self.place(tree),
                dotted,
            });
            tree = operand;
        }
        fields.reverse();
        (tree, fields)
    }

    fn fields_of(&self, base: Expr, fields: &[Field<'_>]) -> Expr {
        fields.iter().fold(base, |operand, field| {
            let span = operand.span.join(field.place);
            self.spanned(span, Node::Field(Box::new(operand), field.name.into()))
        })
    }

    /// How many macros further out a name is set.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rev().position(|local| local == name)
    }

    /// What a name with fields means; `None` for the variable of a macro.
    fn name(&mut self, place: Span, name: &str, fields: &[Field<'_>]) -> Option<Expr> {
        if self.local(name).is_some() {
            return None;
        }
        let dotted = fields.iter().take_while(|field| field.dotted);
        let segments: Vec<&str> = [name]
            .into_iter()
            .chain(dotted.map(|field| field.name))
            .collect();
        if let Some((variable, shape, taken)) = self.environment.resolve(&segments) {
            let rest = fields.get(taken - 1..).unwrap_or_default();
            let variable = variable.into();
            return Some(self.path(place, variable, shape, fields, rest));
        }
        if let Some((kind, taken)) = type_name(&segments) {
            let (of_name, rest) = fields.split_at_checked(taken - 1).unwrap_or_default();
            let span = of_name
                .iter()
                .fold(place, |span, field| span.join(field.place));
            let base = self.spanned(span, Node::Literal(Literal::Type(kind)));
            return Some(self.fields_of(base, rest));
        }
        let span = fields
            .iter()
            .fold(place, |span, field| span.join(field.place));
        if self.environment.is_unchecked() {
            return Some(self.spanned(span, Node::Unknown(name.into())));
        }
        let help = match nearest(name, self.environment.names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let names: Vec<&str> = self.environment.names().collect();
                format!(
                    "a string needs quotes; the variables are `{}`",
                    names.join("`, `")
                )
            }
        };
        Some(self.mistake(place, format!("unknown variable `{name}`"), help))
    }

    fn path(
        &mut self,
        place: Span,
        variable: Box<str>,
        shape: Shape,
        all: &[Field<'_>],
        fields: &[Field<'_>],
    ) -> Expr {
        self.check_shape(&variable, shape, fields);
        let raw = all.iter().fold(place, |span, field| span.join(field.place));
        let span = self.tokens.widen(raw);
        let fields = fields.iter().map(|field| field.name.into()).collect();
        let node = Node::Path(Path {
            place: span,
            variable,
            fields,
        });
        Expr { span, node }
    }

    fn check_shape(&mut self, variable: &str, mut shape: Shape, fields: &[Field<'_>]) {
        let mut path = variable.to_owned();
        for field in fields {
            // A dotted field is placed at its dot.
            let offset = if field.dotted {
                field.place.end
            } else {
                field.place.start
            };
            match shape {
                Shape::Open => return,
                Shape::Scalar => {
                    let message = format!("`{path}` has no fields");
                    let help = format!("write `{path}` alone");
                    self.mistakes.push(Mistake::new(offset, message, help));
                    return;
                }
                Shape::Fields(known) => {
                    let names = || known.iter().map(|(name, _)| *name);
                    let Some((_, inner)) = known.iter().find(|(name, _)| *name == field.name)
                    else {
                        let name = field.name.escape_debug();
                        let message = format!("`{path}` has no field `{name}`");
                        let help = match nearest(field.name, names()) {
                            Some(meant) => format!("did you mean `{meant}`?"),
                            None => {
                                format!("it has `{}`", names().collect::<Vec<_>>().join("`, `"))
                            }
                        };
                        self.mistakes.push(Mistake::new(offset, message, help));
                        return;
                    };
                    shape = *inner;
                }
            }
            path = format!("{path}.{}", field.name);
        }
    }
}

/// The operand and name of `operand.name` and `operand['name']`; whether it is the former.
fn field(tree: &IdedExpr) -> Option<(&IdedExpr, &str, bool)> {
    match &tree.expr {
        Tree::Select(select) if !select.test => Some((&select.operand, &select.field, true)),
        Tree::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [operand, key] => match &key.expr {
                Tree::Literal(LiteralValue::String(name)) => Some((operand, name.inner(), false)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The type that the longest start of `segments` names, and how many of them.
fn type_name(segments: &[&str]) -> Option<(Type, usize)> {
    (1..=segments.len()).rev().find_map(|taken| {
        let name = segments.get(..taken)?.join(".");
        let name = name.strip_prefix('.').unwrap_or(&name);
        Some((Type::named(name)?, taken))
    })
}
