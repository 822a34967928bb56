//! How announcements travel: in a simulated network that grows, and between two real nodes.
//!
//! The simulation takes no clock into account, so it says the same on every machine; what it
//! assumes is in `crates/discovery/src/simulation`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::bar::{Bar, Measured};
use super::scratch;
use crate::program::Program;
use crate::repository;

mod plot;

/// Sizes of the network.
const NODES: [u32; 3] = [10, 100, 1000];
/// Publishers whose feeds a newcomer needs, and the announcements in each.
const PUBLISHERS: &str = "1000";
const LENGTH: &str = "10";
/// Announcements of each publisher in a day, at rest.
const DAILY: &str = "1";
/// Feeds and assets of the two real nodes: many announcements of many assets, and many feeds.
const CAUGHT_UP: [[&str; 3]; 2] = [["100", "20", "50"], ["1000", "10", "1"]];

pub(super) fn run(built: &Path) -> Result<Vec<Measured>> {
    let simulation = Simulation(built.join("examples/simulation"));
    simulation.spread()?;
    simulation.newcomer()?;
    simulation.heal()?;
    simulation.rest()?;
    CAUGHT_UP
        .into_iter()
        .map(|feeds| catch_up(built, feeds))
        .collect()
}

struct Simulation(std::path::PathBuf);

impl Simulation {
    fn say(&self, arguments: &[&str]) -> Result<Value> {
        let said = Program::new(&self.0).args(arguments).output()?;
        Ok(serde_json::from_str(&said)?)
    }

    /// One announcement to everybody, without and with churn.
    fn spread(&self) -> Result<()> {
        println!(
            "\n| nodes | churn an hour | 50 % | 99 % | all, middle | all, slowest | never, at most | useful | again | \
             control | connections |\n|---|---|---|---|---|---|---|---|---|---|---|"
        );
        let mut curve = Vec::new();
        for nodes in NODES {
            for churn in ["0", "0.2"] {
                let said = self.say(&["spread", &nodes.to_string(), churn])?;
                let get = |key| figure(&said, key);
                println!(
                    "| {nodes} | {churn} | {} | {} | {} | {} | {} | {} | {} | {} | {}, at most {} |",
                    time(&said, "half_s"),
                    time(&said, "most_s"),
                    time(&said, "all_s"),
                    time(&said, "all_slowest_s"),
                    get("unreached")?,
                    quantity(get("useful_bytes")?),
                    quantity(get("duplicate_bytes")?),
                    quantity(get("control_bytes")?),
                    get("links")?,
                    get("most_links")?,
                );
                if churn == "0" {
                    curve.push((f64::from(nodes), [get("half_s")?, get("most_s")?]));
                }
            }
        }
        let file = repository::root()?.join("docs/travel.svg");
        std::fs::write(&file, plot::travel(&curve)).context("docs/travel.svg is not written")
    }

    /// A node with nothing becomes whole.
    fn newcomer(&self) -> Result<()> {
        println!(
            "\n| nodes | churn an hour | whole, middle | slowest | content | received | of that lists |\n\
             |---|---|---|---|---|---|---|"
        );
        for nodes in NODES {
            for churn in ["0", "0.2"] {
                let arguments = ["newcomer", &nodes.to_string(), churn, PUBLISHERS, LENGTH];
                let said = self.say(&arguments)?;
                let get = |key| figure(&said, key);
                println!(
                    "| {nodes} | {churn} | {:.1} s | {:.1} s | {} | {} | {} |",
                    get("seconds")?,
                    get("slowest_s")?,
                    quantity(get("content")?),
                    quantity(get("received")?),
                    quantity(get("heads")?),
                );
            }
        }
        Ok(())
    }

    /// Two halves find together.
    fn heal(&self) -> Result<()> {
        println!("\n| nodes | 99 % have all again | all |\n|---|---|---|");
        for nodes in NODES {
            let said = self.say(&["heal", &nodes.to_string()])?;
            let (most, all) = (figure(&said, "most_s")?, figure(&said, "all_s")?);
            println!("| {nodes} | {most:.0} s | {all:.0} s |");
        }
        Ok(())
    }

    /// What a node receives while little happens, with marks and without.
    fn rest(&self) -> Result<()> {
        println!(
            "\n| nodes | publishers | churn an hour | lists, without marks | with marks | gossip |\n\
             |---|---|---|---|---|---|"
        );
        for (nodes, publishers, churn) in [
            ("10", "1000", "0"),
            ("100", "100", "0"),
            ("100", "1000", "0"),
            ("100", "1000", "0.2"),
            ("1000", "1000", "0"),
        ] {
            let rest = |marks| self.say(&["rest", nodes, publishers, churn, DAILY, marks]);
            let (lists, marks) = (rest("lists")?, rest("marks")?);
            println!(
                "| {nodes} | {publishers} | {churn} | {}/s | {}/s | {}/s |",
                quantity(figure(&lists, "heads")?),
                quantity(figure(&marks, "heads")?),
                quantity(figure(&marks, "gossip")?),
            );
        }
        Ok(())
    }
}

/// A node that has nothing asks one that has all, over loopback.
fn catch_up(built: &Path, feeds: [&'static str; 3]) -> Result<Measured> {
    let folder = scratch()?;
    let said = Program::new(built.join("examples/catching_up"))
        .arg(folder.path())
        .args(feeds)
        .output()?;
    println!(
        "\n{} feeds × {} × {} assets: {}",
        feeds[0],
        feeds[1],
        feeds[2],
        said.trim()
    );
    let said: Value = serde_json::from_str(&said)?;
    let (seconds, verifying) = (figure(&said, "seconds")?, figure(&said, "verify_s")?);
    Ok(Measured {
        what: "catching up from empty",
        beside: "verifying the same, one thread",
        bar: Bar::None,
        ratios: vec![seconds / verifying],
    })
}

/// Seconds, if it came to that.
fn time(said: &Value, key: &str) -> String {
    let seconds = said.get(key).and_then(Value::as_f64);
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2} s"))
}

fn figure(said: &Value, key: &str) -> Result<f64> {
    let figure = said.get(key).and_then(Value::as_f64);
    figure.with_context(|| format!("the program printed no {key}"))
}

/// Bytes, for people.
fn quantity(bytes: f64) -> String {
    match bytes {
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ if bytes >= 1e4 => format!("{:.0} kB", bytes / 1e3),
        _ if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}
