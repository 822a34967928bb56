//! What a segment holds, and its place in the sequence.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Atom, FourCC, Mfhd, Tfdt, Tfhd, Trun, TrunEntry, TrunSamples};

use super::boxes::{BoxView, boxes, decode, leaf};
use super::{InitInfo, Mp4Error};

const MOOF: FourCC = FourCC::new(b"moof");
const MDAT: FourCC = FourCC::new(b"mdat");
/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 §8.8.3.1).
const NON_SYNC: u32 = 0x1_0000;
/// `styp` of a CMAF segment (ISO/IEC 23000-19 §7.3.2.1): a DASH media segment and a CMAF segment
/// that is one fragment.
const STYP: &[u8; 28] = b"\0\0\0\x1cstypmsdh\0\0\0\0msdhcmfscmff";

/// What the samples of one segment add up to. Times are in ticks of [`InitInfo::timescale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Decode time of the first sample (`tfdt`).
    pub base_decode_time: u64,
    /// Sum of the samples' durations.
    pub duration: u64,
    /// Number of samples.
    pub samples: u32,
    /// When the first picture or sound is presented, edit list applied: below 0 is priming.
    pub earliest_presentation: i64,
    /// Whether decoding can start here.
    pub starts_with_sync: bool,
}

impl SegmentInfo {
    /// Reads one segment of the track that `init` describes: one `moof`, one `mdat`, and before
    /// them at most `styp`, `sidx`, `prft` and the like.
    pub fn parse(segment: &[u8], init: &InitInfo) -> Result<Self, Mp4Error> {
        let (moof, mdat) = fragment(segment)?;
        let traf = only_traf(moof.body)?;
        let tfhd: Tfhd = leaf(traf)?;
        let track_fits = tfhd.track_id == init.track_id;
        if !track_fits {
            return Err(Mp4Error::Missing { kind: Tfhd::KIND });
        }
        if tfhd.base_data_offset.is_some() {
            return Err(Mp4Error::AbsoluteOffset);
        }
        let base_decode_time = leaf::<Tfdt>(traf)?.base_media_decode_time;
        let defaults = Defaults::of(&tfhd, init);
        let mut sum = Sum::starting_at(base_decode_time)?;
        for item in boxes(traf) {
            let view = item?;
            if view.kind == Trun::KIND {
                sum.add_run(&decode(view.body)?, &defaults)?;
            }
        }
        sum.finish(base_decode_time, mdat.body.len() as u64, init)
    }
}

/// The only `moof` of a segment, and the `mdat` after it.
fn fragment(segment: &[u8]) -> Result<(BoxView<'_>, BoxView<'_>), Mp4Error> {
    let mut moof = None;
    let mut mdat = None;
    for item in boxes(segment) {
        let view = item?;
        if view.kind == MOOF && moof.is_none() {
            moof = Some(view);
        } else if view.kind == MDAT && moof.is_some() && mdat.is_none() {
            mdat = Some(view);
        } else if moof.is_some() || view.kind == MDAT {
            return Err(Mp4Error::Unexpected {
                kind: view.kind,
                expected: "one moof and one mdat",
            });
        }
    }
    let moof = moof.ok_or(Mp4Error::Missing { kind: MOOF })?;
    let mdat = mdat.ok_or(Mp4Error::Missing { kind: MDAT })?;
    Ok((moof, mdat))
}

fn only_traf(moof: &[u8]) -> Result<&[u8], Mp4Error> {
    let mut only = None;
    let mut count = 0;
    for item in boxes(moof) {
        let view = item?;
        if view.kind == FourCC::new(b"traf") {
            count += 1;
            only = Some(view.body);
        }
    }
    only.filter(|_| count == 1)
        .ok_or(Mp4Error::TrackCount(count))
}

/// What holds for samples that state nothing of their own.
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

impl Defaults {
    fn of(tfhd: &Tfhd, init: &InitInfo) -> Self {
        Self {
            duration: tfhd
                .default_sample_duration
                .unwrap_or(init.default_sample_duration),
            size: tfhd.default_sample_size.unwrap_or(init.default_sample_size),
            flags: tfhd
                .default_sample_flags
                .unwrap_or(init.default_sample_flags),
        }
    }
}

/// What the samples read so far add up to.
struct Sum {
    decode_time: i64,
    bytes: u64,
    samples: u32,
    earliest: Option<i64>,
    starts_with_sync: bool,
}

impl Sum {
    fn starting_at(decode_time: u64) -> Result<Self, Mp4Error> {
        let decode_time = i64::try_from(decode_time).map_err(|_| Mp4Error::DecodeTime)?;
        Ok(Self {
            decode_time,
            bytes: 0,
            samples: 0,
            earliest: None,
            starts_with_sync: false,
        })
    }

