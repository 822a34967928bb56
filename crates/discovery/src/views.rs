//! Views: how often something was watched, never by whom.
