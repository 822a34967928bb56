//! The write path: upload, probe, transcode, package, pin.
