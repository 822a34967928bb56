//! Reading playlists back.

use cidcast_types::Micros;

use super::attributes::{Attribute, Quoting, attributes};
use super::{Ended, HlsError, MAX_BYTES};
use crate::seconds;

/// A multivariant playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterPlaylist {
    /// `EXT-X-MEDIA`, in order.
    pub renditions: Vec<RenditionTag>,
    /// `EXT-X-STREAM-INF` with its URI, in order. Never empty.
    pub variants: Vec<VariantTag>,
}

/// One `EXT-X-MEDIA`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenditionTag {
    /// `TYPE`
    pub kind: String,
    /// `GROUP-ID`
    pub group: String,
    /// `NAME`
    pub name: String,
    /// `LANGUAGE`
    pub language: Option<String>,
    /// `URI`; without one the rendition is part of the variant.
    pub uri: Option<String>,
}

/// One `EXT-X-STREAM-INF`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VariantTag {
    /// `BANDWIDTH` in bits per second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH` in bits per second.
    pub average_bandwidth: Option<u64>,
    /// `CODECS`, one by one.
    pub codecs: Vec<String>,
    /// `RESOLUTION`: width and height.
    pub resolution: Option<(u32, u32)>,
    /// `AUDIO`: a group.
    pub audio: Option<String>,
    /// The media playlist.
    pub uri: String,
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// `EXT-X-TARGETDURATION` in seconds.
    pub target_duration: u64,
    /// `EXT-X-PLAYLIST-TYPE`.
    pub playlist_type: Option<PlaylistType>,
    /// Whether there is an `EXT-X-ENDLIST`.
    pub ended: Ended,
    /// URI of `EXT-X-MAP`.
    pub map: Option<String>,
    /// In order.
    pub segments: Vec<MediaSegment>,
}

/// `EXT-X-PLAYLIST-TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistType {
    /// Never changes.
    Vod,
    /// Only grows.
    Event,
}

/// One segment of a media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSegment {
    /// `EXTINF`; digits beyond a microsecond are cut off.
    pub duration: Micros,
    /// Where it is.
    pub uri: String,
}

/// Reads a multivariant playlist. Tags that it does not know are skipped.
pub fn parse_master(text: &str) -> Result<MasterPlaylist, HlsError> {
    const VARIANT: &str = "EXT-X-STREAM-INF";
    let mut playlist = MasterPlaylist::default();
    let mut open: Option<VariantTag> = None;
    for (line, content) in lines(text)? {
        match Line::of(content) {
            Line::Tag("EXT-X-MEDIA", list) => playlist.renditions.push(rendition(line, list)?),
            Line::Tag(VARIANT, list) => {
                if open.is_some() {
                    return Err(HlsError::Uri { line, tag: VARIANT });
                }
                open = Some(variant(line, list)?);
            }
            Line::Tag(..) | Line::Nothing => {}
            Line::Uri(uri) => {
                let tag = open.take().ok_or(HlsError::Uri { line, tag: VARIANT })?;
                playlist.variants.push(VariantTag {
                    uri: uri.to_owned(),
                    ..tag
                });
            }
        }
    }
    if playlist.variants.is_empty() || open.is_some() {
        return Err(HlsError::Missing { tag: VARIANT });
    }
    Ok(playlist)
}

/// Reads a media playlist. Tags that it does not know are skipped.
pub fn parse_media(text: &str) -> Result<MediaPlaylist, HlsError> {
    const TARGET: &str = "EXT-X-TARGETDURATION";
    const DURATION: &str = "EXTINF";
    let mut target = None;
    let mut playlist = MediaPlaylist::empty();
    let mut open: Option<Micros> = None;
    for (line, content) in lines(text)? {
        match Line::of(content) {
            Line::Tag(TARGET, value) => {
                let seconds = value.parse();
                target = Some(seconds.map_err(|_| HlsError::Tag { line, tag: TARGET })?);
            }
            Line::Tag("EXT-X-PLAYLIST-TYPE", value) => {
                playlist.playlist_type = Some(playlist_type(line, value)?);
            }
            Line::Tag("EXT-X-MAP", list) => playlist.map = Some(map_uri(line, list)?),
            Line::Tag("EXT-X-ENDLIST", _) => playlist.ended = Ended::Yes,
            Line::Tag(DURATION, value) => {
                open = Some(duration(value).ok_or(HlsError::Tag {
                    line,
                    tag: DURATION,
                })?);
            }
            Line::Tag(..) | Line::Nothing => {}
            Line::Uri(uri) => {
                let duration = open.take().ok_or(HlsError::Uri {
                    line,
                    tag: DURATION,
                })?;
                playlist.segments.push(MediaSegment {
                    duration,
                    uri: uri.to_owned(),
                });
            }
        }
    }
    if open.is_some() {
        return Err(HlsError::Uri {
            line: text.lines().count(),
            tag: DURATION,
        });
    }
    playlist.target_duration = target.ok_or(HlsError::Missing { tag: TARGET })?;
    Ok(playlist)
}

