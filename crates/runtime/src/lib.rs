//! Supervision, shutdown order, backoff, clock.
