//! Bit rate ceilings by picture size and frame rate.

use crate::source::Rational;

/// Pixels per frame and the ceiling in bits per second at up to 30 frames per second, from
/// 240p to 2160p. They bound what constant quality may spend on a hard scene; most scenes stay
/// well below.
const CEILINGS: [(u64, u64); 7] = [
    (426 * 240, 400_000),
    (640 * 360, 800_000),
    (854 * 480, 1_400_000),
    (1280 * 720, 2_800_000),
    (1920 * 1080, 5_000_000),
    (2560 * 1440, 9_000_000),
    (3840 * 2160, 16_000_000),
];

/// Below this a ceiling would starve even a tiny picture.
const FLOOR: u64 = 100_000;

/// Ceiling in bits per second for a picture of `width` x `height`, rounded to 1,000.
pub(super) fn max_bitrate(width: u32, height: u32, rate: Rational) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let mut below = (0, 0);
    let mut above = None;
    for point in CEILINGS {
        if point.0 >= pixels {
            above = Some(point);
            break;
        }
        below = point;
    }
    let base = match above {
        Some((size, ceiling)) => {
            below.1 + (ceiling - below.1) * (pixels - below.0) / (size - below.0)
        }
        // Beyond the table: in proportion to the size.
        None => below.1 * pixels / below.0,
    };
    let scaled = base.max(FLOOR) * frame_rate_percent(rate) / 100;
    scaled.next_multiple_of(1_000)
}

/// 100 up to 30 frames per second, 150 at 60, at most 200: frames that follow each other faster
/// differ less.
fn frame_rate_percent(rate: Rational) -> u64 {
    let fps_milli = u64::from(rate.num) * 1_000 / u64::from(rate.den.max(1));
    (100 + fps_milli.saturating_sub(30_000) * 50 / 30_000).min(200)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILM: Rational = Rational { num: 24, den: 1 };

    #[test]
    fn known_sizes_have_their_ceilings() {
        assert_eq!(max_bitrate(1280, 720, FILM), 2_800_000);
        assert_eq!(max_bitrate(720, 1280, FILM), 2_800_000);
        assert_eq!(
            max_bitrate(1280, 720, Rational { num: 60, den: 1 }),
            4_200_000
        );
        assert_eq!(
            max_bitrate(
                1920,
                1080,
                Rational {
                    num: 30_000,
                    den: 1_001
                }
            ),
            5_000_000
        );
        assert_eq!(max_bitrate(2, 2, FILM), 100_000);
    }

    proptest! {
        #[test]
        fn more_pixels_never_get_a_lower_ceiling(
            width in 1u32..8192, height in 1u32..8192, more in 0u32..512, num: u32, den: u32,
        ) {
            let rate = Rational { num, den };
            prop_assert!(max_bitrate(width, height, rate) <= max_bitrate(width + more, height, rate));
            prop_assert!(max_bitrate(width, height, rate) >= FLOOR);
        }
    }
}
