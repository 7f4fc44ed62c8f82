//! From the parser's tree to ours: names and functions resolved, macros turned into loops.

mod calls;
mod names;

use cel::IdedExpr;
use cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr as Tree, LiteralValue, SourceInfo, operators,
};

use crate::environment::Environment;
use crate::mistake::Mistake;
use crate::span::{Span, Tokens};
use crate::tree::{Expr, Logic, Loop, Macro, Node};
use crate::value::Literal;

/// Compiles a parsed text.
///
/// # Errors
/// All mistakes, in the order of the text.
pub(crate) fn compile(
    tree: &IdedExpr,
    tokens: &Tokens,
    places: &SourceInfo,
    environment: &Environment,
) -> Result<Expr, Vec<Mistake>> {
    let mut compiler = Compiler {
        tokens,
        places,
        environment,
        locals: Vec::new(),
        mistakes: Vec::new(),
    };
    let expr = compiler.expr(tree);
    let mut mistakes = compiler.mistakes;
    if mistakes.is_empty() {
        return Ok(expr);
    }
    mistakes.sort_by_key(|mistake| mistake.offset);
    mistakes.dedup();
    mistakes.truncate(MAX_MISTAKES);
    Err(mistakes)
}

/// How many mistakes of one text are told.
const MAX_MISTAKES: usize = 20;

struct Compiler<'c> {
    tokens: &'c Tokens,
    places: &'c SourceInfo,
    environment: &'c Environment,
    /// The variables of the macros around, outermost first.
    locals: Vec<String>,
    mistakes: Vec<Mistake>,
}

/// What stands where there was a mistake; never evaluated.
const NOTHING: Node = Node::Literal(Literal::Null);

