//! cidcast: a media host in one binary.
#![allow(dead_code, unused_imports)]
mod config;
fn main() {}
