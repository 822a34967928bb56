//! What an initialisation segment says about its track.

use mp4_atom::esds::DecoderSpecific;
use mp4_atom::{Audio, Avcc, Decode, Elst, Esds, FourCC, Mdhd, Mvhd, Tkhd, Trex, Visual};
use serde::{Deserialize, Serialize};

use super::Mp4Error;
use super::boxes::{boxes, decode, descend, find, leaf, require};

/// MPEG-4 audio, in an `esds` (ISO/IEC 14496-1, object type indications).
const MPEG4_AUDIO: u8 = 0x40;
/// An `esds` of AAC has about 50 bytes; its descriptors nest, so the bound is also one on depth.
const ESDS_LIMIT: usize = 1_024;

/// What playlists and segments need to know of an initialisation segment. Stored with the unit
/// that it came from, hence the serde derives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitInfo {
    /// Ticks per second, never 0.
    pub timescale: u32,
    /// RFC 6381: `avc1.64001f`, `mp4a.40.2`.
    pub codec: String,
    /// Picture or sound.
    pub media: InitMedia,
    /// First media time that is shown, in ticks (`elst`): what lies before it is priming.
    pub edit_media_time: u64,
    /// How long nothing is shown before that, in ticks (empty edits of `elst`).
    pub edit_delay: u64,
    /// The track that the fragments speak of.
    pub track_id: u32,
    /// Duration of samples that state none, in ticks (`trex`).
    pub default_sample_duration: u32,
    /// Size of samples that state none, in bytes (`trex`).
    pub default_sample_size: u32,
    /// Flags of samples that state none (`trex`).
    pub default_sample_flags: u32,
}

/// Facts that only one kind of track has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitMedia {
    /// A picture track.
    Video {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A sound track.
    Audio {
        /// Number of channels.
        channels: u32,
        /// Samples per second.
        sample_rate: u32,
    },
}

impl InitInfo {
    /// Reads `ftyp` + `moov` with exactly one track.
    pub fn parse(init: &[u8]) -> Result<Self, Mp4Error> {
        let moov = descend(init, &[b"moov"])?;
        let trak = only_track(moov)?;
        let mdia = descend(trak, &[b"mdia"])?;
        let timescale = leaf::<Mdhd>(mdia)?.timescale;
        if timescale == 0 {
            return Err(Mp4Error::TimeScale);
        }
        let tkhd: Tkhd = leaf(trak)?;
        let trex = match find(moov, FourCC::new(b"mvex"))? {
            Some(mvex) => leaf::<Trex>(mvex.body)?,
            None => Trex::default(),
        };
        let (codec, media) = sample_entry(descend(mdia, &[b"minf", b"stbl", b"stsd"])?)?;
        let (edit_delay, edit_media_time) = edits(moov, trak, timescale)?;
        Ok(Self {
            timescale,
            codec,
            media,
            edit_media_time,
            edit_delay,
            track_id: tkhd.track_id,
            default_sample_duration: trex.default_sample_duration,
            default_sample_size: trex.default_sample_size,
            default_sample_flags: trex.default_sample_flags,
        })
    }
}

fn only_track(moov: &[u8]) -> Result<&[u8], Mp4Error> {
    let mut only = None;
    let mut count = 0;
    for item in boxes(moov) {
        let view = item?;
        if view.kind == FourCC::new(b"trak") {
            count += 1;
            only = Some(view.body);
        }
    }
    only.filter(|_| count == 1)
        .ok_or(Mp4Error::TrackCount(count))
}

/// The delay and the first media time of the edit list, both in ticks of the track.
fn edits(moov: &[u8], trak: &[u8], timescale: u32) -> Result<(u64, u64), Mp4Error> {
    let Some(edts) = find(trak, FourCC::new(b"edts"))? else {
        return Ok((0, 0));
    };
    let elst: Elst = leaf(edts.body)?;
    let movie_timescale = leaf::<Mvhd>(moov)?.timescale;
    if movie_timescale == 0 {
        return Err(Mp4Error::TimeScale);
    }
    let mut delay = 0u64;
    for entry in elst.entries {
        match entry.media_time {
            None => delay = delay.saturating_add(entry.segment_duration),
            Some(time) => {
                let ticks = u128::from(delay) * u128::from(timescale) / u128::from(movie_timescale);
                let ticks = i64::try_from(ticks).map_err(|_| Mp4Error::DecodeTime)?;
                return Ok((ticks.unsigned_abs(), time));
            }
        }
    }
    Ok((0, 0))
}

/// The codec string and the media facts of the first sample entry (ISO/IEC 14496-12 §8.5.2).
fn sample_entry(stsd: &[u8]) -> Result<(String, InitMedia), Mp4Error> {
    const STSD: FourCC = FourCC::new(b"stsd");
    // version and flags, then the number of entries
    let entries = stsd.get(8..).ok_or(Mp4Error::BoxSize)?;
    let entry = boxes(entries)
        .next()
        .ok_or(Mp4Error::Missing { kind: STSD })??;
    let malformed = |source| Mp4Error::Malformed {
        kind: entry.kind,
        source,
    };
    let mut rest = entry.body;
    let kind: [u8; 4] = entry.kind.into();
    match &kind {
        b"avc1" | b"avc3" => {
            let visual = Visual::decode(&mut rest).map_err(malformed)?;
            let avcc: Avcc = leaf(rest)?;
            let codec = format!(
                "{}.{:02x}{:02x}{:02x}",
                entry.kind,
                avcc.avc_profile_indication,
                avcc.profile_compatibility,
                avcc.avc_level_indication
            );
            let (width, height) = (visual.width.into(), visual.height.into());
            Ok((codec, InitMedia::Video { width, height }))
        }
        b"mp4a" => {
            let audio = Audio::decode(&mut rest).map_err(malformed)?;
            let config = aac_config(rest)?.ok_or(Mp4Error::Codec(entry.kind))?;
            let media = InitMedia::Audio {
                // The sample entry of an MP4 says 2 whatever the number of channels is.
                channels: match config.chan_conf {
                    0 => audio.channel_count.into(),
                    7 => 8,
                    channels => channels.into(),
                },
                sample_rate: audio.sample_rate.integer().into(),
            };
            Ok((format!("mp4a.40.{}", config.profile), media))
        }
        _ => Err(Mp4Error::Codec(entry.kind)),
    }
}

/// The AAC configuration, if the descriptor is one of MPEG-4 audio.
fn aac_config(entry_boxes: &[u8]) -> Result<Option<DecoderSpecific>, Mp4Error> {
    let kind = FourCC::new(b"esds");
    let body = require(entry_boxes, kind)?.body;
    if body.len() > ESDS_LIMIT {
        let (bytes, limit) = (body.len() as u64, ESDS_LIMIT as u64);
        return Err(Mp4Error::TooLarge { kind, bytes, limit });
    }
    let config = decode::<Esds>(body)?.es_desc.dec_config;
    let is_mpeg4 = config.object_type_indication == MPEG4_AUDIO;
    Ok(config
        .dec_specific
        .filter(|specific| is_mpeg4 && specific.profile != 0))
}
