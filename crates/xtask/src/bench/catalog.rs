//! A catalog of very many announced assets: size, search, start and memory beside their bars.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::bar::{Bar, Measured};
use super::{Options, scratch};
use crate::program::Program;

/// A figure of the program's, what it is called, and what it is measured against.
const FIGURES: [(&str, &str, &str, f64); 4] = [
    ("size", "catalog on disk", "1 GB", 1e9),
    ("search_p95_ms", "search, p95", "50 ms", 50.0),
    ("open_ms", "start", "2 s", 2_000.0),
    ("idle_rss", "resident when idle", "150 MB", 150e6),
];

pub(super) fn run(options: &Options, built: &Path) -> Result<Vec<Measured>> {
    let program = built.join("examples/announced");
    let folder = scratch()?;
    let file = folder.path().join("catalog.sqlite");
    let filled = Program::new(&program)
        .arg("fill")
        .arg(&file)
        .arg(options.assets.to_string())
        .output()?;
    println!("{} assets: {}", options.assets, filled.trim());
    let asked = Program::new(&program).arg("ask").arg(&file).output()?;
    println!("{}", asked.trim());
    let said: [Value; 2] = [
        serde_json::from_str(&filled)?,
        serde_json::from_str(&asked)?,
    ];
    let measure = |(key, what, beside, bar): (&str, &'static str, &'static str, f64)| {
        let figure = said.iter().find_map(|said| said.get(key)?.as_f64());
        let figure = figure.with_context(|| format!("the program printed no {key}"))?;
        Ok(Measured {
            what,
            beside,
            bar: Bar::AtMost(1.0),
            ratios: vec![figure / bar],
        })
    };
    FIGURES.into_iter().map(measure).collect()
}
