//! HTTP/2: several requests at a time on a connection.

use std::rc::Rc;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Error, Reason};
use tokio::task::{self, JoinHandle, JoinSet};

use crate::answer::SAMPLE;
use crate::fault::Fault;
use crate::link::Link;
use crate::pace::Ticket;
use crate::plan::Plan;
use crate::session::Session;

/// Sends requests on one connection until there are no more.
///
/// # Errors
/// When an answer is not as expected, or does not come.
pub(crate) async fn drive(session: Rc<Session>, link: Link) -> Result<(), Fault> {
    let mut channel = Channel::open(link).await?;
    let mut idle = session.plan.streams;
    let mut waiting: Vec<Ticket> = Vec::new();
    loop {
        let before = session.tally.borrow().answers();
        let mut streams = JoinSet::new();
        for ticket in waiting.drain(..).map(Some).chain((0..idle).map(|_| None)) {
            let (session, sender) = (Rc::clone(&session), channel.sender.clone());
            streams.spawn_local(stream(session, sender, ticket));
        }
        idle = 0;
        while let Some(left) = streams.join_next().await {
            match left?? {
                Left::Finished => {}
                Left::Idle => idle += 1,
                Left::Unanswered(ticket) => waiting.push(ticket),
            }
        }
        if waiting.is_empty() && idle == 0 {
            return Ok(());
        }
        if session.tally.borrow().answers() == before {
            return Err(Fault::failure(
                "the server leaves before it answers anything",
            ));
        }
        session.reconnected();
        channel = Channel::open(session.plan.target.dial().await?).await?;
    }
}

/// A connection with its settings exchanged.
pub(crate) struct Channel {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Channel {
    /// Begins HTTP/2 on a connection.
    ///
    /// # Errors
    /// When the server speaks something else.
    pub(crate) async fn open(link: Link) -> Result<Self, Fault> {
        let (sender, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(link)
            .await
            .map_err(|error| Fault::failure(format!("no HTTP/2: {error}")))?;
        let driver = task::spawn_local(async {
            // Its streams are told the same.
            let _told = connection.await;
        });
        Ok(Self { sender, driver })
    }

    /// Sends request `index` and takes its answer, which is as expected.
    ///
    /// # Errors
    /// When it is not, or does not come.
    pub(crate) async fn exchange(&self, plan: &Plan, index: u64) -> Result<(), Fault> {
        let ready = self.sender.clone().ready().await;
        let mut sender = ready.map_err(|error| Failed::from(error).into_fault())?;
        let done = exchange(&mut sender, plan, index).await;
        done.map(drop).map_err(Failed::into_fault)
    }

    /// Whether the server still holds it open.
    pub(crate) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// How a stream stands when it stops sending on a connection.
enum Left {
    /// There are no more requests.
    Finished,
    /// The server leaves, and no request is open.
    Idle,
    /// The server leaves and did not look at this one.
    Unanswered(Ticket),
}

async fn stream(
    session: Rc<Session>,
    mut sender: SendRequest<Bytes>,
    mut given: Option<Ticket>,
) -> Result<Left, Fault> {
    loop {
        sender = match sender.ready().await {
            Ok(sender) => sender,
            Err(error) if leaves(&error) => {
                return Ok(given.map_or(Left::Idle, Left::Unanswered));
            }
            Err(error) => return Err(Failed::from(error).into_fault()),
        };
        let ticket = match given.take() {
            Some(ticket) => ticket,
            None => match session.pace.next().await {
                Some(ticket) => ticket,
                None => return Ok(Left::Finished),
            },
        };
        session.sending();
        match exchange(&mut sender, &session.plan, ticket.index).await {
            Ok(bytes) => session.record(&ticket, bytes),
            Err(Failed::Leaves) => {
                session.unsent();
                return Ok(Left::Unanswered(ticket));
            }
            Err(Failed::For(fault)) => return Err(fault),
        }
    }
}

/// Sends a request and returns the bytes of its answer's body.
async fn exchange(sender: &mut SendRequest<Bytes>, plan: &Plan, index: u64) -> Result<u64, Failed> {
    let body = plan.requests.body();
    let request = plan.requests.http2(index).map_err(Failed::For)?;
    let (answer, mut upload) = sender.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        upload.send_data(body.clone(), true)?;
    }
    let answer = answer.await?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let (mut bytes, mut sample) = (0, Vec::new());
    while let Some(data) = body.data().await {
        let data = data?;
        bytes += data.len() as u64;
        if status != plan.expect.status || plan.expect.bytes.is_some() {
            let room = data.len().min(SAMPLE - sample.len());
            sample.extend_from_slice(data.get(..room).unwrap_or_default());
        }
        body.flow_control().release_capacity(data.len())?;
    }
    let judged = plan.expect.judge(status, bytes, &sample);
    judged.map(|()| bytes).map_err(Failed::For)
}

/// Why a request got no answer that counts.
enum Failed {
    /// The server leaves in good order and did not look at it.
    Leaves,
    For(Fault),
}

impl Failed {
    fn into_fault(self) -> Fault {
        match self {
            Self::Leaves => Fault::failure("no answer: the server leaves"),
            Self::For(fault) => fault,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        if leaves(&error) {
            Self::Leaves
        } else {
            Self::For(Fault::failure(format!("no answer: {error}")))
        }
    }
}

/// GOAWAY without an error (RFC 9113 section 6.8): what was not looked at may be sent elsewhere.
fn leaves(error: &Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}

/// Wide enough that windows never hold a server back.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
