//! A whole package from elsewhere: paths and contents, each ended by a zero byte.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut fields = data.split(|byte| *byte == 0);
    let mut files = BTreeMap::new();
    while let (Some(path), Some(content)) = (fields.next(), fields.next()) {
        let path = String::from_utf8_lossy(path).into_owned();
        files.insert(path, Bytes::copy_from_slice(content));
    }
    let sizes = files
        .iter()
        .map(|(path, content)| (path.clone(), content.len() as u64))
        .collect();
    let _ = cidcast_media::check::package(&sizes, |path| files.get(path).cloned());
});
