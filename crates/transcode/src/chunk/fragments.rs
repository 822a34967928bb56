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

/// Where each fragment starts.
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
    Ok(starts)
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
