//! DASH manifests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = cidcast_media::dash::parse(text);
});
