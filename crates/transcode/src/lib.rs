//! ffprobe and ffmpeg processes, sandboxed.
