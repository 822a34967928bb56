//! How far an encode has come, read from what ffmpeg says on its standard error.
//!
//! Progress (`-progress pipe:2`) and messages share one stream: progress lines are `key=value`
//! with a known key, everything else is a message, of which the last few kilobytes are kept.

use cidcast_types::Micros;

/// How far one unit has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Media time encoded so far, from the start of the unit (not of the asset).
    pub position: Micros,
    /// Media time per wall time: 2.0 is twice as fast as playback. 0 while unknown.
    pub speed: f32,
}

/// How much of a child's messages is kept for the failure report.
pub(crate) const TAIL_BYTES: usize = 4096;

/// Longer lines are cut: nothing that matters says more.
const LINE_BYTES: usize = 1024;

/// Keys of `-progress`; lines that start otherwise are messages.
const KEYS: &[&str] = &[
    "frame",
    "fps",
    "bitrate",
    "total_size",
    "out_time_us",
    "out_time_ms",
    "out_time",
    "dup_frames",
    "drop_frames",
    "speed",
    "progress",
];

/// Takes a child's standard error apart. Memory is bounded whatever arrives.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    line: Vec<u8>,
    tail: String,
    frame: u64,
    size: u64,
    position: i64,
    speed: f32,
    advanced: bool,
}

impl Listener {
    /// Takes bytes as they arrive. True if the encode moved on since the last call.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LINE_BYTES {
                self.line.push(byte);
            }
        }
        std::mem::take(&mut self.advanced)
    }

    /// Frames written so far, by the first rendition.
    pub(crate) fn frames(&self) -> u64 {
        self.frame
    }

    /// Media time written so far, in microseconds. With `-copyts` ffmpeg counts it from about the
    /// first time that it reports, so it is exact only where it reports early: for sound.
    pub(crate) fn position(&self) -> Micros {
        Micros(self.position.try_into().unwrap_or(0))
    }

    /// Media time per wall time; 0 while unknown.
    pub(crate) fn speed(&self) -> f32 {
        self.speed
    }

    /// The last messages, without progress lines.
    pub(crate) fn into_tail(mut self) -> String {
        self.end_line();
        self.tail.trim_end().to_owned()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        match line.split_once('=') {
            Some((key, value)) if KEYS.contains(&key) || key.starts_with("stream_") => {
                self.progress(key, value.trim());
            }
            _ => self.message(line),
        }
    }

    fn progress(&mut self, key: &str, value: &str) {
        match key {
            "frame" => self.advanced |= replace_if_more(&mut self.frame, value),
            "total_size" => self.advanced |= replace_if_more(&mut self.size, value),
            "out_time_us" => self.advanced |= replace_if_more(&mut self.position, value),
            "speed" => {
                let speed = value.trim_end_matches('x').trim().parse().unwrap_or(0.0);
                self.speed = if f32::is_finite(speed) {
                    speed.max(0.0)
                } else {
                    0.0
                };
            }
            _ => {}
        }
    }

    fn message(&mut self, line: &str) {
        self.tail.push_str(line);
        self.tail.push('\n');
        if self.tail.len() > TAIL_BYTES {
            let excess = self.tail.len() - TAIL_BYTES;
            let cut = self.tail.ceil_char_boundary(excess);
            self.tail.drain(..cut);
        }
    }
}

/// True if `text` is a number above `*value`, which it then replaces.
fn replace_if_more<N: std::str::FromStr + PartialOrd>(value: &mut N, text: &str) -> bool {
    match text.parse::<N>() {
        Ok(new) if new > *value => {
            *value = new;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn progress_and_messages_are_told_apart() {
        let mut listener = Listener::default();
        assert!(listener.push(b"frame=12\nfps=0.0\nout_time_us=500000\nspeed=   1.5x\n"));
        assert!(!listener.push(b"[h264 @ 0x1] no frame!\nout_time_us=500000\nspeed=N/A\n"));
        assert_eq!(listener.position(), Micros(500_000));
        assert_eq!((listener.frames(), listener.speed()), (12, 0.0));
        assert_eq!(listener.into_tail(), "[h264 @ 0x1] no frame!");
    }

    #[test]
    fn a_line_may_arrive_in_pieces() {
        let mut listener = Listener::default();
        assert!(!listener.push(b"out_ti"));
        assert!(listener.push(b"me_us=7\n"));
        assert_eq!(listener.position(), Micros(7));
    }

    proptest! {
        #[test]
        fn memory_is_bounded_whatever_arrives(pieces in prop::collection::vec(any::<Vec<u8>>(), 0..200)) {
            let mut listener = Listener::default();
            for piece in pieces {
                listener.push(&piece);
                prop_assert!(listener.line.len() <= LINE_BYTES);
                prop_assert!(listener.tail.len() <= TAIL_BYTES);
            }
        }

        #[test]
        fn the_last_message_is_kept(noise in 0usize..5000) {
            let mut listener = Listener::default();
            for n in 0..noise {
                listener.push(format!("message {n} äöü\n").as_bytes());
            }
            listener.push(b"last words");
            prop_assert!(listener.into_tail().ends_with("last words"));
        }
    }
}
