//! A cluster at whose members things happen by chance: killed, stopped, frozen, damaged, wiped and
//! replaced, while content comes. Afterwards every copy is whole, byte by byte.
//!
//! A few turns run with the tests; `CIDCAST_SOAK_TURNS` asks for another number, `CIDCAST_SOAK_SEED`
//! for another course of things.

use std::path::Path;
use std::time::{Duration, Instant};

use cidcast_testkit::{Dice, Node, Remains, cli, command, noise};
use serde_json::Value;

use crate::car;
use crate::clustering::{join, peer, run, run_quietly};
use crate::publishing::get;
use crate::stage::{Stage, start};

/// Everything that waits, waits shortly.
const HASTY: &str = "cluster: {heartbeat: 500ms, deadline: 4s, grace: 4s, trim_delay: 4s, \
     audit_interval: 1s, min_copies: 3, max_copies: 3}\nnetwork: {fetch_timeout: 3s}\n";
const MEMBERS: usize = 4;
const COPIES: usize = 3;
const TURNS: u64 = 3;
/// A member that froze for longer than deadline and grace comes back on probation.
const HEALING: Duration = Duration::from_secs(180);

struct Title {
    root: String,
    bytes: Vec<u8>,
}

struct Course {
    stage: Stage,
    dice: Dice,
    nodes: Vec<Node>,
    titles: Vec<Title>,
    joined: usize,
}

impl Course {
    async fn begin(seed: u64) -> Self {
        let mut course = Self {
            stage: Stage::new(),
            dice: Dice::new(seed),
            nodes: Vec::new(),
            titles: Vec::new(),
            joined: 0,
        };
        for _ in 0..MEMBERS {
            course.newcomer().await;
        }
        for _ in 0..5 {
            course.add().await;
        }
        course.heal().await;
        course
    }

    fn pick(&self) -> usize {
        let members = u64::try_from(self.nodes.len()).unwrap();
        usize::try_from(self.dice.in_range(0..members)).unwrap()
    }

    /// A node from nothing; the first founds the cluster.
    async fn newcomer(&mut self) {
        self.joined += 1;
        let name = format!("n{}", self.joined);
        let node = self.stage.node_named(&name, HASTY).await;
        if self.nodes.is_empty() {
            run(&node, &["cluster", "init"]);
        } else {
            join(&node, &self.nodes[self.pick()]);
        }
        self.nodes.push(node);
    }

    /// Something new, which only its node has, and a pin for it.
    async fn add(&mut self) {
        let seed = self.dice.roll();
        let len = usize::try_from(self.dice.in_range(1..800_000)).unwrap();
        let bytes = noise(seed, len);
        let file = self.stage.path().join(format!("{seed}.car"));
        let root = car::of_one(&bytes, &file).await;
        let node = &self.nodes[self.pick()];
        let holder = [
            "store",
            "import",
            file.to_str().unwrap(),
            "--holder",
            "soak",
        ];
        run_quietly(node, &holder);
        run(node, &["pin", "add", &root]);
        run_quietly(node, &["pin", "rm", &root, "--holder", "soak"]);
        self.titles.push(Title { root, bytes });
    }

    async fn turn(&mut self) {
        let index = self.pick();
        let what = self.dice.in_range(0..6);
        let wait = Duration::from_millis(self.dice.in_range(0..12_000));
        eprintln!("member {index}: {what}, {wait:?}");
        match what {
            0 => {
                let node = self.nodes.swap_remove(index);
                let data_dir = node.data_dir().to_owned();
                node.kill();
                tokio::time::sleep(wait).await;
                self.nodes.push(start(&data_dir, HASTY).await);
            }
            1 => {
                let node = self.nodes.swap_remove(index);
                let data_dir = node.data_dir().to_owned();
                node.stop().await.unwrap();
                tokio::time::sleep(wait).await;
                self.nodes.push(start(&data_dir, HASTY).await);
            }
            2 => {
                signal(&self.nodes[index], "-STOP");
                tokio::time::sleep(wait).await;
                signal(&self.nodes[index], "-CONT");
            }
            3 => self.rot(index),
            4 => {
                let node = self.nodes.swap_remove(index);
                let lost = peer(&node);
                let data_dir = node.data_dir().to_owned();
                node.kill();
                std::fs::remove_dir_all(&data_dir).unwrap();
                tokio::time::sleep(wait).await;
                run(&self.nodes[self.pick()], &["cluster", "rm", &lost, "--yes"]);
                self.newcomer().await;
            }
            _ => self.add().await,
        }
        // Copies may be lost only as fast as they can be made anew.
        self.heal().await;
    }

