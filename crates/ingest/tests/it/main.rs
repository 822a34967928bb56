//! The write path with real parts: SQLite, a store on disk, ffmpeg.

mod path;
mod pipeline;
mod uploads;
