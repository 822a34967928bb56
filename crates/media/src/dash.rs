//! The DASH manifest (ISO/IEC 23009-1): static, ISO BMFF live profile, over the same segments as
//! the HLS playlists.

use std::io;

use quick_xml::Writer;

use crate::layout;
use crate::package::{Bandwidth, Presentation, Track, TrackKind, target_seconds};
use crate::plan::{AudioRendition, VideoRendition};

mod only;
mod read;

pub use only::only_with;
pub use read::{DashError, Manifest, Representation, parse};

/// Writes `manifest.mpd` with URLs relative to the package's root.
///
/// Times count from the first thing that is presented: what an edit list cuts away from the
/// start of the sound is not part of the first segment's duration here.
pub fn manifest(presentation: &Presentation) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    // Writing into a `Vec` cannot fail, and what is written is UTF-8.
    let _ = mpd(&mut writer, presentation);
    let body = String::from_utf8(writer.into_inner()).unwrap_or_default();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n")
}

type Xml = Writer<Vec<u8>>;

fn mpd(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let duration = format!("PT{}S", presentation.duration());
    let buffer = presentation
        .tracks
        .iter()
        .map(|track| target_seconds(&track.segments, track.init.timescale))
        .max()
        .unwrap_or(1);
    let buffer = format!("PT{buffer}S");
    xml.create_element("MPD")
        .with_attributes([
            ("xmlns", "urn:mpeg:dash:schema:mpd:2011"),
            ("profiles", "urn:mpeg:dash:profile:isoff-live:2011"),
            ("type", "static"),
            ("mediaPresentationDuration", duration.as_str()),
            ("minBufferTime", buffer.as_str()),
        ])
        .write_inner_content(|xml| {
            xml.create_element("Period")
                .with_attributes([("id", "0"), ("start", "PT0S")])
                .write_inner_content(|xml| period(xml, presentation))?;
            Ok(())
        })?;
    Ok(())
}

/// One adaptation set for all pictures, and one for each sound track.
fn period(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let video: Vec<_> = presentation.video().collect();
    if !video.is_empty() {
        xml.create_element("AdaptationSet")
            .with_attributes([
                ("contentType", "video"),
                ("mimeType", "video/mp4"),
                ("segmentAlignment", "true"),
                ("startWithSAP", "1"),
            ])
            .write_inner_content(|xml| {
                video
                    .iter()
                    .try_for_each(|(track, rendition)| picture(xml, track, rendition))
            })?;
    }
    for (position, (track, rendition)) in presentation.audio().enumerate() {
        let role = if position == 0 { "main" } else { "alternate" };
        let mut set = xml.create_element("AdaptationSet").with_attributes([
            ("contentType", "audio"),
            ("mimeType", "audio/mp4"),
            ("segmentAlignment", "true"),
            ("startWithSAP", "1"),
        ]);
        if let Some(language) = &rendition.language {
            set = set.with_attribute(("lang", language.as_str()));
        }
        set.write_inner_content(|xml| {
            xml.create_element("Role")
                .with_attributes([("schemeIdUri", "urn:mpeg:dash:role:2011"), ("value", role)])
                .write_empty()?;
            sound(xml, track, rendition)
        })?;
    }
    Ok(())
}

fn picture(xml: &mut Xml, track: &Track, rendition: &VideoRendition) -> io::Result<()> {
    let rate = rendition.frame_rate;
    let rate = if rate.den == 1 {
        rate.num.to_string()
    } else {
        format!("{}/{}", rate.num, rate.den)
    };
    xml.create_element("Representation")
        .with_attributes([
            ("id", rendition.name.as_str()),
            ("codecs", track.init.codec.as_str()),
            ("bandwidth", Bandwidth::of(track).peak.to_string().as_str()),
            ("width", rendition.width.to_string().as_str()),
            ("height", rendition.height.to_string().as_str()),
            ("frameRate", rate.as_str()),
        ])
        .write_inner_content(|xml| template(xml, track))?;
    Ok(())
}

fn sound(xml: &mut Xml, track: &Track, rendition: &AudioRendition) -> io::Result<()> {
    xml.create_element("Representation")
        .with_attributes([
            ("id", rendition.name.as_str()),
            ("codecs", track.init.codec.as_str()),
            ("bandwidth", Bandwidth::of(track).peak.to_string().as_str()),
            (
                "audioSamplingRate",
                rendition.sample_rate.to_string().as_str(),
            ),
        ])
        .write_inner_content(|xml| {
            xml.create_element("AudioChannelConfiguration")
                .with_attributes([
                    (
                        "schemeIdUri",
                        "urn:mpeg:dash:23003:3:audio_channel_configuration:2011",
                    ),
                    ("value", rendition.channels.to_string().as_str()),
                ])
                .write_empty()?;
            template(xml, track)
        })?;
    Ok(())
}

fn template(xml: &mut Xml, track: &Track) -> io::Result<()> {
    let folder = layout::rendition(track.branch(), track.name());
    xml.create_element("SegmentTemplate")
        .with_attributes([
            ("timescale", track.init.timescale.to_string().as_str()),
            ("startNumber", "0"),
            (
                "initialization",
                format!("{folder}/{}", layout::INIT).as_str(),
            ),
            ("media", format!("{folder}/$Number%05d$.m4s").as_str()),
        ])
        .write_inner_content(|xml| {
            xml.create_element("SegmentTimeline")
                .write_inner_content(|xml| timeline(xml, track))?;
            Ok(())
        })?;
    Ok(())
}

fn timeline(xml: &mut Xml, track: &Track) -> io::Result<()> {
    let mut rows: Vec<(u64, u64)> = Vec::new();
    let mut cut = match track.kind {
        TrackKind::Video(_) => 0,
        TrackKind::Audio(_) => track.priming(),
    };
    for segment in &track.segments {
        let duration = segment.duration.saturating_sub(cut);
        cut = cut.saturating_sub(segment.duration);
        match rows.last_mut() {
            Some((same, count)) if *same == duration => *count += 1,
            _ => rows.push((duration, 1)),
        }
    }
    for (position, (duration, count)) in rows.into_iter().enumerate() {
        let mut row = xml.create_element("S");
        if position == 0 {
            row = row.with_attribute(("t", "0"));
        }
        row = row.with_attribute(("d", duration.to_string().as_str()));
        if count > 1 {
            row = row.with_attribute(("r", (count - 1).to_string().as_str()));
        }
        row.write_empty()?;
    }
    Ok(())
}