    /// A bit of some blocks of a member is another one.
    fn rot(&self, index: usize) {
        let mut blocks = Remains::of(self.nodes[index].data_dir()).unwrap().blocks;
        blocks.sort();
        for path in blocks.iter().step_by(2) {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Waits until every member counts as many copies as there should be.
    async fn heal(&self) {
        let began = Instant::now();
        loop {
            let mut seen = Vec::new();
            for node in &self.nodes {
                seen.push(get(node, "/api/v1/cluster").await);
            }
            if self.is_well(&seen) && self.pins().await == self.copies() && self.is_whole().await {
                return;
            }
            assert!(began.elapsed() < HEALING, "not healed: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How many there should be.
    fn copies(&self) -> usize {
        COPIES * self.titles.len()
    }

    /// How many there are: a copy that is being mended, or is not needed any longer, is one too.
    async fn pins(&self) -> usize {
        let mut pins = 0;
        for node in &self.nodes {
            let held = get(node, "/api/v1/pins?holder=cidcast:cluster").await;
            pins += held["items"].as_array().unwrap().len();
        }
        pins
    }

    fn is_well(&self, seen: &[Value]) -> bool {
        let held = seen.iter().filter_map(|status| status["held"].as_u64());
        let held = held.map(|held| usize::try_from(held).unwrap());
        held.sum::<usize>() == self.copies()
            && seen.iter().all(|status| {
                status["alive"] == MEMBERS
                    && status["members"] == MEMBERS
                    && status["pins"] == self.titles.len()
                    && status["under_replicated"] == 0
            })
    }

    /// Whether no block of any member is damaged or missing.
    async fn is_whole(&self) -> bool {
        for node in &self.nodes {
            let asked = node.http().post(node.api("/api/v1/store/verify"));
            let found = asked.send().await.unwrap().text().await.unwrap();
            let found: Value = serde_json::from_str(&found).unwrap();
            let is_good = |list: &Value| list.as_array().unwrap().is_empty();
            if !is_good(&found["corrupt"]) || !is_good(&found["missing"]) {
                return false;
            }
        }
        true
    }

    /// Every copy that is claimed is there, byte by byte.
    fn check(&self) {
        for title in &self.titles {
            let mut copies = 0;
            for node in &self.nodes {
                let out = self.stage.path().join("copy");
                let _ = std::fs::remove_file(&out);
                let pins = run(node, &["pin", "ls", "--holder", "cidcast:cluster"]);
                let mut items = pins["items"].as_array().unwrap().iter();
                if !items.any(|pin| pin["cid"] == title.root) {
                    continue;
                }
                let get = [
                    "store",
                    "get",
                    &title.root,
                    "--output",
                    out.to_str().unwrap(),
                ];
                let said = cli(node.data_dir(), &get).unwrap();
                assert_eq!(said.code, Some(0), "{said:?}");
                assert!(
                    std::fs::read(&out).unwrap() == title.bytes,
                    "{}",
                    title.root
                );
                copies += 1;
            }
            assert_eq!(copies, COPIES, "{}", title.root);
        }
    }
}

fn signal(node: &Node, which: &str) {
    let pid = node.pid().to_string();
    let mut kill = command(Path::new("kill"));
    let sent = kill.args([which, &pid]).status().unwrap();
    assert!(sent.success());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
async fn whatever_happens_to_members_one_after_another_every_copy_is_whole_in_the_end() {
    let seed = number("CIDCAST_SOAK_SEED").unwrap_or(7);
    let turns = number("CIDCAST_SOAK_TURNS").unwrap_or(TURNS);
    let mut course = Course::begin(seed).await;
    for _ in 0..turns {
        course.turn().await;
    }
    course.check();
}
