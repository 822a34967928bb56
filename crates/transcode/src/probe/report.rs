//! What ffprobe writes (`-of json`), field by field, as far as it is used.

use cidcast_media::source::Rational;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub streams: Vec<Stream>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default)]
    pub format_name: String,
    /// How sure it is, up to 100.
    #[serde(default)]
    pub probe_score: i64,
    /// Seconds, as every time here: text with six decimals.
    pub start_time: Option<String>,
    pub duration: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Stream {
    pub index: u32,
    pub codec_type: Option<String>,
    pub codec_name: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// `num:den`; `0:1` where unknown.
    pub sample_aspect_ratio: Option<String>,
    pub pix_fmt: Option<String>,
    /// `num/den`; `0/0` where unknown. The lowest rate that shows every frame.
    pub r_frame_rate: Option<String>,
    pub avg_frame_rate: Option<String>,
    pub start_time: Option<String>,
    pub duration: Option<String>,
    pub bit_rate: Option<String>,
    pub channels: Option<u32>,
    pub sample_rate: Option<String>,
    #[serde(default)]
    pub disposition: Disposition,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub side_data_list: Vec<SideData>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Disposition {
    #[serde(default)]
    pub default: u8,
    #[serde(default)]
    pub attached_pic: u8,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Tags {
    pub language: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct SideData {
    /// Degrees, counter-clockwise, of the display matrix.
    pub rotation: Option<f64>,
}

impl Stream {
    pub(super) fn is(&self, kind: &str) -> bool {
        self.codec_type.as_deref() == Some(kind)
    }

    pub(super) fn is_cover(&self) -> bool {
        self.is("video") && self.disposition.attached_pic != 0
    }

    pub(super) fn codec(&self) -> &str {
        self.codec_name.as_deref().unwrap_or("unknown")
    }

    /// Width and height in square pixels, the right way up.
    pub(super) fn displayed(&self) -> Option<(u32, u32)> {
        /// H.264 level 6.2 and AV1 level 6.3 end here.
        const LARGEST: u32 = 16_384;
        let (width, height) = (self.width?, self.height?);
        let ratio = self.sample_aspect_ratio.as_deref().and_then(rational);
        let width = match ratio {
            Some(Rational { num, den }) => {
                let wide = u64::from(width) * u64::from(num) + u64::from(den) / 2;
                u32::try_from(wide / u64::from(den)).ok()?
            }
            None => width,
        };
        let plausible = |side: u32| (1..=LARGEST).contains(&side);
        if !plausible(width) || !plausible(height) {
            return None;
        }
        Some(if self.is_on_its_side() {
            (height, width)
        } else {
            (width, height)
        })
    }

    fn is_on_its_side(&self) -> bool {
        let turned = self.side_data_list.iter().find_map(|data| data.rotation);
        let turned = turned.unwrap_or(0.0).rem_euclid(180.0);
        (turned - 90.0).abs() < 45.0
    }
}

/// `30000/1001` or `4:3`, if neither part is 0.
pub(super) fn rational(text: &str) -> Option<Rational> {
    let (num, den) = text.split_once(['/', ':'])?;
    let (num, den) = (num.parse().ok()?, den.parse().ok()?);
    (num > 0 && den > 0).then_some(Rational { num, den })
}

/// Seconds as ffprobe writes them (`-1.433333`) in microseconds.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |text: &str| {
        let clean = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        clean.then(|| text.parse::<i64>().ok()).flatten()
    };
    let part = format!("{part:0<6}");
    let part = number(part.get(..6)?)?;
    number(whole)?
        .checked_mul(1_000_000)?
        .checked_add(part)
        .map(|micros| sign * micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(micros("1.433333"), Some(1_433_333));
        assert_eq!(micros("-0.021"), Some(-21_000));
        assert_eq!(micros("7"), Some(7_000_000));
        for bad in ["", "N/A", "-", "1e5", "9999999999999.0", "1.-5"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_turned_and_stretched_picture_has_its_displayed_size() {
        let stream = Stream {
            width: Some(720),
            height: Some(576),
            sample_aspect_ratio: Some("64:45".to_owned()),
            side_data_list: vec![SideData {
                rotation: Some(-90.0),
            }],
            ..Stream::default()
        };
        assert_eq!(stream.displayed(), Some((576, 1024)));
        let unknown = Stream {
            sample_aspect_ratio: Some("0:1".to_owned()),
            ..stream
        };
        assert_eq!(unknown.displayed(), Some((576, 720)));
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".{0,40}", ratio in "[0-9]{0,12}[:/][0-9]{0,12}") {
            let _ = micros(&text);
            let _ = rational(&ratio);
        }
    }
}
