//! Memory for large frames, used again.
//!
//! A frame of a megabyte is more than allocators keep: they take it from the system and give it
//! back, and every time all its pages are made and cleared anew, which costs about as much as
//! decrypting what is then read into them.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cidcast_runtime::locked;

/// Smaller frames are left to the allocator, and sizes are multiples of this, so that frames with
/// equally large blocks fit into each other's memory.
const STEP: usize = 64 << 10;
/// Bytes that are kept while nobody needs them: a few messages of each of a few peers.
const MAX_SPARE_BYTES: usize = 16 << 20;

/// Buffers that were used before. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer whose content is read by somebody, until that ends.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}

impl Buffers {
    /// The length of a buffer for `bytes`.
    pub(super) fn length(bytes: usize) -> usize {
        if bytes < STEP {
            bytes
        } else {
            bytes.checked_next_multiple_of(STEP).unwrap_or(bytes)
        }
    }

    /// A buffer for a large frame of `bytes`, if one of about this size is there. What is in it is
    /// of no meaning.
    pub(super) fn take(&self, bytes: usize) -> Option<Vec<u8>> {
        if bytes < STEP {
            return None;
        }
        let mut spare = locked(&self.spare);
        // A small frame must not keep the memory of a large one.
        let fits = |buffer: &Vec<u8>| (bytes..=bytes.saturating_mul(2)).contains(&buffer.len());
        let at = spare.iter().rposition(fits)?;
        Some(spare.swap_remove(at))
    }

    /// A part of a buffer as bytes. The buffer is used again when nobody reads them any more.
    pub(super) fn share(&self, buffer: Vec<u8>, part: Range<usize>) -> Bytes {
        let bytes = if buffer.len() < STEP {
            Bytes::from(buffer)
        } else {
            let home = self.clone();
            Bytes::from_owner(Lent { buffer, home })
        };
        if part.end <= bytes.len() && part.start <= part.end {
            bytes.slice(part)
        } else {
            Bytes::new()
        }
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut spare = locked(&self.spare);
        let kept: usize = spare.iter().map(Vec::len).sum();
        if kept + buffer.len() <= MAX_SPARE_BYTES {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_reader_is_gone() {
        let buffers = Buffers::default();
        let frame = buffers.share(vec![7; 4 * STEP], 1..3 * STEP);
        let block = frame.slice(5..6);
        drop(frame);
        assert_eq!(buffers.take(3 * STEP), None);
        assert_eq!(&block[..], [7]);
        drop(block);
        assert_eq!(buffers.take(3 * STEP), Some(vec![7; 4 * STEP]));
        assert_eq!(buffers.take(3 * STEP), None);
    }

    #[test]
    fn a_small_frame_does_not_get_the_memory_of_a_large_one() {
        let buffers = Buffers::default();
        drop(buffers.share(vec![0; 4 * STEP], 0..1));
        assert_eq!(buffers.take(STEP), None);
        assert_eq!(buffers.take(5 * STEP), None);
        assert!(buffers.take(2 * STEP).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        let many = 2 * MAX_SPARE_BYTES / (4 * STEP);
        let lent: Vec<Bytes> = (0..many)
            .map(|_| buffers.share(vec![0; 4 * STEP], 0..1))
            .collect();
        drop(lent);
        let kept = std::iter::from_fn(|| buffers.take(4 * STEP)).count();
        assert_eq!(kept, many / 2);
    }
}
