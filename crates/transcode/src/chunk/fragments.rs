//! The fragments of a finished file: are there any, and does the last one belong to it?

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// More than any fragment's header: 16 bytes for each of a segment's frames.
const LARGEST_HEADER: u64 = 1024 * 1024;

/// Cuts off a last fragment that begins at `closing` (in ticks) or later. False, with the file
/// removed, if there is no fragment.
pub(super) fn finish(path: &Path, closing: Option<u64>) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut starts = fragments(&mut file)?;
    if let (Some(closing), Some(&last)) = (closing, starts.last())
        && decode_time(&mut file, last)? >= closing
    {
        file.set_len(last)?;
        starts.pop();
    }
    if starts.is_empty() {
        std::fs::remove_file(path)?;
    }
    Ok(!starts.is_empty())
}

/// Where each fragment starts. A file that ends in the middle of one is an error.
fn fragments(file: &mut File) -> io::Result<Vec<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut at, mut starts) = (0, Vec::new());
    while at < length {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        if &kind == b"moof" {
            starts.push(at);
        }
        match u32::from_be_bytes([a, b, c, d]) {
            size @ 8.. => at += u64::from(size),
            _ => return Err(ErrorKind::InvalidData.into()),
        }
    }
    if at == length {
        Ok(starts)
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// The decode time of the fragment at `at`, in ticks (`tfdt`, ISO/IEC 14496-12 §8.8.12).
fn decode_time(file: &mut File, at: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(at))?;
    let mut header = Vec::new();
    file.take(LARGEST_HEADER).read_to_end(&mut header)?;
    // ffmpeg writes it before anything that could hold these letters by chance.
    let name = header.windows(4).position(|window| window == b"tfdt");
    let fields = name.and_then(|name| header.get(name + 4..name + 16));
    match fields {
        Some([1, _, _, _, time @ ..]) => <[u8; 8]>::try_from(time)
            .map(u64::from_be_bytes)
            .map_err(|_| ErrorKind::InvalidData.into()),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes(), kind.as_slice(), payload].concat()
    }

    /// An initialisation segment and a fragment for each of `times`.
    fn file(times: &[u64]) -> (tempfile::TempDir, std::path::PathBuf) {
        let mut bytes = [a_box(b"ftyp", b"iso6"), a_box(b"moov", &[0; 40])].concat();
        for time in times {
            let tfdt = a_box(
                b"tfdt",
                &[&[1, 0, 0, 0], time.to_be_bytes().as_slice()].concat(),
            );
            bytes.extend(a_box(b"moof", &a_box(b"traf", &tfdt)));
            bytes.extend(a_box(b"mdat", &[9; 100]));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_closing_frame_is_cut_off_and_any_other_kept() {
        let length = |path: &Path| std::fs::metadata(path).unwrap().len();
        let (_folder, two) = file(&[0, 90_000]);
        let (_folder2, one) = file(&[0]);
        assert!(finish(&two, Some(90_001)).unwrap());
        assert!(finish(&two, Some(90_000)).unwrap());
        assert_eq!(length(&two), length(&one));
        assert!(finish(&one, None).unwrap());
    }

    #[test]
    fn a_file_without_a_frame_is_removed() {
        for (times, closing) in [(vec![], None), (vec![90_000], Some(90_000))] {
            let (_folder, path) = file(&times);
            assert!(!finish(&path, closing).unwrap());
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        let (_folder, path) = file(&[0]);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(std::fs::metadata(&path).unwrap().len() - 1)
            .unwrap();
        assert_eq!(
            finish(&path, None).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    }
}
