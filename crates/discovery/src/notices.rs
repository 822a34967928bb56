//! Notices: what nodes tell publishers about their assets.
