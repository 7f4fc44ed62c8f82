//! The way of one request: cleaned, decided, forwarded or refused, logged.
//!
//! [`serve`] is the short version of it; each step has a file of its own.

mod answer;
mod body;
mod bounds;
mod clock;
mod context;
mod cut;
mod decision;
mod exchange;
mod facts;
mod forward;
mod mirror;
mod outbound;
mod pass;
mod passage;
mod progress;
mod random;
mod recent;
mod reign;
mod send;
mod tokens;
mod trace;
mod tunnel;
mod upload;
mod upstream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::rc::Rc;

use countersign_core::{
    Action, Denial, Grant, NoRecord, Outcome, Prepared, Progress, Reason, decide_with, prepare,
};
use countersign_runtime::ProviderKeys;
use countersign_runtime::clock::now;
use http::header::ORIGIN;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::connection::Connection;
use context::View;
use exchange::Exchange;
use facts::Known;

pub use body::{Body, Broken};
pub(crate) use context::Context;
pub(crate) use pass::pass;
pub(crate) use tokens::Tokens;

/// Answers one request.
pub(crate) async fn serve(
    context: Rc<Context>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Response<Body> {
    let view = context.view();
    let mut exchange = Exchange::begin(context, view.clone(), connection, &request);
    let (mut parts, body) = request.into_parts();
    let (prepared, mut grant) = match admit(&mut exchange, &view, &mut parts).await {
        Ok(admitted) => admitted,
        Err(denial) => {
            answer::drain(body, &parts);
            exchange.routed(denial.route);
            let snapshot = view.snapshot();
            let rule = denial.route.and_then(|it| snapshot.rule(it));
            // A browser shows a page the status of a refusal only with these.
            let cors = rule.and_then(|rule| rule.filters.cors.as_ref());
            let sharing = cors.map(|cors| (cors, parts.headers.get(ORIGIN).cloned()));
            return answer::refuse(exchange, &denial, sharing);
        }
    };
    exchange.granted(grant.rule, &grant.accepted);
    let filters = &grant.rule.filters;
    match (grant.action, &filters.cors, &filters.redirect) {
        (Action::Preflight, Some(cors), _) => {
            answer::drain(body, &parts);
            answer::preflight(exchange, cors, &parts.headers)
        }
        (Action::Redirect, cors, Some(redirect)) => {
            std::mem::take(&mut grant.edits).apply(&mut parts);
            let origin = parts.headers.get(ORIGIN).cloned();
            let sharing = cors.as_ref().map(|cors| (cors, origin));
            let port = port(&exchange, &view);
            answer::drain(body, &parts);
            answer::redirect(exchange, redirect, &parts, &prepared, port, sharing)
        }
        _ => {
            std::mem::take(&mut grant.edits).apply(&mut parts);
            forward::forward(exchange, &view, &grant, &prepared, parts, body).await
        }
    }
}

/// Answers a request that the edge has refused, and takes note of it.
pub(crate) fn refuse<B>(
    context: Rc<Context>,
    connection: Rc<Connection>,
    request: &Request<B>,
    denial: &Denial,
) -> Response<Body> {
    let view = context.view();
    let mut exchange = Exchange::begin(context, view, connection, request);
    exchange.unread();
    answer::refuse(exchange, denial, None)
}

/// Cleans the request and puts it before the policies, getting the facts that
/// they ask for.
async fn admit<'v>(
    exchange: &mut Exchange,
    view: &'v Rc<View>,
    parts: &mut Parts,
) -> Result<(Prepared, Grant<'v>), Denial> {
    let snapshot = view.snapshot();
    let connection = exchange.connection.clone();
    let arrival = connection.arrival(&view.running);
    let arrival = arrival.ok_or_else(|| Denial::because(Reason::NoListener, "the port is gone"))?;
    let prepared = prepare(snapshot, &arrival, parts)?;
    exchange.prepared(&prepared, parts.uri.path_and_query());
    let context = &exchange.context;
    let request = countersign_core::Request::new(parts, &prepared, arrival.connection);
    let mut progress = Progress::default();
    let mut keys: Cow<'_, [ProviderKeys]> = Cow::Borrowed(&view.running.keys);
    loop {
        let known = Known {
            keys: &keys,
            tokens: &context.tokens,
            recent: &view.recent,
            shard: &context.shard,
        };
        match decide_with(
            &mut progress,
            &request,
            snapshot,
            &known,
            now(),
            &mut NoRecord,
        ) {
            Outcome::Allow(grant) => {
                known.remember_all(&grant.accepted);
                exchange.remarked(progress.into_remarks());
                return Ok((prepared, grant));
            }
            Outcome::Deny(denial) => {
                // A good token of somebody who may not do this: to check it
                // each time would be dear for us and cheap for them.
                known.remember_all(progress.accepted());
                exchange.remarked(progress.into_remarks());
                return Err(denial);
            }
            Outcome::Need(need) => {
                Box::pin(context.handle.satisfy(&view.running, need)).await;
                // A decision ends under the configuration that it began under;
                // only keys may be newer.
                keys = Cow::Owned(renewed(&view.running.keys, &context.view().running.keys));
            }
        }
    }
}

/// The keys of these providers as they are now, whichever numbers a reload has
/// given the providers since.
fn renewed(ours: &[ProviderKeys], newer: &[ProviderKeys]) -> Vec<ProviderKeys> {
    let now = |it: &ProviderKeys| newer.iter().find(|newer| newer.uid == it.uid);
    ours.iter()
        .map(|it| now(it).unwrap_or(it).clone())
        .collect()
}

/// The port that the Gateway names, whichever is bound (decision P10).
fn port(exchange: &Exchange, view: &View) -> u16 {
    let arrival = exchange.connection.arrival(&view.running);
    let socket = arrival.and_then(|arrival| view.snapshot().socket(arrival.socket));
    socket.map_or_else(|| exchange.connection.local.port(), |socket| socket.port)
}
