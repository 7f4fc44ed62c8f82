//! A granted request on its way to a backend, and the answer on its way back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_config::compiled::SocketSettings;
use countersign_core::authn::Accepted;
use countersign_core::filter::Filters;
use countersign_core::headers::strip_response_hop_by_hop;
use countersign_core::id::BackendId;
use countersign_core::listener::Listener;
use countersign_core::origin::Origin;
use countersign_core::route::{RouteRule, WeightedBackend};
use countersign_core::{Denial, Grant, Prepared, Reason, UnixTime};
use http::header::{HeaderMap, ORIGIN};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::answer::{self, Sharing};
use super::body::Body;
use super::bounds::Bounds;
use super::clock::Clock;
use super::context::View;
use super::exchange::Exchange;
use super::mirror::{Copies, Original, copies};
use super::outbound;
use super::send::{self, Answered, Sending};
use super::tunnel;
use super::upload::{Terms, Upload};
use super::upstream::Upstream;

/// What holds for one request that goes to a backend.
struct Way<'v> {
    view: &'v Rc<View>,
    settings: &'v SocketSettings,
    listener: &'v Listener,
    grant: &'v Grant<'v>,
    rule: &'v RouteRule,
    backend: &'v WeightedBackend,
    id: BackendId,
    upstream: &'v Upstream,
}

/// Forwards a request.
pub(crate) async fn forward(
    mut exchange: Box<Exchange>,
    view: &Rc<View>,
    grant: &Grant<'_>,
    prepared: &Prepared,
    mut parts: Parts,
    body: Incoming,
) -> Response<Body> {
    let cors = grant.rule.filters.cors.as_ref();
    let sharing = cors.map(|cors| (cors, parts.headers.get(ORIGIN).cloned()));
    let found = Way::find(&exchange, view, grant, prepared, &body);
    let ready = found.and_then(|way| {
        exchange.chose(way.id);
        let upgrade = way.upgrade(prepared, &mut parts);
        outbound::filter(&mut parts, &way.rule.filters)?;
        let copies = match upgrade {
            None => way.copies(&exchange, prepared, &mut parts),
            Some(_) => None,
        };
        way.dress(&exchange, prepared, &mut parts)?;
        Ok((way, upgrade, copies))
    });
    let (way, upgrade, copies) = match ready {
        Ok(ready) => ready,
        Err(denial) => {
            answer::drain(body, &parts);
            return answer::refuse(exchange, &denial, sharing);
        }
    };
    exchange.identified(&mut parts.headers);
    let tee = copies.and_then(|copies| copies.start(!body.is_end_stream()));
    if let (Some(_), Some(protocol)) = (&upgrade, &prepared.upgrade) {
        outbound::upgrade(&mut parts, protocol);
    }
    let bounds = way.bounds();
    let (upload, progress) = if body.is_end_stream() {
        (Upload::Empty, None)
    } else {
        let terms = way.terms(prepared, bounds.clone());
        let (upload, progress) = Upload::stream(body, terms, tee);
        (upload, Some(progress))
    };
    exchange.uploads(progress.clone());
    let timeouts = way.rule.timeouts;
    let sending = Sending {
        upstream: way.upstream,
        upgrade: upgrade.is_some(),
        connect: way.settings.timeouts.connect,
        bounds: bounds.with(Clock::new(
            exchange.start,
            timeouts.request,
            way.settings.timeouts.request,
            progress,
        )),
        attempt: timeouts.backend,
    };
    match sending
        .send(&mut exchange, Request::from_parts(parts, upload))
        .await
    {
        Ok(answered) => way.answer(exchange, answered, upgrade, sharing),
        Err(denial) => way.refuse(exchange, denial, sharing),
    }
}