    fn add_run(&mut self, run: &Trun, defaults: &Defaults) -> Result<(), Mp4Error> {
        match &run.samples {
            // All alike: no loop over a count that nobody backed with bytes.
            TrunSamples::Inherited { count: 0, .. } => Ok(()),
            TrunSamples::Inherited { count, first_flags } => {
                let first = TrunEntry {
                    flags: *first_flags,
                    ..TrunEntry::default()
                };
                self.add(first, 1, defaults)?;
                self.add(TrunEntry::default(), count - 1, defaults)
            }
            TrunSamples::Explicit(entries) => entries
                .iter()
                .try_for_each(|&entry| self.add(entry, 1, defaults)),
        }
    }

    /// Adds `count` samples that are alike.
    fn add(&mut self, entry: TrunEntry, count: u32, defaults: &Defaults) -> Result<(), Mp4Error> {
        if count == 0 {
            return Ok(());
        }
        if self.samples == 0 {
            self.starts_with_sync = entry.flags.unwrap_or(defaults.flags) & NON_SYNC == 0;
        }
        let shown = self
            .decode_time
            .checked_add(entry.cts.unwrap_or(0))
            .ok_or(Mp4Error::DecodeTime)?;
        self.earliest = Some(self.earliest.map_or(shown, |earliest| earliest.min(shown)));
        let times = |value: Option<u32>, default: u32| {
            u64::from(value.unwrap_or(default)) * u64::from(count)
        };
        let length = times(entry.duration, defaults.duration);
        self.decode_time = self
            .decode_time
            .checked_add_unsigned(length)
            .ok_or(Mp4Error::DecodeTime)?;
        self.bytes = self
            .bytes
            .checked_add(times(entry.size, defaults.size))
            .ok_or(Mp4Error::SampleData)?;
        self.samples = self
            .samples
            .checked_add(count)
            .ok_or(Mp4Error::SampleData)?;
        Ok(())
    }

    fn finish(self, base: u64, data_bytes: u64, init: &InitInfo) -> Result<SegmentInfo, Mp4Error> {
        let Some(earliest) = self.earliest else {
            return Err(Mp4Error::Empty);
        };
        if self.bytes != data_bytes {
            return Err(Mp4Error::SampleData);
        }
        let end = u64::try_from(self.decode_time).map_err(|_| Mp4Error::DecodeTime)?;
        Ok(SegmentInfo {
            base_decode_time: base,
            duration: end.saturating_sub(base),
            samples: self.samples,
            earliest_presentation: earliest
                .checked_sub_unsigned(init.edit_media_time)
                .and_then(|time| time.checked_add_unsigned(init.edit_delay))
                .ok_or(Mp4Error::DecodeTime)?,
            starts_with_sync: self.starts_with_sync,
        })
    }
}

/// Gives a segment its number in the rendition: `mfhd.sequence_number` becomes `index + 1`, and a
/// CMAF `styp` goes first. Whatever stood before the `moof` is dropped, so doing it again changes
/// nothing. Afterwards the bytes depend on the frames and the index alone, not on the chunk.
pub fn number_segment(segment: &[u8], index: u32) -> Result<Bytes, Mp4Error> {
    let (moof, _) = fragment(segment)?;
    let header = 8;
    let start = moof
        .body_offset
        .checked_sub(header)
        .ok_or(Mp4Error::BoxSize)?;
    let kept = segment.get(start..).ok_or(Mp4Error::BoxSize)?;
    if !kept.get(4..).is_some_and(|rest| rest.starts_with(b"moof")) {
        // A 64-bit size: no movie fragment needs one.
        return Err(Mp4Error::BoxSize);
    }
    let mfhd = boxes(moof.body)
        .find_map(|item| match item {
            Ok(view) if view.kind == Mfhd::KIND => Some(Ok(view)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .ok_or(Mp4Error::Missing { kind: Mfhd::KIND })??;
    // Version and flags, then the number.
    let at = header + mfhd.body_offset + 4;
    if mfhd.body.len() != 8 {
        return Err(Mp4Error::BoxSize);
    }
    let mut numbered = BytesMut::with_capacity(STYP.len() + kept.len());
    numbered.put_slice(STYP);
    numbered.put_slice(kept.get(..at).ok_or(Mp4Error::BoxSize)?);
    numbered.put_u32(index.saturating_add(1));
    numbered.put_slice(kept.get(at + 4..).ok_or(Mp4Error::BoxSize)?);
    Ok(numbered.freeze())
}
