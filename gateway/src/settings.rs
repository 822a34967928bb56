//! What the node decides about the gateway before its socket opens.

use std::time::Duration;

/// Who can reach the socket that the gateway is served on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Bound to a loopback address: a loopback peer is trusted, and `Host` is checked so that a
    /// page of another site cannot come in through a name that resolves to 127.0.0.1.
    Loopback,
    /// Bound to anything else: only tokens open private content.
    Network,
}

/// Settings of one gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who can reach the socket.
    pub reach: Reach,
    /// Host names (without port) that are answered beside loopback names when the reach is
    /// [`Reach::Loopback`]: the names under which a reverse proxy publishes this gateway.
    pub public_hosts: Vec<String>,
    /// How the world reaches this gateway, without a trailing slash, for the absolute URLs in feeds
    /// and oEmbed documents. `None`: by the `Host` that a request names, over HTTP.
    pub public_url: Option<String>,
    /// Bounds.
    pub limits: Limits,
}

impl Settings {
    /// The defaults for a socket of this reach.
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            public_hosts: Vec::new(),
            public_url: None,
            limits: Limits::default(),
        }
    }
}

/// Bounds of one gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that are answered at one time, bodies included; more are refused with 503.
    pub concurrent_requests: usize,
    /// How long one read may take before the answer is given up.
    pub read_deadline: Duration,
    /// Length of a request target in bytes.
    pub uri_bytes: usize,
    /// Names in one content path.
    pub path_depth: usize,
    /// Entries shown of one directory.
    pub listing_entries: usize,
    /// Size of one playlist that will be rewritten, in bytes.
    pub playlist_bytes: u64,
    /// Memory for rewritten playlists, in bytes.
    pub playlist_cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_requests: 1024,
            // A local read takes milliseconds; a disk that wakes up takes seconds.
            read_deadline: Duration::from_secs(30),
            uri_bytes: 8 * 1024,
            path_depth: 64,
            listing_entries: 10_000,
            // 24 hours of 4 s segments at about 100 bytes each is 2 MiB.
            playlist_bytes: 8 * 1024 * 1024,
            playlist_cache_bytes: 32 * 1024 * 1024,
        }
    }
}
