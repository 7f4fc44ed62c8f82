//! `run`: opens connections, lets them send until the run is over, and prints what was measured.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time;

use crate::fault::Fault;
use crate::idle::Idle;
use crate::link::Link;
use crate::options::Options;
use crate::output::print;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::report::{Report, Tally};
use crate::session::Session;
use crate::target::Protocol;
use crate::{http1, http2};

/// Makes load from this thread alone, and prints the report.
///
/// # Errors
/// At the first answer that is not as expected.
pub(crate) fn run(options: Options) -> Result<(), Fault> {
    let plan = Plan::new(options)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::failure(format!("no event loop: {error}")))?;
    let report = LocalSet::new().block_on(&runtime, load(Rc::new(plan)))?;
    print(&report)
}

async fn load(plan: Rc<Plan>) -> Result<Report, Fault> {
    let idle = Idle::open(&plan).await?;
    let mut links = Vec::new();
    for _ in 0..plan.connections {
        links.push(plan.target.dial().await?);
    }
    // The clock starts when everything is connected.
    let pace = Pace::start(plan.length, plan.rate)
        .map_err(|error| Fault::failure(format!("no timer: {error}")))?;
    let session = Rc::new(Session {
        plan,
        pace,
        tally: RefCell::new(Tally::new()?),
        sent: Cell::new(0),
    });
    tokio::select! {
        done = drive(&session, links) => done?,
        fault = watch(&session) => return Err(fault),
        error = session.pace.keep() => {
            let error = error.err().map(|it| it.to_string()).unwrap_or_default();
            return Err(Fault::failure(format!("the timer failed: {error}")));
        }
    }
    let open = idle.count_open().await;
    session.tally.borrow().report(session.pace.started(), open)
}

/// All connections at once; the first fault ends the others.
async fn drive(session: &Rc<Session>, links: Vec<Link>) -> Result<(), Fault> {
    let mut tasks = JoinSet::new();
    for link in links {
        let session = Rc::clone(session);
        match session.plan.protocol {
            Protocol::Http1 => tasks.spawn_local(http1::drive(session, link)),
            Protocol::Http2 => tasks.spawn_local(http2::drive(session, link)),
        };
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Returns when requests are out and answers have stopped coming.
async fn watch(session: &Session) -> Fault {
    let mut silence = Silence::default();
    loop {
        time::sleep(LOOK).await;
        let answers = session.tally.borrow().answers();
        if let Some(fault) = silence.look(session.sent.get(), answers) {
            return fault;
        }
    }
}

/// How long nothing has come although something should.
#[derive(Default)]
struct Silence {
    answers: u64,
    lasts: Duration,
}

impl Silence {
    /// Another [`LOOK`] has passed, and so many requests and answers have in all.
    fn look(&mut self, sent: u64, answers: u64) -> Option<Fault> {
        let open = sent.saturating_sub(answers);
        let silent = open > 0 && answers == self.answers;
        self.lasts = if silent {
            self.lasts + LOOK
        } else {
            Duration::ZERO
        };
        self.answers = answers;
        (self.lasts >= PATIENCE).then(|| {
            let seconds = PATIENCE.as_secs();
            Fault::failure(format!(
                "no answer for {seconds} s, {open} requests are open"
            ))
        })
    }
}

const LOOK: Duration = Duration::from_secs(1);
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_requests_without_any_answer_make_silence() {
        let mut silence = Silence::default();
        // Nothing to wait for, as between the requests of a slow pace.
        assert!((0..100).all(|_| silence.look(7, 7).is_none()));
        // Slow, but they come.
        assert!((8..100).all(|at| silence.look(at + 1, at).is_none()));
        assert!((0..29).all(|_| silence.look(101, 99).is_none()));
        let told = silence.look(101, 99).map(|fault| fault.to_string());
        let expected = "no answer for 30 s, 2 requests are open";
        assert_eq!(told.as_deref(), Some(expected));
    }
}
