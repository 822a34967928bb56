//! One sound rendition, in one pass over the whole track.

use std::ffi::OsString;
use std::path::Path;

use bytes::Bytes;
use cidcast_media::plan::AudioRendition;
use cidcast_media::source::SourceMedia;
use cidcast_types::Micros;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::process::{Output, Patience, run};
use crate::progress::{Listener, Progress};
use crate::{EncodeError, Tools, timeline};

/// One sound rendition to encode.
#[derive(Debug, Clone, Copy)]
pub struct AudioJob<'a> {
    /// The source file.
    pub source: &'a Path,
    /// What the probe found in it.
    pub media: &'a SourceMedia,
    /// What is encoded.
    pub rendition: &'a AudioRendition,
    /// Target length of a segment; segments end at the next whole AAC frame.
    pub segment_duration: Micros,
}

impl Tools {
    /// Encodes the whole track as one fragmented MP4, one fragment per segment, and passes its
    /// bytes on as they appear, cut anywhere. A slow receiver slows the encoder down.
    ///
    /// The sound starts with the first picture and is as long as the presentation: what is
    /// missing is silence, what is too much is cut, and a drifting clock is followed.
    ///
    /// Cancel safety: dropping the future kills ffmpeg.
    ///
    /// # Errors
    /// See [`EncodeError::is_permanent`] for which of them are worth another try.
    pub async fn encode_audio(
        &self,
        job: AudioJob<'_>,
        parts: mpsc::Sender<Bytes>,
        mut on_progress: impl FnMut(Progress) + Send,
        cancel: &CancellationToken,
    ) -> Result<(), EncodeError> {
        let tracks = &job.media.audio;
        if !tracks
            .iter()
            .any(|track| track.stream == job.rendition.stream)
        {
            return Err(EncodeError::NotInSource { what: "sound" });
        }
        let launch = self.encode(job.arguments(), job.source, None);
        let length = job.media.duration;
        let heard = |listener: &Listener| {
            let position = listener.position().min(length);
            on_progress(Progress {
                position,
                speed: listener.speed(),
            });
        };
        let patience = Patience::SinceProgress(self.stall_timeout());
        let output = Output::Pass(&parts);
        run(self.spawner(), launch, output, patience, heard, cancel).await?;
        Ok(())
    }
}

impl AudioJob<'_> {
    fn arguments(&self) -> Vec<OsString> {
        let rendition = self.rendition;
        let filters = self.filters();
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"]);
        add(&["-progress", "pipe:2"]);
        add(timeline::INPUT);
        // Decoding pictures only to drop them would cost more than the sound.
        add(&["-threads", "1", "-vn", "-sn", "-dn", "-copyts", "-i"]);
        arguments.push(crate::poster::file_url(self.source));
        let rest = format!(
            "-filter_complex {filters} -map [a] -c:a aac -profile:a aac_low -b:a {} -threads 1 \
             -map_metadata -1 -map_chapters -1 -bitexact -f mp4 -frag_duration {} \
             -movflags +empty_moov+default_base_moof+delay_moov+skip_trailer pipe:1",
            rendition.bitrate, self.segment_duration.0,
        );
        arguments.extend(rest.split_whitespace().map(OsString::from));
        arguments
    }

    fn filters(&self) -> String {
        let rendition = self.rendition;
        let layout = if rendition.channels == 1 {
            "mono"
        } else {
            "stereo"
        };
        let length = self.media.duration;
        format!(
            "[0:{}]{},aresample={rate}:async=1000:min_hard_comp=0.05:first_pts=0,\
             aformat=sample_fmts=fltp:sample_rates={rate}:channel_layouts={layout},\
             apad=whole_dur={length},atrim=end={length}[a]",
            rendition.stream,
            timeline::from_zero(self.media, "asetpts"),
            rate = rendition.sample_rate,
        )
    }
}
