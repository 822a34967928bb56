//! A simulated network, for `cargo xtask bench discovery`.
//!
//! `simulation spread NODES CHURN`, `newcomer NODES CHURN PUBLISHERS LENGTH`, `heal NODES`,
//! `rest NODES PUBLISHERS CHURN DAILY MARKS`: each prints one line of JSON. Churn is the share of
//! the nodes that goes within an hour; `DAILY` announcements are made by each publisher in a day;
//! `MARKS` is `marks` or `lists`.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use cidcast_discovery::simulation::{self, Model};
use serde_json::{Value, json};

const SEED: u64 = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = match arguments[..] {
        ["spread", nodes, churn] => spread(&with_churn(nodes, churn)),
        ["newcomer", nodes, churn, publishers, length] => {
            let mut model = with_churn(nodes, churn);
            model.publishers = publishers.parse().unwrap();
            model.length = length.parse().unwrap();
            newcomer(&model)
        }
        ["heal", nodes] => heal(&with_churn(nodes, "0")),
        ["rest", nodes, publishers, churn, daily, marks] => {
            let mut model = with_churn(nodes, churn);
            model.publishers = publishers.parse().unwrap();
            model.length = 1;
            model.marks = marks == "marks";
            rest(&model, daily.parse().unwrap())
        }
        _ => {
            eprintln!("use: simulation spread|newcomer|heal|rest …");
            return;
        }
    };
    println!("{figures}");
}

fn with_churn(nodes: &str, churn: &str) -> Model {
    let mut model = Model::of(nodes.parse().unwrap(), SEED);
    model.churn = churn.parse().unwrap();
    model
}

fn spread(model: &Model) -> Value {
    let spread = simulation::spread(model, 20);
    json!({
        "half_s": spread.half, "most_s": spread.most, "all_s": spread.all,
        "all_slowest_s": spread.all_slowest, "missed": spread.missed,
        "unreached": spread.unreached,
        "useful_bytes": spread.useful, "duplicate_bytes": spread.duplicate,
        "control_bytes": spread.control, "size": spread.size,
        "links": spread.links.0, "most_links": spread.links.1,
    })
}

fn newcomer(model: &Model) -> Value {
    let newcomer = simulation::newcomer(model, 5);
    json!({
        "seconds": newcomer.seconds.0, "slowest_s": newcomer.seconds.1, "missed": newcomer.missed,
        "content": newcomer.content, "received": newcomer.received, "since": newcomer.since,
        "heads": newcomer.heads, "refused": newcomer.refused,
    })
}

fn heal(model: &Model) -> Value {
    let healed = simulation::heal(model, 60);
    json!({
        "announcements": healed.announcements, "most_s": healed.most, "all_s": healed.all,
        "is_whole": healed.is_whole,
    })
}

fn rest(model: &Model, daily: f64) -> Value {
    let rest = simulation::rest(model, daily, 20);
    json!({
        "heads": rest.heads, "since": rest.since, "gossip": rest.gossip, "joining": rest.joining,
        "most_sent": rest.most_sent, "behind": rest.behind,
    })
}
