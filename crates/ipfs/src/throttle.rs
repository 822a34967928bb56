//! How many bytes a second may come here, over all fetches that share it.
//!
//! A bucket that fills at the rate and holds a second of it. A block may be asked for while
//! there is something in it, and takes its size out, into debt if need be: blocks are never cut.
//! Its size is guessed when it is asked for, by those before it, and put right when it is here.
//!
//! Owns no task. Cancel safety: a wait that is dropped has taken nothing; a block that was asked for
//! and given up is put right too, by the drop of its [`Share`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What a block is taken for before any has come: that of most files of others.
const FIRST_GUESS: f64 = 256.0 * 1024.0;
/// How much of the guess the newest block is.
const NEWEST: f64 = 0.1;
/// How long a rate counts: what was not used for longer than this is lost.
const BURST: f64 = 1.0;

/// A rate that fetches share. Clones are the same one. It can be changed at any time.
#[derive(Clone)]
pub struct Throttle {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Told when the rate changes.
    changed: Notify,
    /// Held by the one who waits, so that blocks come in the order in which they were asked for.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    flow: Flow,
    /// Bytes; below zero, those that came too early.
    left: f64,
    filled: Instant,
    guess: f64,
}

/// What a throttle lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Everything.
    Free,
    /// So many bytes a second; at least 1.
    Rate(u64),
    /// Nothing new. What is on the way still comes.
    Paused,
}

/// Leave to ask for one block.
pub(crate) struct Share {
    inner: Arc<Inner>,
    guessed: f64,
}

impl Throttle {
    /// One that lets `flow` through.
    pub fn new(flow: Flow) -> Self {
        let state = State {
            flow,
            left: 0.0,
            filled: Instant::now(),
            guess: FIRST_GUESS,
        };
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                changed: Notify::new(),
                turn: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// From now on; those that wait hear of it.
    pub fn set(&self, flow: Flow) {
        let mut state = self.inner.lock();
        if state.flow == flow {
            return;
        }
        state.fill(Instant::now());
        state.flow = flow;
        // What was saved up or owed under another rate does not count.
        state.left = 0.0;
        drop(state);
        self.inner.changed.notify_waiters();
    }

    /// What it lets through now.
    pub fn flow(&self) -> Flow {
        self.inner.lock().flow
    }

    /// Waits until a block may be asked for.
    pub(crate) async fn share(&self) -> Share {
        let _turn = self.inner.turn.lock().await;
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            // Before looking, so that no change is missed in between.
            changed.as_mut().enable();
            let wait = match self.inner.lock().take(Instant::now()) {
                Ok(guessed) => {
                    let inner = Arc::clone(&self.inner);
                    return Share { inner, guessed };
                }
                Err(wait) => wait,
            };
            match wait {
                Some(wait) => {
                    let _ = timeout(wait, changed).await;
                }
                None => changed.await,
            }
        }
    }
}

impl Share {
    /// The block has come with so many bytes.
    pub(crate) fn came(mut self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "blocks have at most 2 MiB")]
        let bytes = bytes as f64;
        let mut state = self.inner.lock();
        state.left += self.guessed - bytes;
        state.guess += (bytes - state.guess) * NEWEST;
        drop(state);
        self.guessed = 0.0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // It did not come.
        if self.guessed > 0.0 {
            self.inner.lock().left += self.guessed;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
    fn rate(&self) -> Option<f64> {
        match self.flow {
            Flow::Rate(rate) => Some(rate.max(1) as f64),
            Flow::Free | Flow::Paused => None,
        }
    }

    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        if let Some(rate) = self.rate() {
            self.left = (self.left + since * rate).min(rate * BURST);
        }
    }

    /// Takes a block out. If it may not: how long until it may, or none if that depends on others.
    fn take(&mut self, now: Instant) -> Result<f64, Option<Duration>> {
        self.fill(now);
        let rate = match self.flow {
            Flow::Free => return Ok(0.0),
            Flow::Paused => return Err(None),
            Flow::Rate(rate) => rate,
        };
        if self.left < 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
            let seconds = (-self.left / rate.max(1) as f64).clamp(0.001, 3600.0);
            return Err(Some(Duration::from_secs_f64(seconds)));
        }
        self.left -= self.guess;
        Ok(self.guess)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Throttle").field(&self.flow()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `count` blocks of `bytes` through, one after another.
    async fn blocks(throttle: &Throttle, count: usize, bytes: usize) -> Duration {
        let began = Instant::now();
        for _ in 0..count {
            throttle.share().await.came(bytes);
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_come_at_the_rate_whatever_the_size_of_blocks() {
        let throttle = Throttle::new(Flow::Rate(1_000_000));
        for (count, bytes) in [(30, 1_000_000), (3000, 10_000)] {
            blocks(&throttle, 1, bytes).await;
            let took = blocks(&throttle, count, bytes).await.as_secs_f64();
            assert!((28.0..=31.0).contains(&took), "{count} blocks: {took} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_a_time_do_not_outrun_it() {
        let throttle = Throttle::new(Flow::Rate(1_000_000));
        let began = Instant::now();
        // None comes before all were asked for: the guess is what holds them.
        let shares: Vec<Share> = futures::future::join_all((0..40).map(|_| throttle.share())).await;
        let took = began.elapsed().as_secs_f64();
        assert!(
            (9.0..=11.0).contains(&took),
            "40 guesses of 256 KiB: {took} s"
        );
        drop(shares);
        assert!(began.elapsed() + blocks(&throttle, 1, 1).await < Duration::from_secs(12));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_and_a_new_rate_counts_at_once() {
        let throttle = Throttle::new(Flow::Paused);
        let waiting = throttle.clone();
        let mut waiting = std::pin::pin!(waiting.share());
        let long = timeout(Duration::from_secs(3600), &mut waiting).await;
        assert!(long.is_err(), "paused");
        throttle.set(Flow::Rate(1));
        waiting.await.came(1000);
        let slow = timeout(Duration::from_secs(60), throttle.share()).await;
        assert!(slow.is_err(), "a thousand seconds' worth");
        throttle.set(Flow::Free);
        assert_eq!(blocks(&throttle, 1000, 1 << 20).await, Duration::ZERO);
        assert_eq!(throttle.flow(), Flow::Free);
    }
}