impl MediaPlaylist {
    fn empty() -> Self {
        Self {
            target_duration: 0,
            playlist_type: None,
            ended: Ended::No,
            map: None,
            segments: Vec::new(),
        }
    }
}

/// What stands before the title of an `EXTINF`.
fn duration(value: &str) -> Option<Micros> {
    seconds::parse(value.split(',').next().unwrap_or_default())
}

/// Checks size and first line; gives each line its number, counted from 1.
fn lines(text: &str) -> Result<impl Iterator<Item = (usize, &str)>, HlsError> {
    if text.len() > MAX_BYTES {
        return Err(HlsError::TooLong {
            bytes: text.len(),
            limit: MAX_BYTES,
        });
    }
    if text.lines().next().map(str::trim_end) != Some("#EXTM3U") {
        return Err(HlsError::NotAPlaylist);
    }
    Ok((1..).zip(text.lines().map(str::trim_end)))
}

enum Line<'a> {
    /// Name without `#`, and what follows the colon.
    Tag(&'a str, &'a str),
    Uri(&'a str),
    /// Empty, or a comment.
    Nothing,
}

impl<'a> Line<'a> {
    fn of(content: &'a str) -> Self {
        match content.strip_prefix('#') {
            Some(tag) if tag.starts_with("EXT") => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                Self::Tag(name, value)
            }
            Some(_) => Self::Nothing,
            None if content.is_empty() => Self::Nothing,
            None => Self::Uri(content),
        }
    }
}

/// Attributes of a tag, by name; each at most once.
struct List<'a> {
    attributes: Vec<Attribute<'a>>,
    line: usize,
    tag: &'static str,
}

impl<'a> List<'a> {
    fn read(line: usize, tag: &'static str, list: &'a str) -> Result<Self, HlsError> {
        let attributes = attributes(list)
            .collect::<Option<_>>()
            .ok_or(HlsError::Tag { line, tag })?;
        Ok(Self {
            attributes,
            line,
            tag,
        })
    }

    fn get(&self, name: &str, quoting: Quoting) -> Result<Option<&'a str>, HlsError> {
        match self
            .attributes
            .iter()
            .find(|attribute| attribute.name == name)
        {
            None => Ok(None),
            Some(attribute) if attribute.quoting == quoting => Ok(Some(attribute.value)),
            Some(_) => Err(self.malformed()),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, HlsError> {
        Ok(self.get(name, Quoting::Quoted)?.map(str::to_owned))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, HlsError> {
        self.get(name, Quoting::Bare)?
            .map(|value| value.parse().map_err(|_| self.malformed()))
            .transpose()
    }

    fn malformed(&self) -> HlsError {
        HlsError::Tag {
            line: self.line,
            tag: self.tag,
        }
    }
}

fn rendition(line: usize, list: &str) -> Result<RenditionTag, HlsError> {
    let list = List::read(line, "EXT-X-MEDIA", list)?;
    let malformed = || list.malformed();
    Ok(RenditionTag {
        kind: list
            .get("TYPE", Quoting::Bare)?
            .ok_or_else(malformed)?
            .to_owned(),
        group: list.text("GROUP-ID")?.ok_or_else(malformed)?,
        name: list.text("NAME")?.ok_or_else(malformed)?,
        language: list.text("LANGUAGE")?,
        uri: list.text("URI")?,
    })
}

fn variant(line: usize, list: &str) -> Result<VariantTag, HlsError> {
    let list = List::read(line, "EXT-X-STREAM-INF", list)?;
    let codecs = list.text("CODECS")?.unwrap_or_default();
    let resolution = match list.get("RESOLUTION", Quoting::Bare)? {
        None => None,
        Some(value) => {
            let sides = value
                .split_once('x')
                .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
            Some(sides.ok_or_else(|| list.malformed())?)
        }
    };
    Ok(VariantTag {
        bandwidth: list.number("BANDWIDTH")?.ok_or_else(|| list.malformed())?,
        average_bandwidth: list.number("AVERAGE-BANDWIDTH")?,
        codecs: codecs
            .split(',')
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect(),
        resolution,
        audio: list.text("AUDIO")?,
        uri: String::new(),
    })
}

fn playlist_type(line: usize, value: &str) -> Result<PlaylistType, HlsError> {
    match value {
        "VOD" => Ok(PlaylistType::Vod),
        "EVENT" => Ok(PlaylistType::Event),
        _ => Err(HlsError::Tag {
            line,
            tag: "EXT-X-PLAYLIST-TYPE",
        }),
    }
}

fn map_uri(line: usize, list: &str) -> Result<String, HlsError> {
    let list = List::read(line, "EXT-X-MAP", list)?;
    list.text("URI")?.ok_or_else(|| list.malformed())
}
