//! SQLite: assets, jobs, uploads, chunks, search.
