//! Ends streams of HTTP/2 whose other side takes nothing.
//!
//! hyper asks a body for its next piece when the last one fits into the window
//! that the other side gives. One that gives none while it answers pings would
//! hold the body, and all that hangs on it, without end: the body is not even
//! asked, so it cannot keep time. What runs the stream does that here.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    /// That of the work that is being done.
    static CURRENT: RefCell<Option<Rc<Leash>>> = const { RefCell::new(None) };
}

/// How long some work may wait for the other side. Bodies take it up from
/// within the work, see [`Leash::current`].
#[derive(Debug, Default)]
pub(crate) struct Leash {
    /// When a body gave a piece and was not asked for another one yet.
    given: Cell<Option<Instant>>,
    patience: Cell<Duration>,
    pulled: Cell<bool>,
    work: RefCell<Option<Waker>>,
}

impl Leash {
    /// That of the work in which this is called, if it is on one.
    pub(crate) fn current() -> Option<Rc<Leash>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// From now on the other side may take nothing for so long.
    pub(crate) fn allow(&self, patience: Duration) {
        self.patience.set(patience);
        if self.given.get().is_some() {
            self.given.set(Some(Instant::now()));
            self.wake();
        }
    }

    /// Ends the work now.
    pub(crate) fn pull(&self) {
        self.pulled.set(true);
        self.wake();
    }

    /// Lets a body be polled, and notes whether it is the other side's turn then.
    pub(crate) fn poll<D, E>(
        &self,
        body: impl FnOnce() -> Poll<Option<Result<Frame<D>, E>>>,
    ) -> Poll<Option<Result<Frame<D>, E>>> {
        self.given.set(None);
        let polled = body();
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.given.set(Some(Instant::now()));
        }
        polled
    }

    fn due(&self) -> Option<Instant> {
        self.given.get()?.checked_add(self.patience.get())
    }

    fn wake(&self) {
        if let Some(work) = &*self.work.borrow() {
            work.wake_by_ref();
        }
    }

    fn follows(&self, cx: &Context<'_>) {
        let mut work = self.work.borrow_mut();
        match &mut *work {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *work = Some(cx.waker().clone()),
        }
    }
}

/// Does some work to its end, or until its leash ends it.
pub(crate) async fn leashed(leash: Rc<Leash>, work: impl Future) {
    let mut work = pin!(work);
    let mut alarm: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        leash.follows(cx);
        let before = Current::set(&leash);
        let done = work.as_mut().poll(cx).is_ready();
        drop(before);
        if done || leash.pulled.get() {
            return Poll::Ready(());
        }
        // Moved only when it rings, or comes too late.
        while let Some(due) = leash.due() {
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
            ready!(alarm.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await;
}

/// Puts back what was there before, also where the work panics.
struct Current(Option<Rc<Leash>>);

impl Current {
    fn set(leash: &Rc<Leash>) -> Current {
        Current(CURRENT.replace(Some(leash.clone())))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn piece() -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }

    /// Work that takes a piece of a body after each of these pauses, and then waits forever. How long it lasts.
    async fn lasts(pauses: &[u64], and: impl Fn(&Leash)) -> Duration {
        let start = Instant::now();
        leashed(Rc::default(), async {
            let leash = Leash::current().unwrap();
            leash.allow(MINUTE);
            for pause in pauses {
                tokio::time::sleep(Duration::from_secs(*pause)).await;
                assert!(leash.poll(piece).is_ready());
            }
            and(&leash);
            std::future::pending::<()>().await;
        })
        .await;
        assert!(Leash::current().is_none());
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_when_nothing_is_taken_for_too_long() {
        assert_eq!(lasts(&[0], |_| ()).await, MINUTE);
        let all = lasts(&[0, 59, 59, 59], |_| ()).await;
        assert_eq!(all, 4 * MINUTE - Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn it_may_wait_for_its_own_body() {
        let waits = lasts(&[0], |leash| {
            let _waits = leash.poll(|| Poll::<Option<Result<Frame<Bytes>, Infallible>>>::Pending);
        });
        assert!(tokio::time::timeout(100 * MINUTE, waits).await.is_err());
        let unused = leashed(Rc::default(), std::future::pending::<()>());
        assert!(tokio::time::timeout(100 * MINUTE, unused).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_pulled_and_shortened_from_outside() {
        for (shorten, most) in [(false, 10), (true, 22)] {
            let found = Rc::new(RefCell::new(None));
            let put = found.clone();
            let work = lasts(&[0], move |_| *put.borrow_mut() = Leash::current());
            let outside = async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                let leash = found.borrow().clone().unwrap();
                match shorten {
                    true => leash.allow(Duration::from_secs(12)),
                    false => leash.pull(),
                }
            };
            let (all, ()) = tokio::join!(work, outside);
            assert_eq!(all, Duration::from_secs(most));
        }
    }
}
