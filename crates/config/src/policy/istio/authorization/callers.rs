//! Rules that ask who is calling: told where nobody here can say, and where those without a name are let in or refused too.

use countersign_core::authz::{Action, Clause, Policy, Rule, Test};

use super::spec::Authorization;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

/// What the gateways that a policy reaches know of callers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knowledge {
    /// A policy somewhere on them verifies tokens.
    pub(super) tokens: bool,
    /// One of their listeners asks for client certificates.
    pub(super) certificates: bool,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Token,
    Certificate,
}

/// Reports the first rule of each kind.
pub(super) fn report(policy: &Authorization<'_>, known: Knowledge, diags: &mut Diagnostics) {
    let outer = diags.enter(Some(policy.object.reference()));
    for proof in [Proof::Token, Proof::Certificate] {
        let missing = match proof {
            Proof::Token => !known.tokens,
            Proof::Certificate => !known.certificates,
        };
        let rules = || policy.policy.rules.iter().zip(&policy.spans);
        let told = if missing {
            rules().find_map(|(rule, at)| unknown(rule, proof, *at))
        } else {
            rules().find_map(|(rule, at)| nameless(policy.policy.action, rule, proof, *at))
        };
        told.into_iter().for_each(|it| diags.push(it));
    }
    diags.enter(outer);
}

/// Whether a policy says what becomes of requests without a token: an ALLOW lets in what it matches alone, and a DENY with
/// `not…` about tokens means them.
pub(super) fn minds_anonymous(policy: &Policy) -> bool {
    let negated = |it: &Clause| it.negated && of(it) == Some(Proof::Token);
    let denied = |rule: &Rule| rule.clauses().any(negated);
    match policy.action {
        _ if policy.dry_run => false,
        Action::Allow => true,
        Action::Deny => policy.rules.iter().any(denied),
        Action::Audit | Action::Custom => false,
    }
}

/// A clause about callers whom nobody here can name.
fn unknown(rule: &Rule, proof: Proof, at: Span) -> Option<Diagnostic> {
    let clause = rule.clauses().find(|it| of(it) == Some(proof))?;
    let outcome = match clause.negated {
        true => "holds for everybody",
        false => "never matches",
    };
    let message = |why| format!("`{}` {outcome}: {why}", clause.field);
    let told = match proof {
        Proof::Token => {
            let why = "no policy verifies tokens on a Gateway that this one reaches";
            Diagnostic::warning("no-verified-token", message(why))
                .help("add a RequestAuthentication for the Gateway")
        }
        Proof::Certificate => {
            let why = "no Gateway that this policy reaches asks for client certificates";
            Diagnostic::warning("no-client-certificates", message(why))
                .help("set `spec.tls.frontend` of the Gateway, if callers have certificates")
        }
    };
    Some(told.at(at))
}

/// A rule that says whom it does not mean, and so means those without any name.
fn nameless(action: Action, rule: &Rule, proof: Proof, at: Span) -> Option<Diagnostic> {
    let about = |it: &&Clause| of(it) == Some(proof);
    let needs = |clauses: &[Clause]| clauses.iter().any(|it| about(&it) && !it.negated);
    let every_source = !rule.from.is_empty() && rule.from.iter().all(|it| needs(it));
    if needs(&rule.when) || every_source {
        return None;
    }
    let clause = rule.clauses().filter(about).find(|it| it.negated)?;
    let without = match proof {
        Proof::Token => "without a token",
        Proof::Certificate => "without a client certificate",
    };
    let field = &clause.field;
    match action {
        Action::Allow => {
            let message = format!(
                "`{field}` lets callers {without} in too: it holds where there is nothing to compare"
            );
            let help = match proof {
                Proof::Token => {
                    "add `requestPrincipals: [\"*\"]` to the source, if a token must be there"
                }
                Proof::Certificate => {
                    "add `principals: [\"*\"]` to the source, if a certificate must be there"
                }
            };
            Some(
                Diagnostic::warning("allows-anonymous", message)
                    .at(at)
                    .help(help),
            )
        }
        // Whoever refuses callers without a name by name means it; other claims are easily forgotten.
        Action::Deny if matches!(clause.test, Test::Claim(..)) => {
            let message = format!(
                "`{field}` refuses callers {without} too: it holds where there is nothing to compare"
            );
            let help = "nothing, if that is meant";
            Some(
                Diagnostic::note("denies-anonymous", message)
                    .at(at)
                    .help(help),
            )
        }
        Action::Deny | Action::Audit | Action::Custom => None,
    }
}

fn of(clause: &Clause) -> Option<Proof> {
    match clause.test {
        Test::RequestPrincipals(_) | Test::Claim(..) => Some(Proof::Token),
        Test::Principals(_)
        | Test::Namespaces(_)
        | Test::ServiceAccounts(_)
        | Test::TrustDomains(_) => Some(Proof::Certificate),
        _ => None,
    }
}
