//! Initialisation segments and media segments by themselves.
#![no_main]

use cidcast_media::mp4::{InitInfo, SegmentInfo, number_segment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = number_segment(data, u32::MAX);
    // An init with a segment behind it: box lengths find the border.
    for at in [0, data.len() / 2] {
        let (init, segment) = data.split_at(at);
        for (init, segment) in [(init, segment), (segment, init), (data, data)] {
            if let Ok(info) = InitInfo::parse(init) {
                let _ = SegmentInfo::parse(segment, &info);
            }
        }
    }
});
