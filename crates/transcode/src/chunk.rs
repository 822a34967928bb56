//! One chunk of pictures, decoded once and encoded into every rendition.

mod fragments;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use cidcast_media::plan::{ChunkSpan, Plan, VideoRendition};
use cidcast_media::source::{SourceMedia, VideoTrack};
use cidcast_types::{Micros, RenditionName};
use tokio_util::sync::CancellationToken;

use crate::encode_error::check_words;
use crate::process::{Output, Patience, run};
use crate::progress::{Listener, Progress};
use crate::timeline::{self, Clock};
use crate::{EncodeError, Tools};

/// One chunk to encode.
#[derive(Debug, Clone, Copy)]
pub struct ChunkJob<'a> {
    /// The source file.
    pub source: &'a Path,
    /// What the probe found in it.
    pub media: &'a SourceMedia,
    /// What is encoded.
    pub plan: &'a Plan,
    /// Which part of it.
    pub span: &'a ChunkSpan,
    /// An existing folder, of this job alone: `<rendition>.mp4` are written there.
    pub out_dir: &'a Path,
}

impl Tools {
    /// Encodes one chunk into every picture rendition of the plan, in the plan's order.
    ///
    /// Each file is a fragmented MP4: one initialisation segment, the same for every chunk of a
    /// rendition, and one fragment per segment. Time stamps run on from chunk to chunk. An empty
    /// list means that no frame of the source lies in the span (the sound is longer).
    ///
    /// Cancel safety: dropping the future kills ffmpeg. Unfinished files stay in `out_dir`, which
    /// is the caller's to remove.
    ///
    /// # Errors
    /// See [`EncodeError::is_permanent`] for which of them are worth another try.
    pub async fn encode_chunk(
        &self,
        job: ChunkJob<'_>,
        mut on_progress: impl FnMut(Progress) + Send,
        cancel: &CancellationToken,
    ) -> Result<Vec<(RenditionName, PathBuf)>, EncodeError> {
        let video = job.media.video.as_ref();
        let video = video.ok_or(EncodeError::NotInSource { what: "pictures" })?;
        let launch = self.encode(job.arguments(video), job.source, Some(job.out_dir));
        let length = job
            .span
            .end
            .unwrap_or(job.media.duration)
            .since(job.span.start);
        let heard = |listener: &Listener| {
            let position = timeline::frame_time(video.frame_rate, listener.frames()).min(length);
            on_progress(Progress {
                position,
                speed: listener.speed(),
            });
        };
        let patience = Patience::SinceProgress(self.stall_timeout());
        let said = run(
            self.spawner(),
            launch,
            Output::Nothing,
            patience,
            heard,
            cancel,
        )
        .await?;
        check_words(&said)?;
        job.written().await
    }
}

