//! A Bitswap message, and the same written and read again.
#![no_main]

use bytes::{Buf, Bytes};
use cidcast_exchange::{Dialect, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    let _ = message.frame(Dialect::WithoutPresences);
    let mut written = Bytes::from(message.frame(Dialect::Current).concat());
    while written.get_u8() & 0x80 != 0 {} // the length
    assert_eq!(Message::decode(&written), Ok(message));
});
