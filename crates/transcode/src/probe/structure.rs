//! Whether a container says that it is longer than the file: the sure sign of an upload that was
//! cut off. Reads a few headers, never the media.
//!
//! Formats: ISO base media (ISO/IEC 14496-12 §4.2), Matroska (RFC 8794 §6, RFC 9559 §5.1), RIFF.

use std::io::{self, Read, Seek, SeekFrom};

/// What the headers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// Nothing wrong, or a format that does not say.
    Plausible,
    /// A part is announced that is not there.
    Cut(&'static str),
    /// A picture in a video container (HEIC, AVIF).
    Image,
}

/// More boxes at the top level than any file has: a fragment every second for eleven days.
const MOST_BOXES: usize = 1_000_000;

/// Looks at a whole file.
pub(super) fn inspect(file: &mut (impl Read + Seek)) -> io::Result<Structure> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut head = [0; 12];
    let read = read_at(file, 0, &mut head)?;
    match head.get(..read).unwrap_or_default() {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => {
            let image = [b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"];
            if image.iter().any(|name| brand.starts_with(*name)) {
                return Ok(Structure::Image);
            }
            boxes(file, length)
        }
        [_, _, _, _, b'm', b'o', b'o', b'v' | b'f', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..]
        | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => boxes(file, length),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska(file, length),
        [b'R', b'I', b'F', b'F', a, b, c, d, ..] => {
            let announced = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
            // 0 and the largest value are what a recorder writes before it knows.
            let known = announced != 0 && announced < 0xffff_ff00;
            Ok(if known && announced + 8 > length + 1 {
                Structure::Cut("the end of the recording")
            } else {
                Structure::Plausible
            })
        }
        _ => Ok(Structure::Plausible),
    }
}

/// Walks the top-level boxes; a missing index, or a box beyond the end, is a cut.
fn boxes(file: &mut (impl Read + Seek), length: u64) -> io::Result<Structure> {
    let (mut at, mut index) = (0, false);
    for _ in 0..MOST_BOXES {
        let mut head = [0; 16];
        let read = read_at(file, at, &mut head)?;
        let [a, b, c, d, kind @ .., e, f, g, h, i, j, k, l] = head;
        // Less than a header is left: the end, or padding that some writers leave there.
        if read < 8 {
            break;
        }
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => length - at,
            1 if read < 16 => return Ok(Structure::Cut("a part of its index")),
            1 => u64::from_be_bytes([e, f, g, h, i, j, k, l]),
            size => u64::from(size),
        };
        let known = [b"ftyp", b"moov", b"mdat", b"moof", b"sidx"].contains(&&kind);
        index |= &kind == b"moov";
        match at.checked_add(size) {
            Some(end) if size >= 8 && end <= length => at = end,
            _ if known && &kind == b"mdat" => return Ok(Structure::Cut("the end of the media")),
            _ if known => return Ok(Structure::Cut("a part of its index")),
            // Rubbish behind the last real box harms nobody.
            _ => break,
        }
    }
    Ok(if !index {
        Structure::Cut("its index")
    } else {
        Structure::Plausible
    })
}

/// The length of the first segment, if it is known, has to fit.
fn matroska(file: &mut (impl Read + Seek), length: u64) -> io::Result<Structure> {
    const SEGMENT: u64 = 0x1853_8067;
    let mut at = 0;
    // The EBML header, perhaps a void element, then the segment.
    for _ in 0..4 {
        let mut head = [0; 12];
        let read = read_at(file, at, &mut head)?;
        let head = head.get(..read).unwrap_or_default();
        let element = vint(head, Marker::Kept).and_then(|(id, taken)| {
            let (size, more) = vint(head.get(taken..)?, Marker::Removed)?;
            Some((id, size, taken + more))
        });
        let Some((id, size, taken)) = element else {
            return Ok(Structure::Cut("everything behind its first bytes"));
        };
        let start = at + taken as u64;
        let Some(size) = size else {
            return Ok(Structure::Plausible);
        };
        let Some(end) = start.checked_add(size) else {
            return Ok(Structure::Plausible);
        };
        if end > length {
            return Ok(Structure::Cut("the end of the media"));
        }
        if id == Some(SEGMENT) {
            return Ok(Structure::Plausible);
        }
        at = end;
    }
    Ok(Structure::Plausible)
}

