//! Reading a manifest of the shape that we write.

use cidcast_types::Micros;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::layout::MAX_SEGMENTS;
use crate::seconds;

/// Largest manifest that is read: 16 renditions whose segments all differ fit.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// More renditions than any package has.
const MAX_REPRESENTATIONS: usize = 64;

/// A manifest, as far as the files of a package are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `mediaPresentationDuration`
    pub duration: Micros,
    /// In order, of all adaptation sets.
    pub representations: Vec<Representation>,
}

/// One `Representation` with its `SegmentTemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Representation {
    /// `id`
    pub id: String,
    /// `codecs`
    pub codecs: String,
    /// `bandwidth` in bits per second.
    pub bandwidth: u64,
    /// Ticks per second.
    pub timescale: u64,
    /// Path of the initialisation segment.
    pub initialization: String,
    /// Path of a segment, with `$Number%05d$` in it.
    pub media: String,
    /// Duration of each segment in ticks.
    pub durations: Vec<u64>,
}

impl Representation {
    /// Path of segment `index`, counted from 0.
    pub fn segment(&self, index: u32) -> String {
        self.media.replace("$Number%05d$", &format!("{index:05}"))
    }
}

/// Text is not a manifest of the shape that we write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashError {
    /// Too large to be one of ours.
    #[error("the manifest has {bytes} bytes, more than the {limit} that are read")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// Not well-formed XML.
    #[error("the manifest is not well-formed XML: {0}")]
    Xml(#[source] Box<quick_xml::Error>),
    /// An attribute is missing or has an unreadable value.
    #[error("the manifest's <{element}> has no valid `{attribute}`")]
    Attribute {
        /// Name of the element.
        element: &'static str,
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// An element that must be there is not, or is not where it belongs.
    #[error("the manifest has no <{0}> where one belongs")]
    Missing(&'static str),
    /// More segments or renditions than a package has.
    #[error("the manifest lists more than a package holds")]
    TooMany,
}

/// Reads a manifest. Elements that it does not know are skipped.
pub fn parse(text: &str) -> Result<Manifest, DashError> {
    if text.len() > MAX_BYTES {
        return Err(DashError::TooLong {
            bytes: text.len(),
            limit: MAX_BYTES,
        });
    }
    let mut reader = Reader::from_str(text);
    let mut duration = None;
    let mut representations: Vec<Representation> = Vec::new();
    loop {
        let event = reader
            .read_event()
            .map_err(|error| DashError::Xml(Box::new(error)))?;
        let (Event::Start(element) | Event::Empty(element)) = event else {
            match event {
                Event::Eof => break,
                _ => continue,
            }
        };
        match element.local_name().as_ref() {
            "MPD" => duration = Some(presentation_duration(&element)?),
            "Representation" => representations.push(representation(&element)?),
            "SegmentTemplate" => template(&element, open(&mut representations)?)?,
            "S" => row(&element, open(&mut representations)?)?,
            _ => {}
        }
        if representations.len() > MAX_REPRESENTATIONS {
            return Err(DashError::TooMany);
        }
    }
    let duration = duration.ok_or(DashError::Missing("MPD"))?;
    if representations.is_empty() {
        return Err(DashError::Missing("Representation"));
    }
    if representations.iter().any(|r| r.media.is_empty()) {
        return Err(DashError::Missing("SegmentTemplate"));
    }
    Ok(Manifest {
        duration,
        representations,
    })
}

/// The representation that an element belongs to.
fn open(representations: &mut [Representation]) -> Result<&mut Representation, DashError> {
    representations
        .last_mut()
        .ok_or(DashError::Missing("Representation"))
}

/// An attribute's text, if the element has it.
pub(super) fn text(
    element: &BytesStart<'_>,
    names: (&'static str, &'static str),
) -> Result<Option<String>, DashError> {
    let (element_name, attribute) = names;
    let malformed = || DashError::Attribute {
        element: element_name,
        attribute,
    };
    let mut attributes = element.attributes();
    // Comparing each with each takes n² time; the first of a name counts instead.
    for item in attributes.with_checks(false) {
        let item = item.map_err(|_| malformed())?;
        if item.key.as_ref() == attribute {
            let value = item
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| malformed())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

fn required(
    element: &BytesStart<'_>,
    names: (&'static str, &'static str),
) -> Result<String, DashError> {
    text(element, names)?.ok_or(DashError::Attribute {
        element: names.0,
        attribute: names.1,
    })
}

fn number(element: &BytesStart<'_>, names: (&'static str, &'static str)) -> Result<u64, DashError> {
    required(element, names)?
        .parse()
        .map_err(|_| DashError::Attribute {
            element: names.0,
            attribute: names.1,
        })
}

fn presentation_duration(element: &BytesStart<'_>) -> Result<Micros, DashError> {
    let names = ("MPD", "mediaPresentationDuration");
    let value = required(element, names)?;
    value
        .strip_prefix("PT")
        .and_then(|rest| rest.strip_suffix('S'))
        .and_then(seconds::parse)
        .ok_or(DashError::Attribute {
            element: names.0,
            attribute: names.1,
        })
}

fn representation(element: &BytesStart<'_>) -> Result<Representation, DashError> {
    Ok(Representation {
        id: required(element, ("Representation", "id"))?,
        codecs: required(element, ("Representation", "codecs"))?,
        bandwidth: number(element, ("Representation", "bandwidth"))?,
        ..Representation::default()
    })
}

fn template(element: &BytesStart<'_>, into: &mut Representation) -> Result<(), DashError> {
    into.timescale = number(element, ("SegmentTemplate", "timescale"))?;
    into.initialization = required(element, ("SegmentTemplate", "initialization"))?;
    into.media = required(element, ("SegmentTemplate", "media"))?;
    let counted = number(element, ("SegmentTemplate", "startNumber"))? == 0
        && into.media.contains("$Number%05d$");
    if counted && into.timescale > 0 {
        Ok(())
    } else {
        Err(DashError::Attribute {
            element: "SegmentTemplate",
            attribute: "media",
        })
    }
}

fn row(element: &BytesStart<'_>, into: &mut Representation) -> Result<(), DashError> {
    let duration = number(element, ("S", "d"))?;
    let repeats = match text(element, ("S", "r"))? {
        None => 0,
        Some(value) => value.parse::<u32>().map_err(|_| DashError::Attribute {
            element: "S",
            attribute: "r",
        })?,
    };
    let count = u64::from(repeats) + 1;
    if into.durations.len() as u64 + count > u64::from(MAX_SEGMENTS) {
        return Err(DashError::TooMany);
    }
    into.durations.extend((0..count).map(|_| duration));
    Ok(())
}
