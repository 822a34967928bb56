//! cidcast: a media host in one binary.
fn main() {}
