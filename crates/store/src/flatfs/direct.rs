//! Writing large blocks past the page cache.
//!
//! Copying a block into the page cache can cost the processor more than receiving and hashing it
//! (`docs/performance.md`), and leaves the disk its work for the sync that follows. A large block
//! goes to the disk directly instead; whoever reads it brings it into the cache. Where a file
//! system cannot do that, blocks are written as any file is.

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use cidcast_runtime::locked;

/// Smaller ones are written faster through the cache, which the disk empties many at a time.
const MIN_BYTES: usize = 256 << 10;
/// Memory, length and place of a direct write are multiples of the disk's block: at most this.
const ALIGNMENT: usize = 4096;
/// Bytes of one write.
const PORTION: usize = 1 << 20;
/// Buffers that are kept: about as many threads write at a time.
const MAX_SPARE: usize = 4;

/// How a folder's file system takes direct writes.
#[derive(Debug)]
pub(super) struct Direct {
    /// Until the file system refuses.
    is_possible: AtomicBool,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Direct {
    pub(super) fn new() -> Self {
        Self {
            is_possible: AtomicBool::new(true),
            spare: Mutex::default(),
        }
    }

    /// Writes the beginning of `data` into a new file; how much that is. The rest is for the
    /// caller to append, as usual: all of a small block, the odd end of a large one.
    pub(super) fn write(&self, file: &File, data: &[u8]) -> io::Result<usize> {
        let whole = data.len() - data.len() % ALIGNMENT;
        let Some(data) = data.get(..whole) else {
            return Ok(0);
        };
        if data.len() < MIN_BYTES || !self.is_possible.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let mut done = 0;
        match self.try_write(file, data, &mut done) {
            // What else is wrong with the disk shows when the rest is written.
            Err(error) if is_refusal(&error) => {
                self.is_possible.store(false, Ordering::Relaxed);
                Ok(done)
            }
            written => written.map(|()| done),
        }
    }

    fn try_write(&self, file: &File, data: &[u8], done: &mut usize) -> io::Result<()> {
        let mode = Mode::direct(file)?;
        let mut buffer = locked(&self.spare).pop().unwrap_or_default();
        let written = write_portions(file, data, &mut buffer, done);
        let mut spare = locked(&self.spare);
        if spare.len() < MAX_SPARE {
            spare.push(buffer);
        }
        drop(spare);
        written.and(mode.restore(file))
    }
}

/// Not a fault of the disk or the data: this way of writing is not known.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Copies each portion to where the disk can fetch it from, and writes it.
fn write_portions(
    mut file: &File,
    data: &[u8],
    buffer: &mut Vec<u8>,
    done: &mut usize,
) -> io::Result<()> {
    buffer.resize(PORTION + ALIGNMENT, 0);
    let start = buffer.as_ptr().align_offset(ALIGNMENT);
    for portion in data.chunks(PORTION) {
        let Some(aligned) = buffer.get_mut(start..start.saturating_add(portion.len())) else {
            return Ok(());
        };
        aligned.copy_from_slice(portion);
        let written = loop {
            match io::Write::write(&mut file, aligned) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        *done += written;
        if written < portion.len() {
            return Ok(()); // it may not end where another direct write can begin
        }
    }
    Ok(())
}

/// How a file was opened.
#[cfg(target_os = "linux")]
struct Mode(rustix::fs::OFlags);

#[cfg(target_os = "linux")]
impl Mode {
    /// Lets writes go past the cache. Set on the open file, since opening one like this may make it
    /// and then fail.
    fn direct(file: &File) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(file)?;
        rustix::fs::fcntl_setfl(file, flags | rustix::fs::OFlags::DIRECT)?;
        Ok(Self(flags))
    }

    fn restore(&self, file: &File) -> io::Result<()> {
        Ok(rustix::fs::fcntl_setfl(file, self.0)?)
    }
}

/// Other systems have other ways, which are not used.
#[cfg(not(target_os = "linux"))]
struct Mode;

#[cfg(not(target_os = "linux"))]
impl Mode {
    fn direct(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn restore(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What the file holds once the rest is appended.
    fn written(direct: &Direct, data: &[u8]) -> (usize, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        let mut file = File::create_new(&path).unwrap();
        let done = direct.write(&file, data).unwrap();
        file.write_all(&data[done..]).unwrap();
        (done, std::fs::read(&path).unwrap())
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len)
            .map(|n| n.wrapping_mul(31).to_le_bytes()[1])
            .collect()
    }

    #[test]
    fn a_block_of_any_length_is_whole() {
        let direct = Direct::new();
        for len in [
            0,
            1,
            MIN_BYTES - 1,
            MIN_BYTES,
            MIN_BYTES + 1,
            PORTION,
            PORTION + ALIGNMENT + 17,
            2 * PORTION - 1,
        ] {
            let data = bytes(len);
            let (done, read) = written(&direct, &data);
            assert!(
                done.is_multiple_of(ALIGNMENT) && done <= len,
                "{done} of {len}"
            );
            assert!(read == data, "{len}");
        }
    }

    #[test]
    fn a_file_system_that_refused_is_not_asked_again() {
        let direct = Direct::new();
        direct.is_possible.store(false, Ordering::Relaxed);
        let data = bytes(PORTION);
        assert_eq!(written(&direct, &data), (0, data));
    }
}