impl ChunkJob<'_> {
    fn path(&self, rendition: &VideoRendition) -> PathBuf {
        self.out_dir.join(format!("{}.mp4", rendition.name))
    }

    /// The files without their closing frame, unless they hold no frame at all.
    async fn written(&self) -> Result<Vec<(RenditionName, PathBuf)>, EncodeError> {
        let paths: Vec<_> = self
            .plan
            .video
            .iter()
            .map(|r| (r.name.clone(), self.path(r)))
            .collect();
        let closing = self
            .closing()
            .map(|end| u64::from(Clock::Free.timescale()) * end.0 / 1_000_000);
        tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            for (name, path) in paths {
                if fragments::finish(&path, closing)? {
                    files.push((name, path));
                }
            }
            Ok(files)
        })
        .await
        .map_err(io::Error::other)?
    }

    /// Without a grid, how long a chunk's last frame lasts is known only from the frame behind
    /// it. So that one is encoded too, as a segment of its own from this time on, and cut off.
    fn closing(&self) -> Option<Micros> {
        let video = self.media.video.as_ref()?;
        let free = self.plan.segments.frames.is_none();
        self.span
            .end
            .filter(|_| free)
            .map(|end| end.since(video.start))
    }

    fn arguments(&self, video: &VideoTrack) -> Vec<OsString> {
        let threads = self.span.threads.max(1).to_string();
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&[
            "-hide_banner",
            "-nostdin",
            "-nostats",
            "-loglevel",
            "error",
            "-y",
        ]);
        add(&["-progress", "pipe:2", "-filter_complex_threads", &threads]);
        add(timeline::INPUT);
        add(&["-threads", &threads, "-copyts", "-noaccurate_seek"]);
        if let Some(target) = timeline::seek(self.media, video.frame_rate, self.span.start) {
            add(&["-seek_timestamp", "1", "-ss", &target]);
        }
        arguments.push("-i".into());
        arguments.push(crate::poster::file_url(self.source));
        arguments.push("-filter_complex".into());
        arguments.push(self.filters(video).into());
        for (index, rendition) in self.plan.video.iter().enumerate() {
            let words = self.output(index, rendition, &threads);
            arguments.extend(words.into_iter().map(OsString::from));
            arguments.push(crate::poster::file_url(&self.path(rendition)));
        }
        arguments
    }

    /// Cut once, then one branch per rendition.
    fn filters(&self, video: &VideoTrack) -> String {
        let mut chain = format!(
            "[0:{}]{}{}",
            video.stream,
            timeline::from_zero(self.media, "setpts"),
            self.cut(video)
        );
        let count = self.plan.video.len();
        chain += &format!(",split={count}");
        for index in 0..count {
            chain += &format!("[s{index}]");
        }
        for (index, rendition) in self.plan.video.iter().enumerate() {
            chain += &format!(";[s{index}]{}[v{index}]", self.branch(rendition));
        }
        chain
    }

    /// Drops frames outside of the span. The ends of the presentation are left open.
    fn cut(&self, video: &VideoTrack) -> String {
        /// A closing frame that comes later than this is not waited for.
        const PATIENCE: Micros = Micros::from_secs(5);
        let start = (self.span.index > 0).then(|| self.span.start.since(video.start));
        let end = self.span.end.map(|end| end.since(video.start));
        let (end, closing) = match self.closing() {
            Some(end) => {
                let closing = format!(",select='lt(t,{end})+lt(prev_selected_t,{end})'");
                (Some(Micros(end.0.saturating_add(PATIENCE.0))), closing)
            }
            None => (end, String::new()),
        };
        let trim = match (start, end) {
            (None, None) => String::new(),
            (None, Some(end)) => format!(",trim=end={end}"),
            (Some(start), None) => format!(",trim=start={start}"),
            (Some(start), Some(end)) => format!(",trim=start={start}:end={end}"),
        };
        trim + &closing
    }

    /// Puts frames on their clock and gives them the rendition's size.
    fn branch(&self, rendition: &VideoRendition) -> String {
        let scale = format!(
            "scale={}:{}:flags=bicubic+accurate_rnd+bitexact,setsar=1,format=yuv420p",
            rendition.width, rendition.height
        );
        match Clock::of(self.plan, rendition) {
            Clock::Free => format!("settb={},{scale}", Clock::Free.time_base()),
            Clock::Grid(rate) => {
                let frames = |segments: u32| u64::from(segments) * u64::from(self.frames());
                let start = timeline::frame_time(rate, frames(self.span.first_segment));
                // A source with holes must not shorten a chunk that another one follows.
                let fill = self.span.end.map(|_| {
                    let count = frames(self.span.segments);
                    format!(",tpad=stop=-1:stop_mode=clone,trim=end_frame={count}")
                });
                let fill = fill.unwrap_or_default();
                let (num, den) = (rate.num, rate.den);
                format!("fps={num}/{den}:start_time={start}:round=near{fill},{scale}")
            }
        }
    }

    /// Frames per segment on a grid.
    fn frames(&self) -> u32 {
        self.plan.segments.frames.unwrap_or(1)
    }

    /// Options of one output file, without its name.
    fn output(&self, index: usize, rendition: &VideoRendition, threads: &str) -> Vec<String> {
        let clock = Clock::of(self.plan, rendition);
        let mut words = words(&format!(
            "-map [v{index}] -c:v libx264 -profile:v high -preset {} -crf {} -maxrate {} \
             -bufsize {} -threads {threads} -sc_threshold 0 -forced-idr 1 -flags:v +cgop \
             -fps_mode passthrough -enc_time_base {} -video_track_timescale {} \
             -map_metadata -1 -map_chapters -1 -bitexact",
            rendition.preset,
            rendition.crf,
            rendition.max_bitrate,
            rendition.buffer_size,
            clock.time_base(),
            clock.timescale(),
        ));
        words.extend(match clock {
            Clock::Grid(_) => {
                let frames = self.frames();
                self::words(&format!("-g {frames} -keyint_min {frames}"))
            }
            // Without B-frames decoding order is showing order, and the initialisation segment
            // does not depend on the distances of a chunk's first frames.
            Clock::Free => self::words(&format!(
                "-g 100000 -bf 0 -force_key_frames {} -x264-params fps={}/{}",
                timeline::key_times(self.plan, self.span),
                rendition.frame_rate.num,
                rendition.frame_rate.den
            )),
        });
        words.extend(self::words(
            "-f mp4 -movflags \
             +frag_keyframe+empty_moov+default_base_moof+delay_moov+frag_discont+skip_trailer",
        ));
        words
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
