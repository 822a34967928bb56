//! The router as a client meets it.
