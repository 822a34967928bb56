//! Whole announcements, notices, block lists and keys from elsewhere.
#![no_main]

use cidcast_announce::{Announcement, BlockList, Notice, Publisher};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(read) = Announcement::verify(data) {
        assert_eq!(read.bytes(), data);
    }
    if let Ok(read) = Notice::verify(data) {
        assert_eq!(read.bytes(), data);
    }
    if let Ok(read) = BlockList::verify(data) {
        assert_eq!(read.bytes(), data);
    }
    if let Ok(key) = Publisher::from_bytes(data) {
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.peer_id().parse(), Ok(key));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = text.parse::<Publisher>()
    {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
});