impl Compiler<'_> {
    fn expr(&mut self, tree: &IdedExpr) -> Expr {
        let own = self.place(tree);
        match &tree.expr {
            Tree::Literal(literal) => self.literal(own, literal),
            Tree::Ident(_) => self.chain(tree),
            Tree::Select(select) if select.test => {
                self.presence(own, &select.operand, &select.field)
            }
            Tree::Select(_) => self.chain(tree),
            Tree::Call(call) => self.call(tree, own, call),
            Tree::List(list) => self.list(own, &list.elements),
            Tree::Map(map) => {
                let pairs = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
                    EntryExpr::StructField(_) => None,
                });
                let pairs: Box<[_]> = pairs
                    .map(|(key, value)| (self.expr(key), self.expr(value)))
                    .collect();
                let ends = pairs.iter().map(|(_, value)| value.span);
                let span = ends.fold(own, Span::join);
                self.spanned(span, Node::Map(pairs))
            }
            Tree::Comprehension(comprehension) => self.comprehension(own, comprehension),
            Tree::Struct(message) => {
                let text = format!(
                    "`{}{{…}}` builds a message, which is not supported",
                    message.type_name
                );
                self.mistake(own, text, "a map is written `{'key': value}`")
            }
            Tree::Unspecified => self.mistake(own, "this is no expression", "write a condition"),
        }
    }

    /// Where the parser places a node: one token.
    fn place(&self, tree: &IdedExpr) -> Span {
        let (start, last) = self.places.offset_for(tree.id).unwrap_or_default();
        let byte = |place| usize::try_from(place).unwrap_or(0);
        Span {
            start: byte(start),
            end: byte(last) + 1,
        }
    }

    fn spanned(&self, raw: Span, node: Node) -> Expr {
        let span = self.tokens.widen(raw);
        Expr { span, node }
    }

    fn mistake(&mut self, at: Span, message: impl Into<String>, help: impl Into<String>) -> Expr {
        let span = self.tokens.widen(at);
        self.mistakes.push(Mistake::new(span.start, message, help));
        Expr {
            span,
            node: NOTHING,
        }
    }

    fn literal(&self, own: Span, literal: &LiteralValue) -> Expr {
        let literal = match literal {
            LiteralValue::Null => Literal::Null,
            LiteralValue::Boolean(truth) => Literal::Bool(*truth.inner()),
            LiteralValue::Int(number) => Literal::Int(*number.inner()),
            LiteralValue::UInt(number) => Literal::Uint(*number.inner()),
            LiteralValue::Double(number) => Literal::Double(*number.inner()),
            LiteralValue::String(text) => Literal::String(text.inner().into()),
            LiteralValue::Bytes(bytes) => Literal::Bytes(bytes.inner().into()),
        };
        let negative = match literal {
            Literal::Int(number) => number < 0,
            Literal::Double(number) => number.is_sign_negative(),
            _ => false,
        };
        let mut expr = self.spanned(own, Node::Literal(literal));
        if negative {
            expr.span.start = self.tokens.sign_before(expr.span);
        }
        expr
    }

    fn list(&mut self, own: Span, elements: &[IdedExpr]) -> Expr {
        let elements: Box<[Expr]> = elements.iter().map(|element| self.expr(element)).collect();
        let literals = elements.iter().map(|element| match &element.node {
            Node::Literal(literal) => Some(literal.clone()),
            _ => None,
        });
        let node = match literals.collect::<Option<Box<[_]>>>() {
            Some(literals) => Node::Literal(Literal::List(literals)),
            None => Node::List(elements),
        };
        self.spanned(own, node)
    }

    /// The terms of a chain of one logical operator. The parser balances it into a tree.
    fn logic(&mut self, own: Span, logic: Logic, terms: &[IdedExpr]) -> Expr {
        let mut flat = Vec::new();
        for term in terms {
            let term = self.expr(term);
            match term.node {
                Node::Logic(inner, terms) if inner == logic => flat.extend(terms),
                _ => flat.push(term),
            }
        }
        let span = flat.iter().fold(own, |span, term| span.join(term.span));
        self.spanned(span, Node::Logic(logic, flat.into()))
    }

    /// The parser has expanded the macro; what its accumulator starts with tells which one it was.
    fn comprehension(&mut self, own: Span, tree: &ComprehensionExpr) -> Expr {
        let Some((kind, body, result)) = unexpanded(tree) else {
            return self.mistake(
                own,
                "this macro is not known",
                "use `all`, `exists`, `filter` or `map`",
            );
        };
        let range = self.expr(&tree.iter_range);
        self.locals.push(tree.iter_var.clone());
        let body = self.expr(body);
        let result = result.map(|result| self.expr(result));
        self.locals.pop();
        let span = own.join(range.span).join(body.span);
        let macro_ = match (kind, result) {
            (Kind::All, _) => Macro::All,
            (Kind::Exists, _) => Macro::Exists,
            (Kind::ExistsOne, _) => Macro::ExistsOne,
            (Kind::Filter, _) => Macro::Filter,
            (Kind::Map, Some(result)) => Macro::MapWhere(result),
            (Kind::Map, None) => Macro::Map,
        };
        let node = Node::Loop(Box::new(Loop {
            macro_,
            range,
            body,
        }));
        self.spanned(span, node)
    }
}

enum Kind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// Which macro it was, its condition (or result), and the result beside a condition.
fn unexpanded(tree: &ComprehensionExpr) -> Option<(Kind, &IdedExpr, Option<&IdedExpr>)> {
    let Tree::Call(step) = &tree.loop_step.expr else {
        return None;
    };
    let (function, arguments) = (step.func_name.as_str(), step.args.as_slice());
    match (&tree.accu_init.expr, function, arguments) {
        (Tree::Literal(LiteralValue::Boolean(truth)), operators::LOGICAL_AND, [_, body])
            if *truth.inner() =>
        {
            Some((Kind::All, body, None))
        }
        (Tree::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, body]) => {
            Some((Kind::Exists, body, None))
        }
        (Tree::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [body, ..]) => {
            Some((Kind::ExistsOne, body, None))
        }
        (Tree::List(_), operators::ADD, _) => Some((Kind::Map, appended(&tree.loop_step)?, None)),
        (Tree::List(_), operators::CONDITIONAL, [condition, append, _]) => {
            let result = appended(append)?;
            match &result.expr {
                Tree::Ident(name) if *name == tree.iter_var => {
                    Some((Kind::Filter, condition, None))
                }
                _ => Some((Kind::Map, condition, Some(result))),
            }
        }
        _ => None,
    }
}

/// The `x` of `accumulator + [x]`.
fn appended(step: &IdedExpr) -> Option<&IdedExpr> {
    let Tree::Call(add) = &step.expr else {
        return None;
    };
    let [_, list] = add.args.as_slice() else {
        return None;
    };
    let Tree::List(list) = &list.expr else {
        return None;
    };
    list.elements.first()
}
