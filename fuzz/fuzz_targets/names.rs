//! Ids, CIDs and names, as they come in URLs and documents: what is accepted prints as it was
//! meant, and reads back as the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cidcast_media::plan::PlanKey;
use cidcast_store::Holder;
use cidcast_types::{AssetId, AssetState, RenditionName, RootCid, UploadId, Visibility};
use libfuzzer_sys::fuzz_target;

fn reads_back<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().ok();
        assert_eq!(again.as_ref(), Some(&value));
    }
}

fuzz_target!(|text: &str| {
    reads_back::<AssetId>(text);
    reads_back::<UploadId>(text);
    reads_back::<RootCid>(text);
    reads_back::<RenditionName>(text);
    reads_back::<AssetState>(text);
    reads_back::<Visibility>(text);
    reads_back::<PlanKey>(text);
    reads_back::<Holder>(text);
});
