//! Wakes tasks at times that are finer than the milliseconds of tokio's timers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// A kernel timer and who waits for it.
pub(crate) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// INVARIANT: earlier times come first.
    waiting: RefCell<VecDeque<(Instant, Waker)>>,
    added: Notify,
}

impl Alarm {
    /// A timer. Somebody must [`Alarm::ring`] it.
    ///
    /// # Errors
    /// When the kernel has none.
    #[expect(
        deprecated,
        reason = "what replaces it is `unsafe`; an `OwnedFd` keeps what that asks for"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            timer: AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?,
            waiting: RefCell::default(),
            added: Notify::new(),
        })
    }

    /// Waits until then. Whoever calls after another must not ask for an earlier time.
    pub(crate) async fn until(&self, due: Instant) {
        let mut waits = false;
        poll_fn(|context| {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            if !waits {
                waits = true;
                let mut waiting = self.waiting.borrow_mut();
                waiting.push_back((due, context.waker().clone()));
                self.added.notify_one();
            }
            Poll::Pending
        })
        .await;
    }

    /// Wakes who waits, for ever.
    ///
    /// # Errors
    /// When the kernel refuses to.
    pub(crate) async fn ring(&self) -> io::Result<std::convert::Infallible> {
        loop {
            let first = self.waiting.borrow().front().map(|(due, _)| *due);
            let Some(first) = first else {
                self.added.notified().await;
                continue;
            };
            let left = first.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                self.sleep(left).await?;
            }
            self.wake();
        }
    }

    async fn sleep(&self, left: Duration) -> io::Result<()> {
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
        let mut count = [0; 8];
        loop {
            let mut ready = self.timer.readable().await?;
            // Readiness may be left over from the time before.
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?));
            if let Ok(read) = read {
                ready.clear_ready();
                return read.map(drop);
            }
        }
    }

    fn wake(&self) {
        let now = Instant::now();
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, waker)) = waiting.pop_front() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[test]
    fn waiters_are_woken_in_time_and_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let woken = LocalSet::new().block_on(&runtime, async {
            let alarm = Rc::new(Alarm::new().expect("a timer"));
            let ringing = Rc::clone(&alarm);
            tokio::task::spawn_local(async move { ringing.ring().await });
            let start = Instant::now();
            let tasks: Vec<_> = (0..40_u64)
                .map(|at| {
                    let alarm = Rc::clone(&alarm);
                    let due = start + Duration::from_micros(at * 500);
                    tokio::task::spawn_local(async move {
                        alarm.until(due).await;
                        (due, Instant::now())
                    })
                })
                .collect();
            let mut woken = Vec::new();
            for task in tasks {
                woken.push(task.await.expect("woken"));
            }
            woken
        });
        assert!(woken.iter().all(|(due, at)| at >= due));
        assert!(woken.is_sorted_by_key(|(_, at)| *at));
        // The machine may be busy; but not at every one of them.
        let late = woken.iter().map(|(due, at)| *at - *due).min();
        assert!(late < Some(Duration::from_millis(1)), "{late:?}");
    }
}
