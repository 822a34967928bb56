//! A request and a response between members of a cluster, and the same written and read again.
#![no_main]

use cidcast_cluster::wire::{Request, Response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::decode(data) {
        let again = request.clone().encode().map(|bytes| Request::decode(&bytes).ok());
        assert_eq!(again.ok().flatten(), Some(request));
    }
    if let Ok(response) = Response::decode(data) {
        let again = response.clone().encode().map(|bytes| Response::decode(&bytes).ok());
        assert_eq!(again.ok().flatten(), Some(response));
    }
});
