//! Frames: four bytes of length, highest first, and that many bytes.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that are made room for before any of them is there: a peer that promises much and sends
/// nothing costs no more.
const FIRST: usize = 16 << 10;

/// Why there is no frame.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The stream was closed before the first byte.
    None,
    /// The frame says that it is longer than allowed.
    TooLarge(u64),
    /// The stream broke.
    Broken(io::Error),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Reads one frame of at most `max` bytes.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<Bytes, FrameError> {
    let mut length = [0; 4];
    let (first, rest) = length.split_at_mut(1);
    if stream.read(first).await? == 0 {
        return Err(FrameError::None);
    }
    stream.read_exact(rest).await?;
    let length = u32::from_be_bytes(length);
    let wanted = match usize::try_from(length) {
        Ok(wanted) if wanted <= max => wanted,
        _ => return Err(FrameError::TooLarge(length.into())),
    };
    let mut bytes = Vec::with_capacity(wanted.min(FIRST));
    let mut frame = stream.take(length.into());
    frame.read_to_end(&mut bytes).await?;
    if bytes.len() < wanted {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes.into())
}

/// Writes one frame and sends it off.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> Result<(), io::Error> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_back(bytes: &[u8]) -> Result<Bytes, FrameError> {
        read(&mut futures::io::Cursor::new(bytes), 4).await
    }

    #[tokio::test]
    async fn a_frame_is_its_length_and_its_bytes() {
        let mut written = Vec::new();
        write(&mut written, b"abcd").await.unwrap();
        assert_eq!(written, b"\0\0\0\x04abcd");
        assert_eq!(read_back(&written).await.unwrap(), "abcd");
        assert_eq!(read_back(b"\0\0\0\0").await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_no_frame_is_told_apart() {
        assert!(matches!(read_back(b"").await, Err(FrameError::None)));
        for cut in [&b"\0"[..], b"\0\0\0", b"\0\0\0\x04abc"] {
            let error = read_back(cut).await.unwrap_err();
            assert!(matches!(error, FrameError::Broken(_)), "{cut:?}");
        }
        let huge = read_back(b"\xff\xff\xff\xffabcd").await;
        assert!(matches!(huge, Err(FrameError::TooLarge(0xffff_ffff))));
    }
}