/// Whether the length marker belongs to the value (ids) or not (sizes).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Kept,
    Removed,
}

/// An EBML variable-length integer and its length in bytes; the value is `None` where all bits
/// are ones: unknown.
fn vint(bytes: &[u8], marker: Marker) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let width = first.leading_zeros() as usize + 1;
    let bytes = bytes.get(..width).filter(|_| width <= 8)?;
    let raw = bytes
        .iter()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1u64 << (7 * width)) - 1;
    let value = match marker {
        Marker::Kept => Some(raw),
        Marker::Removed => Some(raw & mask).filter(|value| *value != mask),
    };
    Some((value, width))
}

/// Fills as much of `buffer` as the file has at `at`.
fn read_at(file: &mut (impl Read + Seek), at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn mp4_box(kind: &[u8; 4], payload: usize) -> Vec<u8> {
        let size = u32::try_from(payload + 8).unwrap();
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.resize(payload + 8, 7);
        bytes
    }

    fn seen(bytes: &[u8]) -> Structure {
        inspect(&mut Cursor::new(bytes)).unwrap()
    }

    fn movie(order: &[&[u8; 4]]) -> Vec<u8> {
        order.iter().flat_map(|kind| mp4_box(kind, 100)).collect()
    }

    #[test]
    fn whole_files_are_plausible() {
        assert_eq!(
            seen(&movie(&[b"ftyp", b"moov", b"mdat"])),
            Structure::Plausible
        );
        assert_eq!(
            seen(&movie(&[b"ftyp", b"free", b"mdat", b"moov"])),
            Structure::Plausible
        );
        let mut padded = movie(&[b"ftyp", b"moov", b"mdat"]);
        padded.extend_from_slice(&[0; 5]);
        assert_eq!(seen(&padded), Structure::Plausible);
        assert_eq!(seen(b"anything"), Structure::Plausible);
    }

    #[test]
    fn a_heic_picture_is_an_image() {
        let mut bytes = mp4_box(b"ftyp", 100);
        bytes[8..12].copy_from_slice(b"heic");
        assert_eq!(seen(&bytes), Structure::Image);
    }

    #[test]
    fn a_matroska_segment_has_to_fit() {
        let mut bytes = vec![0x1a, 0x45, 0xdf, 0xa3, 0x84, 1, 2, 3, 4];
        bytes.extend_from_slice(&[0x18, 0x53, 0x80, 0x67, 0x88, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(seen(&bytes), Structure::Plausible);
        assert!(matches!(seen(&bytes[..20]), Structure::Cut(_)));
        bytes[13] = 0xff;
        assert_eq!(
            seen(&bytes[..20]),
            Structure::Plausible,
            "a live recording says nothing"
        );
    }

    proptest! {
        #[test]
        fn a_movie_cut_anywhere_is_cut(front: bool, cut in 9usize..324) {
            let order: &[&[u8; 4]] =
                if front { &[b"ftyp", b"moov", b"mdat"] } else { &[b"ftyp", b"mdat", b"moov"] };
            let whole = movie(order);
            // Between boxes, behind the index: nothing shows that something is missing.
            prop_assume!(!front || cut / 108 != 2 || cut % 108 >= 8);
            prop_assert!(matches!(seen(&whole[..cut]), Structure::Cut(_)), "{}", cut);
        }

        #[test]
        fn no_bytes_make_looking_panic(head in 0usize..4, tail: Vec<u8>) {
            let heads: [&[u8]; 4] =
                [b"", b"\0\0\0\x18ftypisom", &[0x1a, 0x45, 0xdf, 0xa3], b"RIFF"];
            let bytes = [heads[head], &tail].concat();
            prop_assert!(inspect(&mut Cursor::new(bytes)).is_ok());
        }
    }
}
