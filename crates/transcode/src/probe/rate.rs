//! The frame rate, judged by the time stamps rather than by what headers say.

use cidcast_media::source::Rational;

/// Rates that cameras and editors use.
const STANDARD: &[(u32, u32)] = &[
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48_000, 1001),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (120_000, 1001),
    (120, 1),
    (5, 1),
    (8, 1),
    (10, 1),
    (12, 1),
    (15_000, 1001),
    (15, 1),
    (20, 1),
    (100, 1),
    (240, 1),
];

/// What the time stamps show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Frames per second: exact where constant, else the average.
    pub rate: Rational,
    /// Whether frames come at uneven distances.
    pub variable: bool,
}

/// Judges `times` (microseconds, in any order, perhaps with unseen stretches between) against the
/// rates that the file states. A rate is constant if every frame lies on its grid, to a quarter
/// of a frame, and all but a few follow each other directly.
pub(super) fn judge(times: &[i64], stated: &[Rational]) -> Pace {
    let mut times = times.to_vec();
    times.sort_unstable();
    let median = median_step(&times);
    let fallback = || {
        let measured = Rational {
            num: 1_000_000,
            den: median.clamp(1_000, 100_000_000),
        };
        stated
            .iter()
            .copied()
            .find(|rate| is_plausible(*rate))
            .unwrap_or(measured)
    };
    if times.len() < 2 {
        let rate = stated.iter().copied().find(|rate| is_plausible(*rate));
        return Pace {
            rate: rate.unwrap_or(Rational { num: 25, den: 1 }),
            variable: false,
        };
    }
    let standard = STANDARD.iter().map(|&(num, den)| Rational { num, den });
    let best = standard
        .chain(stated.iter().copied())
        .filter(|rate| is_plausible(*rate))
        .filter_map(|rate| Some((deviation(&times, rate)?, rate)))
        // The first of equals wins: standard rates.
        .min_by_key(|(deviation, _)| *deviation);
    match best {
        Some((_, rate)) => Pace {
            rate,
            variable: false,
        },
        None => Pace {
            rate: fallback(),
            variable: true,
        },
    }
}

/// From one frame in 100 seconds to 1000 in one.
fn is_plausible(rate: Rational) -> bool {
    let (num, den) = (u64::from(rate.num), u64::from(rate.den));
    num <= 1000 * den && den <= 100 * num && num <= 1_000_000
}

/// The largest distance from the grid in millionths of a frame, in coarse steps; `None` if this is
/// not the grid.
fn deviation(times: &[i64], rate: Rational) -> Option<i128> {
    const FRAME: i128 = 1_000_000;
    let first = i128::from(*times.first()?);
    let (mut worst, mut steps, mut single, mut last) = (0, 0u64, 0u64, None);
    for &time in times {
        let position = (i128::from(time) - first) * i128::from(rate.num) * FRAME
            / (i128::from(rate.den) * 1_000_000);
        let number = (position + FRAME / 2).div_euclid(FRAME);
        worst = worst.max((position - number * FRAME).abs());
        match last.map(|last| number - last) {
            Some(0) => return None,
            Some(step) => {
                steps += 1;
                single += u64::from(step == 1);
            }
            None => {}
        }
        last = Some(number);
    }
    // Rounding of time stamps to microseconds is not a difference between rates.
    let coarse = worst / 1_000;
    (worst < FRAME / 4 && single * 100 >= steps * 95).then_some(coarse)
}

/// The median distance of frames in microseconds.
fn median_step(sorted: &[i64]) -> u32 {
    let mut steps: Vec<i64> = sorted
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.saturating_sub(*pair.first()?)))
        .collect();
    steps.sort_unstable();
    let median = steps.get(steps.len() / 2).copied().unwrap_or(40_000);
    u32::try_from(median).unwrap_or(40_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(rate: Rational, frames: i64, tick: i64) -> Vec<i64> {
        (0..frames)
            .map(|n| n * 1_000_000 * i64::from(rate.den) / i64::from(rate.num))
            .map(|time| (time + tick / 2) / tick * tick)
            .collect()
    }

    proptest! {
        #[test]
        fn a_standard_rate_is_found_in_rounded_time_stamps(
            which in 0..STANDARD.len(), frames in 250i64..2000, start in -1_000_000i64..1_000_000_000,
        ) {
            let (num, den) = STANDARD[which];
            prop_assume!(num <= 100 * den);
            let rate = Rational { num, den };
            let times: Vec<i64> = grid(rate, frames, 1_000).iter().map(|t| t + start).collect();
            let pace = judge(&times, &[Rational { num: 90_000, den: 1 }, rate]);
            prop_assert_eq!(pace, Pace { rate, variable: false });
        }

        #[test]
        fn no_time_stamps_make_judging_panic(times: Vec<i64>, num in 1u32.., den in 1u32..) {
            let pace = judge(&times, &[Rational { num, den }]);
            prop_assert!(pace.rate.num > 0 && pace.rate.den > 0);
        }
    }

    #[test]
    fn a_phone_that_slows_down_is_variable() {
        let mut times = grid(Rational { num: 30, den: 1 }, 150, 1);
        let last = times[149];
        times.extend(
            grid(Rational { num: 24, den: 1 }, 150, 1)
                .iter()
                .map(|t| t + last + 41_667),
        );
        let pace = judge(&times, &[Rational { num: 27, den: 1 }]);
        assert_eq!(
            pace,
            Pace {
                rate: Rational { num: 27, den: 1 },
                variable: true
            }
        );
    }

    #[test]
    fn a_few_dropped_frames_do_not_make_a_rate_variable() {
        let mut times = grid(Rational { num: 25, den: 1 }, 500, 1);
        times.remove(100);
        times.remove(300);
        assert!(!judge(&times, &[]).variable);
    }

    #[test]
    fn an_unusual_constant_rate_is_taken_from_the_file() {
        let rate = Rational { num: 37, den: 2 };
        assert_eq!(
            judge(&grid(rate, 300, 1), &[rate]),
            Pace {
                rate,
                variable: false
            }
        );
    }

    #[test]
    fn one_frame_has_the_stated_rate() {
        let rate = Rational { num: 2, den: 1 };
        assert_eq!(
            judge(&[7], &[rate]),
            Pace {
                rate,
                variable: false
            }
        );
        assert_eq!(judge(&[], &[]).rate, Rational { num: 25, den: 1 });
    }
}
