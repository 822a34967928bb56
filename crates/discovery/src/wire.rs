//! Messages between nodes: from bytes to values and back, bounded.
