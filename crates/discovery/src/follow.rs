//! Following: whose announcements are wanted here, and with what policy.
