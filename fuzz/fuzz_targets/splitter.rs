//! The splitter of fragmented MP4: how the bytes were cut when they arrived changes nothing, and
//! whatever it hands out can be looked into.
#![no_main]

use cidcast_media::mp4::{InitInfo, Part, SegmentInfo, Splitter, number_segment};
use libfuzzer_sys::fuzz_target;

/// All parts until the first error, and whether there was none.
fn split<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Part>, bool) {
    let mut splitter = Splitter::new();
    let mut parts = Vec::new();
    for piece in pieces {
        match splitter.push(piece) {
            Ok(more) => parts.extend(more),
            Err(_) => return (parts, false),
        }
    }
    match splitter.finish() {
        Ok(more) => {
            parts.extend(more);
            (parts, true)
        }
        Err(_) => (parts, false),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let (parts, whole) = split(std::iter::once(bytes));
    let (others, others_whole) = split(bytes.chunks(usize::from(cut) + 1));
    assert_eq!(whole, others_whole);
    if whole {
        assert_eq!(parts, others);
    }
    let mut init = None;
    for part in others {
        match part {
            Part::Init(bytes) => init = InitInfo::parse(&bytes).ok(),
            Part::Segment(bytes) => {
                if let Some(init) = &init {
                    let _ = SegmentInfo::parse(&bytes, init);
                }
                if let Ok(numbered) = number_segment(&bytes, 7) {
                    // A number is written over the one before.
                    let again = number_segment(&numbered, 7);
                    assert_eq!(again.ok(), Some(numbered));
                }
            }
        }
    }
});
