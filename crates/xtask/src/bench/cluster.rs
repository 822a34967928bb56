//! What a large pinset costs the members of a cluster, in virtual time: memory, a tick at rest,
//! traffic at rest as the pinset grows, and bytes moved when a member is lost.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::bar::{Bar, Measured};
use crate::program::Program;

/// Roots: a pinset, and ten and a hundred times as many.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// A figure of the program's for the largest pinset, what it is called, and what it is measured
/// against.
const FIGURES: [(&str, &str, &str, f64); 3] = [
    (
        "memory",
        "memory per member, 100,000 roots",
        "200 MB",
        200e6,
    ),
    ("tick_us", "a tick at rest, 100,000 roots", "1 ms", 1_000.0),
    (
        "converge_ms",
        "100,000 roots to five members, processor",
        "60 s",
        60_000.0,
    ),
];

pub(super) fn run(built: &Path) -> Result<Vec<Measured>> {
    let program = built.join("examples/pinset");
    let mut said: Vec<Value> = Vec::new();
    for size in SIZES {
        let line = Program::new(&program).arg(size.to_string()).output()?;
        println!("{}", line.trim());
        said.push(serde_json::from_str(&line)?);
    }
    let (small, large) = (said.first(), said.last());
    let (small, large) = small.zip(large).context("nothing was measured")?;
    let mut measured = Vec::new();
    for (key, what, beside, bar) in FIGURES {
        let ratio = figure(large, key)? / bar;
        measured.push(line(what, beside, 1.0, ratio));
    }
    let rest = "rest_bytes_per_minute";
    let growth = figure(large, rest)? / figure(small, rest)?;
    let what = "traffic at rest, 100,000 roots";
    measured.push(line(what, "1,000 roots", 1.1, growth));
    let moved = figure(large, "moved_roots")? / figure(large, "lost_roots")?;
    let what = "moved when a member is lost";
    measured.push(line(what, "its share", 1.05, moved));
    Ok(measured)
}

fn line(what: &'static str, beside: &'static str, bar: f64, ratio: f64) -> Measured {
    Measured {
        what,
        beside,
        bar: Bar::AtMost(bar),
        ratios: vec![ratio],
    }
}

fn figure(said: &Value, key: &str) -> Result<f64> {
    let figure = said.get(key).and_then(Value::as_f64);
    figure.with_context(|| format!("the program printed no {key}"))
}
