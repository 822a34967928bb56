//! `asset.json` of packages from elsewhere, and plans of earlier versions: what is accepted reads
//! back as the same when it is written again.
#![no_main]

use cidcast_media::asset_json;
use cidcast_media::plan::Plan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(document) = asset_json::parse(text) {
        let again = asset_json::parse(&asset_json::write(&document));
        assert_eq!(again.ok(), Some(document));
    }
    if let Ok(plan) = Plan::from_json(text) {
        let again = Plan::from_json(&plan.to_json());
        assert_eq!(again.ok(), Some(plan));
    }
});
