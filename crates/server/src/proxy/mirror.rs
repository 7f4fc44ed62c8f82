//! Copies of requests for mirrors (decision P14: without any credential).
//! Nobody waits for them, and what becomes of them changes nothing.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::Prepared;
use countersign_core::authn::Credentials;
use countersign_core::filter::Mirror;
use countersign_core::headers::strip_identity;
use countersign_core::id::{BackendId, RequirementId};
use countersign_core::listener::Listener;
use http::Request;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::context::{Context, View};
use super::outbound;
use super::upload::{Tee, Upload};

/// What copies of one request are made of.
pub(crate) struct Original<'a> {
    /// As the filters of the rule have left it. What those of a backend add
    /// is for that backend alone: its key, its name.
    pub(crate) parts: &'a Parts,
    pub(crate) prepared: &'a Prepared,
    pub(crate) listener: &'a Listener,
    /// Requirements that were looked at; they say where credentials stand.
    pub(crate) requirements: &'a [RequirementId],
}

/// Makes copies for those mirrors whose turn it is.
pub(crate) fn copies<'m>(
    context: &Rc<Context>,
    view: &Rc<View>,
    mirrors: impl Iterator<Item = &'m Mirror>,
    original: &Original<'_>,
    connect: Duration,
) -> Option<Copies> {
    let chosen = mirrors.filter(|it| it.takes(context.random.word()));
    let targets: Vec<BackendId> = chosen.filter_map(|it| it.backend).collect();
    if targets.is_empty() {
        return None;
    }
    if context.mirrored.get() >= MOST {
        context.copies.skipped.add(number(&targets));
        return None;
    }
    Some(Copies {
        context: context.clone(),
        view: view.clone(),
        parts: copy(original, context, view),
        targets,
        connect,
    })
}

/// Copies that are to be sent.
pub(crate) struct Copies {
    context: Rc<Context>,
    view: Rc<View>,
    parts: Parts,
    targets: Vec<BackendId>,
    connect: Duration,
}

impl Copies {
    /// Sends them. A body is copied by the tee that is returned, as it
    /// passes; if it is too large, nothing is sent.
    pub(crate) fn start(self, has_body: bool) -> Option<Tee> {
        let (tee, body) = if has_body {
            let (tee, whole) = Tee::new(MOST_BYTES);
            (Some(tee), Some(whole))
        } else {
            (None, None)
        };
        spawn_local(self.send(body));
        tee
    }

    async fn send(self, body: Option<oneshot::Receiver<Bytes>>) {
        self.context.mirrored.set(self.context.mirrored.get() + 1);
        let body = match body {
            Some(whole) => whole.await.map(Some),
            None => Ok(None),
        };
        let copied = &self.context.copies;
        match body {
            Err(_) => copied.skipped.add(number(&self.targets)),
            Ok(body) => {
                for target in &self.targets {
                    let sent = timeout(PATIENCE, self.send_to(*target, body.clone())).await;
                    match sent.unwrap_or(Err("a mirror takes too long")) {
                        Ok(()) => copied.sent.add(1),
                        Err(why) => {
                            copied.failed.add(1);
                            tracing::debug!(why);
                        }
                    }
                }
            }
        }
        self.context
            .mirrored
            .set(self.context.mirrored.get().saturating_sub(1));
    }

    async fn send_to(&self, target: BackendId, body: Option<Bytes>) -> Result<(), &'static str> {
        let upstream = self.view.plan.upstreams.find(target);
        let upstream = upstream.ok_or("a mirror has no backend")?;
        let upload = match body {
            Some(bytes) if !bytes.is_empty() => Upload::Whole(bytes),
            _ => Upload::Empty,
        };
        let request = Request::from_parts(self.parts.clone(), upload);
        let lease = upstream.connect(false, false, self.connect).await;
        let mut lease = lease.map_err(|_| "a mirror cannot be reached")?;
        let response = lease.send(request).await.map_err(|_| "a mirror failed")?;
        let mut body = response.into_body();
        while let Some(Ok(_)) = body.frame().await {}
        lease.give_back();
        Ok(())
    }
}

fn number(targets: &[BackendId]) -> u64 {
    u64::try_from(targets.len()).unwrap_or(u64::MAX)
}

/// The request without anything that says who asks.
fn copy(original: &Original<'_>, context: &Context, view: &View) -> Parts {
    let mut parts = original.parts.clone();
    parts.extensions.clear();
    let listener = original.listener;
    outbound::annotate(&mut parts, original.prepared, listener, &context.random);
    let ids = original
        .requirements
        .iter()
        .copied()
        .chain(listener.istio)
        .chain(listener.jwt);
    Credentials::new(ids.filter_map(|id| view.snapshot().requirement(id))).strip(&mut parts);
    strip_identity(&mut parts.headers, &listener.identity);
    // Said anew by who sends the copy.
    parts.headers.remove(CONTENT_LENGTH);
    parts
}

/// Bytes of a body that is copied.
const MOST_BYTES: usize = 64 * 1024;
/// Requests whose copies a worker may have under way.
const MOST: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(15);
