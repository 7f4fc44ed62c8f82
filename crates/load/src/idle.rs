//! Connections that do one request and then nothing, for as long as the run lasts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time;

use crate::fault::Fault;
use crate::http1::Talk;
use crate::http2::Channel;
use crate::link::Link;
use crate::plan::Plan;
use crate::target::Protocol;

/// Idle connections, all of them open when this was made.
pub(crate) struct Idle(Vec<Held>);

enum Held {
    Http1(Link),
    Http2(Channel),
}

impl Idle {
    /// Opens the connections that the plan wants idle.
    ///
    /// # Errors
    /// When one cannot be opened, or its answer is not as expected.
    pub(crate) async fn open(plan: &Rc<Plan>) -> Result<Self, Fault> {
        let left = Rc::new(Cell::new(plan.idle));
        let mut tasks = JoinSet::new();
        for _ in 0..OPENERS.min(plan.idle) {
            tasks.spawn_local(open(Rc::clone(plan), Rc::clone(&left)));
        }
        let mut held = Vec::new();
        while let Some(opened) = tasks.join_next().await {
            held.append(&mut opened??);
        }
        Ok(Self(held))
    }

    /// How many the server still holds open.
    pub(crate) async fn count_open(self) -> u64 {
        // Lets the event loop see what has ended.
        time::sleep(Duration::from_millis(10)).await;
        let open = |held: &&Held| match held {
            Held::Http1(link) => link.is_open(),
            Held::Http2(channel) => channel.is_open(),
        };
        self.0.iter().filter(open).count() as u64
    }
}

/// Opens one after the other while there are some left to open.
async fn open(plan: Rc<Plan>, left: Rc<Cell<u32>>) -> Result<Vec<Held>, Fault> {
    let mut talk = Talk::new();
    let mut held = Vec::new();
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        let one = time::timeout(PATIENCE, hold(&plan, &mut talk)).await;
        let late = |_| Fault::failure("an idle connection gets no answer");
        held.push(one.map_err(late)??);
    }
    Ok(held)
}

/// Opens one and does its one request.
async fn hold(plan: &Plan, talk: &mut Talk) -> Result<Held, Fault> {
    let mut link = plan.target.dial().await?;
    match plan.protocol {
        Protocol::Http1 => {
            let answer = talk.exchange(plan, 0, &mut link).await?;
            if answer.close {
                return Err(Fault::failure("the server does not keep connections open"));
            }
            Ok(Held::Http1(link))
        }
        Protocol::Http2 => {
            let channel = Channel::open(link).await?;
            channel.exchange(plan, 0).await?;
            Ok(Held::Http2(channel))
        }
    }
}

/// How many are opened at a time.
const OPENERS: u32 = 32;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);
