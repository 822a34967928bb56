//! One picture that stands for the asset.

use std::ffi::OsString;
use std::path::Path;

use bytes::Bytes;
use cidcast_media::source::SourceMedia;
use cidcast_types::Micros;
use tokio_util::sync::CancellationToken;

use crate::process::{Output, Patience, run};
use crate::{EncodeError, Tools, timeline};

/// More than any JPEG of a sensible size.
const LIMIT: usize = 16 * 1024 * 1024;

impl Tools {
    /// A JPEG at most `width` pixels wide: the most typical of the frames around a tenth of the
    /// length; for sound alone its cover art; `None` if there is neither.
    ///
    /// Cancel safety: dropping the future kills ffmpeg.
    ///
    /// # Errors
    /// See [`EncodeError::is_permanent`] for which of them are worth another try.
    pub async fn poster(
        &self,
        source: &Path,
        media: &SourceMedia,
        width: u32,
        cancel: &CancellationToken,
    ) -> Result<Option<Bytes>, EncodeError> {
        let tenth = Micros(media.duration.0 / 10);
        let stream = media.video.as_ref().map(|video| video.stream);
        let attempts = match (stream, media.cover) {
            (Some(stream), _) => vec![(stream, Some(tenth)), (stream, None)],
            (None, Some(cover)) => vec![(cover, None)],
            (None, None) => Vec::new(),
        };
        for (stream, at) in attempts {
            let picture = self
                .picture(source, media, stream, at, width, cancel)
                .await?;
            if !picture.is_empty() {
                return Ok(Some(picture));
            }
        }
        Ok(None)
    }

    /// Empty if no frame is there.
    async fn picture(
        &self,
        source: &Path,
        media: &SourceMedia,
        stream: u32,
        at: Option<Micros>,
        width: u32,
        cancel: &CancellationToken,
    ) -> Result<Bytes, EncodeError> {
        let arguments = arguments(source, media, stream, at, width);
        let launch = self.encode(arguments, source, None);
        let mut bytes = Vec::new();
        let output = Output::Keep {
            bytes: &mut bytes,
            limit: LIMIT,
        };
        let patience = Patience::SinceStart(self.stall_timeout());
        run(self.spawner(), launch, output, patience, |_| {}, cancel).await?;
        Ok(bytes.into())
    }
}

fn arguments(
    source: &Path,
    media: &SourceMedia,
    stream: u32,
    at: Option<Micros>,
    width: u32,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    add(&["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"]);
    add(timeline::INPUT);
    add(&["-threads", "1", "-an", "-sn", "-dn"]);
    if let Some(at) = at.and_then(|at| i64::try_from(at.0).ok()) {
        let at = timeline::seconds(media.start.saturating_add(at));
        add(&["-seek_timestamp", "1", "-ss", &at]);
    }
    arguments.push("-i".into());
    arguments.push(file_url(source));
    // A second or so: enough to choose from, and quick.
    let filters = format!(
        "[0:{stream}]thumbnail=n=25,scale='min({width},iw*sar)':-2:\
         flags=bicubic+accurate_rnd+bitexact,setsar=1,format=yuvj420p[v]"
    );
    let rest = format!(
        "-filter_complex {filters} -map [v] -frames:v 1 -c:v mjpeg -q:v 4 -threads 1 \
         -map_metadata -1 -bitexact -f image2pipe pipe:1"
    );
    arguments.extend(rest.split_whitespace().map(OsString::from));
    arguments
}

/// A path that ffmpeg takes as a file whatever characters it has and whatever folder it runs in.
pub(crate) fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    match std::path::absolute(path) {
        Ok(path) => url.push(path),
        Err(_) => url.push(path),
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_odd_characters_is_still_a_file() {
        assert_eq!(
            file_url(Path::new("/a/http:b %d?.mp4")),
            "file:/a/http:b %d?.mp4"
        );
        let here = std::env::current_dir().unwrap().join("c.mp4");
        let mut url = OsString::from("file:");
        url.push(here);
        assert_eq!(file_url(Path::new("c.mp4")), url);
    }
}
