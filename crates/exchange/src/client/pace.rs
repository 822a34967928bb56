//! How fast a peer is, and how much may be on order from it.
//!
//! The window grows like TCP's: by one block for each that arrives while the window was full, so
//! it doubles in each round trip; it shrinks by a quarter when blocks take much longer than the
//! quickest did, because then they queue at the peer and what is urgent would have to wait.

use std::time::{Duration, Instant};

use super::Limits;

/// Where a window starts: enough to measure with, and soon done even on a slow line.
const FIRST_WINDOW: usize = 16;
const LEAST_WINDOW: usize = 2;
/// Blocks that are ordered from a peer to find out how fast it is.
const TRIAL: usize = 4;
/// What a block is assumed to have until some have arrived: Kubo's chunk size.
const USUAL_BLOCK: u64 = 256 << 10;
/// What a peer is assumed to send until it is measured: a home's upload.
const USUAL_RATE: f64 = 5e6;
/// How long a queue at the peer may be beyond its delay.
const QUEUE: Duration = Duration::from_millis(500);
/// Bytes are counted over at least so long before they make a rate.
const SAMPLE: Duration = Duration::from_millis(200);

/// Measurements of one peer.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// What the peer can answer at a time, whatever the line could carry.
    most: usize,
    /// Bytes of a block, on average.
    block: u64,
    rate: Option<f64>,
    latency: Option<Duration>,
    quickest: Duration,
    sample_began: Instant,
    sampled: u64,
    shrunk: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window: FIRST_WINDOW,
            most: usize::MAX,
            block: USUAL_BLOCK,
            rate: None,
            latency: None,
            quickest: Duration::MAX,
            sample_began: now,
            sampled: 0,
            shrunk: now,
        }
    }

    /// How many blocks may be on order.
    pub(super) fn window(&self, limits: &Limits) -> usize {
        let by_bytes = limits.window_bytes / self.block.max(1);
        let by_bytes = usize::try_from(by_bytes).unwrap_or(usize::MAX);
        self.window
            .min(by_bytes)
            .clamp(LEAST_WINDOW, limits.window_blocks.max(LEAST_WINDOW))
            .min(self.most)
    }

    /// How many blocks the peer can answer at a time.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// No more than so many from now on.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = self.most.min(most.max(1));
    }

    /// When one more block would be here if `live` are on order. A peer that was not measured yet
    /// is given a few first: it may be the fastest.
    pub(super) fn offer(&self, live: usize) -> Duration {
        if self.latency.is_none() && live < TRIAL {
            Duration::ZERO
        } else {
            self.estimate(live + 1)
        }
    }

    /// How long `blocks` would take.
    pub(super) fn estimate(&self, blocks: usize) -> Duration {
        let bytes = self.block.saturating_mul(blocks as u64);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = bytes as f64 / self.rate.unwrap_or(USUAL_RATE).max(1.0);
        let delay = self.latency.map_or(Duration::ZERO, |_| self.quickest);
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(Duration::MAX)
            .saturating_add(delay)
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        self.latency
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.0)
    }

    /// The first block after a pause is on order: the time before does not count.
    pub(super) fn restarted(&mut self, now: Instant) {
        self.sample_began = now;
        self.sampled = 0;
    }

    /// A block arrived, `waited` after it was asked for, while `live` were on order.
    pub(super) fn arrived(&mut self, bytes: u64, waited: Duration, live: usize, now: Instant) {
        self.block = (self.block * 7 + bytes) / 8;
        self.quickest = self.quickest.min(waited);
        self.latency = Some(self.latency.map_or(waited, |old| (old * 7 + waited) / 8));
        self.measure(bytes, now);
        let target = (self.quickest * 4).max(self.quickest + QUEUE);
        if waited <= target {
            // Only a window that was used says that more would be too.
            if live * 4 >= self.window * 3 {
                self.window = self.window.saturating_add(1).min(1 << 16);
            }
        } else if waited > target * 2 && now.saturating_duration_since(self.shrunk) > waited {
            self.shrink(now);
        }
    }

    /// It did not answer in time.
    pub(super) fn was_silent(&mut self, now: Instant) {
        self.window = (self.window / 2).max(LEAST_WINDOW);
        self.shrunk = now;
    }

    fn shrink(&mut self, now: Instant) {
        self.window = (self.window * 3 / 4).max(LEAST_WINDOW);
        self.shrunk = now;
        // The line may have become longer: what was quickest then is no measure for ever.
        self.quickest = self.quickest.saturating_mul(5) / 4;
    }

    fn measure(&mut self, bytes: u64, now: Instant) {
        self.sampled += bytes;
        let span = now.saturating_duration_since(self.sample_began);
        if span >= SAMPLE {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = self.sampled as f64 / span.as_secs_f64();
            self.rate = Some(self.rate.map_or(rate, |old| old.mul_add(0.7, rate * 0.3)));
            self.restarted(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_wants: 1,
        window_bytes: 64 << 20,
        window_blocks: 1024,
    };

    /// Blocks of `bytes`, each `waited` after it was ordered, with a full window.
    fn after(blocks: usize, bytes: u64, waited: Duration) -> Pace {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for n in 0..blocks {
            let now = start + waited + Duration::from_millis(n as u64);
            pace.arrived(bytes, waited, pace.window(&LIMITS), now);
        }
        pace
    }

    #[test]
    fn a_window_that_is_used_grows_to_its_bounds() {
        let small = after(5_000, 16 << 10, Duration::from_millis(50));
        assert_eq!(small.window(&LIMITS), 1024);
        let large = after(5_000, 1 << 20, Duration::from_millis(50));
        assert_eq!(large.window(&LIMITS), 64);
    }

    #[test]
    fn a_window_shrinks_when_blocks_queue_at_the_peer() {
        let mut pace = after(200, 1 << 20, Duration::from_millis(20));
        let wide = pace.window(&LIMITS);
        let start = Instant::now() + Duration::from_secs(60);
        for n in 0..20 {
            let now = start + Duration::from_secs(5 * n);
            pace.arrived(1 << 20, Duration::from_secs(4), 8, now);
        }
        assert!(pace.window(&LIMITS) < wide / 4, "{}", pace.window(&LIMITS));
    }

    #[test]
    fn the_rate_is_what_arrived_over_time() {
        let pace = after(2_000, 100_000, Duration::from_millis(1));
        let rate = pace.rate();
        assert!((rate - 1e8).abs() < 2e7, "{rate}");
    }
}
