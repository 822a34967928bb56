//! The manifest of a package of which only some renditions are here.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::read::{DashError, MAX_BYTES, text};

/// The manifest with those representations only whose `id` is to be kept. Adaptation sets of which
/// nothing is left go too; everything else stays as it was written.
///
/// # Errors
///
/// [`DashError`] if it is no manifest, or nothing of it is left.
pub fn only_with(manifest: &str, keep: impl Fn(&str) -> bool) -> Result<String, DashError> {
    if manifest.len() > MAX_BYTES {
        return Err(DashError::TooLong {
            bytes: manifest.len(),
            limit: MAX_BYTES,
        });
    }
    let mut reader = Reader::from_str(manifest);
    let mut cut = Cut::default();
    loop {
        let from = position(&reader);
        let event = reader.read_event();
        let event = event.map_err(|error| DashError::Xml(Box::new(error)))?;
        let span = from..position(&reader);
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                "AdaptationSet" => cut.set = Some((from, 0)),
                "Representation" if !cut.keeps(&element, &keep)? => cut.dropped = Some(from),
                _ => {}
            },
            Event::Empty(element)
                if element.local_name().as_ref() == "Representation"
                    && !cut.keeps(&element, &keep)? =>
            {
                cut.gone.push(span);
            }
            Event::End(element) => match element.local_name().as_ref() {
                "AdaptationSet" => cut.end_set(span.end),
                "Representation" => cut.end_representation(span.end),
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    if cut.kept == 0 {
        return Err(DashError::Missing("Representation"));
    }
    Ok(without(manifest, &cut.gone))
}

/// What goes.
#[derive(Default)]
struct Cut {
    /// In order; none overlaps another.
    gone: Vec<Range<usize>>,
    /// Where the adaptation set begins that is being read, and what it keeps.
    set: Option<(usize, usize)>,
    /// Where the representation begins that is being read and goes.
    dropped: Option<usize>,
    kept: usize,
}

impl Cut {
    fn keeps(
        &mut self,
        element: &BytesStart<'_>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<bool, DashError> {
        let id = text(element, ("Representation", "id"))?.unwrap_or_default();
        let is_kept = keep(&id);
        if is_kept {
            self.kept += 1;
            if let Some((_, kept)) = &mut self.set {
                *kept += 1;
            }
        }
        Ok(is_kept)
    }

    fn end_representation(&mut self, end: usize) {
        self.gone.extend(self.dropped.take().map(|from| from..end));
    }

    fn end_set(&mut self, end: usize) {
        if let Some((from, 0)) = self.set.take() {
            self.gone.retain(|span| span.start < from);
            self.gone.push(from..end);
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The text without these spans, and without the white space before each.
fn without(text: &str, gone: &[Range<usize>]) -> String {
    let mut left = String::with_capacity(text.len());
    let mut from = 0;
    for span in gone {
        left.push_str(text.get(from..span.start).unwrap_or_default().trim_end());
        from = span.end;
    }
    left.push_str(text.get(from..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD mediaPresentationDuration="PT4S">
 <Period>
  <AdaptationSet contentType="video">
   <Representation id="720p"><SegmentTemplate media="v"/></Representation>
   <Representation id="480p"><SegmentTemplate media="w"/></Representation>
  </AdaptationSet>
  <AdaptationSet contentType="audio">
   <Representation id="main"><SegmentTemplate media="a"/></Representation>
  </AdaptationSet>
 </Period>
</MPD>
"#;

    #[test]
    fn what_is_not_here_is_not_listed() {
        let part = only_with(WHOLE, |id| id != "720p").unwrap();
        assert!(!part.contains("720p"), "{part}");
        assert!(part.contains("480p") && part.contains("main"), "{part}");
        assert_eq!(part.matches("AdaptationSet").count(), 4);
    }

    #[test]
    fn a_set_of_which_nothing_is_left_goes() {
        let part = only_with(WHOLE, |id| id == "main").unwrap();
        assert!(!part.contains("video"), "{part}");
        assert_eq!(part.matches("AdaptationSet").count(), 2);
        assert!(matches!(
            only_with(WHOLE, |_| false),
            Err(DashError::Missing("Representation"))
        ));
    }

    #[test]
    fn with_everything_it_stays_as_it_is() {
        assert_eq!(only_with(WHOLE, |_| true).unwrap(), WHOLE);
    }
}