impl<'v> Way<'v> {
    /// Chooses one of the rule's backends.
    fn find(
        exchange: &Exchange,
        view: &'v Rc<View>,
        grant: &'v Grant<'v>,
        prepared: &Prepared,
        body: &Incoming,
    ) -> Result<Way<'v>, Denial> {
        let rule = grant.rule;
        let settings = exchange.connection.settings(&view.running);
        let listener = view.snapshot().listener(prepared.listener);
        let (Some(settings), Some(listener)) = (settings, listener) else {
            return Err(Denial::because(Reason::NoListener, "the port is gone"));
        };
        if settings
            .limits
            .body_bytes
            .is_some_and(|most| body.size_hint().lower() > most)
        {
            let detail = "its `Content-Length` is beyond the listener's limit";
            return Err(Denial::because(Reason::BodyTooLarge, detail));
        }
        let none = |detail: &str| Denial {
            origin: Some(rule.origin.clone()),
            ..Denial::because(Reason::NoBackend, detail)
        };
        let picked = rule.pick(exchange.context.random.word());
        let backend = picked.ok_or_else(|| none("no backend has a weight"))?;
        let id = backend
            .backend
            .ok_or_else(|| none("this share of the requests has no backend"))?;
        let upstream = view
            .plan
            .upstreams
            .find(id)
            .ok_or_else(|| none("the backend is gone"))?;
        Ok(Way {
            view,
            settings,
            listener,
            grant,
            rule,
            backend,
            id,
            upstream,
        })
    }

    /// The client's end of a connection that is to switch protocols. Where
    /// that cannot be, the request goes on without (RFC 9110 section 7.8).
    fn upgrade(&self, prepared: &Prepared, parts: &mut Parts) -> Option<OnUpgrade> {
        prepared.upgrade.as_ref()?;
        let client = parts.extensions.remove::<OnUpgrade>()?;
        self.upstream.upgrades().then_some(client)
    }

    /// Makes it the request that the backend gets, out of what the filters of
    /// the rule have left.
    fn dress(
        &self,
        exchange: &Exchange,
        prepared: &Prepared,
        parts: &mut Parts,
    ) -> Result<(), Denial> {
        outbound::filter(parts, &self.backend.filters)?;
        outbound::annotate(parts, prepared, self.listener, &exchange.context.random);
        parts.extensions.clear();
        Ok(())
    }

    /// Copies for the mirrors of rule and backend.
    fn copies(
        &self,
        exchange: &Exchange,
        prepared: &Prepared,
        parts: &mut Parts,
    ) -> Option<Copies> {
        let rules = [&self.rule.filters, &self.backend.filters];
        let mut mirrors = rules.into_iter().flat_map(|it| &it.mirrors).peekable();
        mirrors.peek()?;
        // One id for the request and its copies.
        outbound::identify(parts, &exchange.context.random);
        let original = Original {
            parts,
            prepared,
            listener: self.listener,
            requirements: &self.grant.requirements,
        };
        let connect = self.settings.timeouts.connect;
        copies(&exchange.context, self.view, mirrors, &original, connect)
    }

    fn bounds(&self) -> Bounds {
        let ends = self
            .grant
            .ends
            .filter(|_| !self.settings.streams_outlive_token);
        let reign = self.view.plan.reign.clone();
        Bounds::new(ends.and_then(moment), reign, self.settings.timeouts.drain)
    }

    fn terms(&self, prepared: &Prepared, bounds: Bounds) -> Terms {
        Terms {
            most: self.settings.limits.body_bytes,
            idle: self.settings.timeouts.idle,
            bounds,
            identity: self.view.plan.identity(prepared.listener),
        }
    }

    /// Passes the backend's answer on.
    fn answer(
        &self,
        mut exchange: Box<Exchange>,
        answered: Answered,
        upgrade: Option<OnUpgrade>,
        sharing: Sharing<'_>,
    ) -> Response<Body> {
        let Answered {
            response,
            lease,
            bounds,
        } = answered;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let refusal = match upgrade {
                Some(client) => {
                    let (bounds, idle) = (bounds.for_tunnel(), self.settings.timeouts.idle);
                    match bounds.due() {
                        None => {
                            return tunnel::open(exchange, client, response, lease, bounds, idle);
                        }
                        Some(cut) => send::late(cut, "no tunnel in time"),
                    }
                }
                None => {
                    let detail = "it switched protocols without being asked";
                    Denial::because(Reason::UpstreamReset, detail)
                }
            };
            return self.refuse(exchange, refusal, sharing);
        }
        let (head, body) = response.into_parts();
        let mut headers = head.headers;
        strip_response_hop_by_hop(&mut headers);
        self.edit_answer(&mut headers, sharing);
        exchange.answers(head.status, Reason::Ok);
        exchange.tell(&mut headers);
        let mut response = Response::new(Body::backend(exchange, body, lease, bounds.for_body()));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers;
        response
    }

    /// Says no after all.
    fn refuse(
        &self,
        exchange: Box<Exchange>,
        mut denial: Denial,
        sharing: Sharing<'_>,
    ) -> Response<Body> {
        if denial.reason == Reason::TokenLapsed {
            denial.origin = self.first_to_lapse();
        }
        answer::refuse(exchange, &denial, sharing)
    }

    /// Whose token it is that lapses first.
    fn first_to_lapse(&self) -> Option<Arc<Origin>> {
        let lapses = |it: &Accepted| {
            let provider = self.view.snapshot().provider(it.provider)?;
            let expires = it.claims.expires()?;
            Some((expires.saturating_add(provider.expect.skew), provider))
        };
        let tokens = self.grant.accepted.iter().filter_map(lapses);
        let first = tokens.min_by_key(|(at, _)| *at);
        first.map(|(_, provider)| provider.origin.clone())
    }

    fn edit_answer(&self, headers: &mut HeaderMap, sharing: Sharing<'_>) {
        for Filters {
            response_headers, ..
        } in [&self.rule.filters, &self.backend.filters]
        {
            if !response_headers.is_empty() {
                response_headers.apply(headers);
            }
        }
        if let Some((cors, origin)) = sharing {
            cors.answer(origin.as_ref(), headers);
        }
    }
}

/// A time of day as a moment of this process; `None` when that is too far to
/// be reached.
fn moment(at: UnixTime) -> Option<Instant> {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(at.0))?;
    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}
