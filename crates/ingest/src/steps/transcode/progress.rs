//! How far the encoding of one asset is, told to the catalog a few times a second.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cidcast_catalog::UnitName;
use cidcast_transcode::Progress;
use cidcast_types::Micros;

use super::Work;
use crate::job::Context;
use crate::steps::probe::Probed;

/// A person sees twice a second as live; the catalog hardly notices it.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Sound encodes this many times faster than picture, roughly: its share of the work.
const AUDIO_WEIGHT: f64 = 0.03;

/// Media time done, over all units of one asset.
pub(crate) struct Meter {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    units: HashMap<UnitName, Unit>,
    /// Media seconds encoded by this process, for the speed; what was found finished is not speed.
    encoded: f64,
}

struct Unit {
    length: f64,
    done: f64,
}

impl Meter {
    pub(super) fn new(probed: &Probed) -> Self {
        let total = probed.media.duration;
        let mut units = HashMap::new();
        for work in super::units(probed) {
            units.insert(
                work.name(),
                Unit {
                    length: length(work, total),
                    done: 0.0,
                },
            );
        }
        let state = State {
            units,
            encoded: 0.0,
        };
        Self {
            began: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// An encoder's progress within its unit.
    pub(super) fn advance(&self, work: Work<'_>, progress: Progress) {
        let done = progress.position.as_secs_f64();
        self.set(work, |unit| done.clamp(unit.done, unit.length));
    }

    /// A unit is done.
    pub(super) fn finish(&self, work: Work<'_>) {
        self.set(work, |unit| unit.length);
    }

    fn set(&self, work: Work<'_>, done: impl FnOnce(&Unit) -> f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { units, encoded } = &mut *state;
        if let Some(unit) = units.get_mut(&work.name()) {
            let done = done(unit);
            if matches!(work, Work::Chunk(_)) {
                *encoded += done - unit.done;
            }
            unit.done = done;
        }
    }

    /// Percent of all work, and media seconds per second so far.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "percent and speed are for people"
    )]
    fn read(&self) -> (f32, Option<f32>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, mut all) = (0.0, 0.0);
        for (name, unit) in &state.units {
            let weight = if matches!(name, UnitName::Chunk(_)) {
                1.0
            } else {
                AUDIO_WEIGHT
            };
            done += unit.done * weight;
            all += unit.length * weight;
        }
        let elapsed = self.began.elapsed().as_secs_f64();
        let speed = (state.encoded > 0.0 && elapsed > 0.5).then(|| state.encoded / elapsed);
        let percent = if all > 0.0 { 100.0 * done / all } else { 0.0 };
        (percent as f32, speed.map(|speed| speed as f32))
    }

    /// Waits for the encoding, which watches for cancellation itself, and reports its progress.
    pub(super) async fn watch<T>(&self, context: &Context, encoding: impl Future<Output = T>) -> T {
        let mut encoding = std::pin::pin!(encoding);
        let mut last = f32::NEG_INFINITY;
        loop {
            tokio::select! {
                result = &mut encoding => return result,
                () = tokio::time::sleep(REPORT_EVERY) => {}
            }
            let (percent, speed) = self.read();
            if percent > last {
                last = percent;
                context.report(percent, speed).await;
            }
        }
    }
}

fn length(work: Work<'_>, total: Micros) -> f64 {
    match work {
        Work::Chunk(span) => span.end.unwrap_or(total).since(span.start).as_secs_f64(),
        Work::Audio(_) => total.as_secs_f64(),
    }
}
