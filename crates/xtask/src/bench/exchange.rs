//! Moving a file between two nodes, beside Kubo doing the same.
//!
//! Four pairs move the same blocks: node to node, from Kubo, to Kubo, and Kubo to Kubo, which the
//! others are compared with. Every receiver is new in every round and has everything pinned at the
//! end, and nothing counts before the two are connected.
//!
//! A node's pin syncs; Kubo's leaves the blocks to the system (`sync: false` in its default
//! configuration). So each ratio comes twice: of Kubo as it comes, which is what the bars are for,
//! and of Kubo with the file system synced within its time.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cidcast_testkit::{Kubo, KuboDaemon, Line, SlowLine, command};
use tokio::runtime::Runtime;

use super::bar::{Bar, Measured};
use super::{Options, Scratch, clip};
use crate::program::Program;
use crate::test::peers;

/// One kind of transfer.
struct Case {
    /// Bytes of a block.
    block: u64,
    /// One part of so many of the megabytes is moved: Kubo needs ten seconds for 200 MB of the
    /// smallest blocks.
    part: u64,
    bar: f64,
    round_trip: Duration,
    what: [&'static str; 3],
}

const CASES: [Case; 4] = [
    Case {
        block: 1 << 20,
        part: 1,
        bar: 1.5,
        round_trip: Duration::ZERO,
        what: [
            "1 MiB blocks, node to node",
            "1 MiB blocks, from Kubo",
            "1 MiB blocks, to Kubo",
        ],
    },
    Case {
        block: 256 << 10,
        part: 1,
        bar: 1.5,
        round_trip: Duration::ZERO,
        what: [
            "256 KiB blocks, node to node",
            "256 KiB blocks, from Kubo",
            "256 KiB blocks, to Kubo",
        ],
    },
    Case {
        block: 16 << 10,
        part: 2,
        bar: 5.0,
        round_trip: Duration::ZERO,
        what: [
            "16 KiB blocks, node to node",
            "16 KiB blocks, from Kubo",
            "16 KiB blocks, to Kubo",
        ],
    },
    Case {
        block: 1 << 20,
        part: 2,
        bar: 1.5,
        round_trip: Duration::from_millis(50),
        what: [
            "1 MiB at 50 ms, node to node",
            "1 MiB at 50 ms, from Kubo",
            "1 MiB at 50 ms, to Kubo",
        ],
    },
];
/// Without a block for this long, a transfer has stalled.
const STALL: Duration = Duration::from_secs(5);

pub(super) fn run(options: &Options, built: &Path) -> Result<Vec<Measured>> {
    let Some(ipfs) = peers::kubo()? else {
        bail!(
            "`bench exchange` compares with Kubo: set IPFS_BIN to its `ipfs` or put that on PATH"
        );
    };
    let bench = Bench {
        runtime: Runtime::new()?,
        transfer: built.join("examples/transfer"),
        ipfs,
        scratch: Scratch::new()?,
    };
    let mut measured = Vec::new();
    for case in &CASES {
        println!(
            "{} KiB blocks, {:?} added",
            case.block >> 10,
            case.round_trip
        );
        let rounds = bench.case(options, case)?;
        let beside = [
            (Kept::AsItComes, "Kubo to Kubo", Bar::AtLeast(case.bar)),
            (Kept::Synced, "Kubo to Kubo, synced", Bar::None),
        ];
        for (kept, beside, bar) in beside {
            for (pair, what) in PAIRS.into_iter().zip(case.what) {
                let ratio = |round: &Round| round.ratio(pair, kept);
                measured.push(Measured {
                    what,
                    beside,
                    bar,
                    ratios: rounds.iter().map(ratio).collect(),
                });
            }
        }
    }
    Ok(measured)
}

/// Who gives to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    NodeToNode,
    FromKubo,
    ToKubo,
    KuboToKubo,
}

/// Those with a bar.
const PAIRS: [Pair; 3] = [Pair::NodeToNode, Pair::FromKubo, Pair::ToKubo];
const ALL_PAIRS: [Pair; 4] = [
    Pair::NodeToNode,
    Pair::FromKubo,
    Pair::ToKubo,
    Pair::KuboToKubo,
];

/// What counts as having the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Whatever the receiver's pin promises.
    AsItComes,
    /// Every block is on the disk.
    Synced,
}

/// Seconds of one transfer.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    pinned: f64,
    synced: f64,
}

impl Took {
    fn seconds(self, kept: Kept) -> f64 {
        match kept {
            Kept::AsItComes => self.pinned,
            Kept::Synced => self.synced,
        }
    }
}

/// One transfer of each pair.
#[derive(Debug, Default)]
struct Round([Took; 4]);

impl Round {
    fn took(&self, pair: Pair) -> Took {
        let [node, from, to, kubo] = self.0;
        match pair {
            Pair::NodeToNode => node,
            Pair::FromKubo => from,
            Pair::ToKubo => to,
            Pair::KuboToKubo => kubo,
        }
    }

    /// How much faster a pair was than Kubo to Kubo.
    fn ratio(&self, pair: Pair, kept: Kept) -> f64 {
        self.took(Pair::KuboToKubo).seconds(kept) / self.took(pair).seconds(kept)
    }

    fn line(&self, bytes: u64) -> String {
        let speed = |pair, kept| bytes as f64 / 1e6 / self.took(pair).seconds(kept);
        let pinned = |pair| speed(pair, Kept::AsItComes);
        format!(
            "node to node {:.0}, from Kubo {:.0}, to Kubo {:.0} beside {:.0} MB/s of Kubo to Kubo; \
             synced: to Kubo {:.0}, Kubo to Kubo {:.0}",
            pinned(Pair::NodeToNode),
            pinned(Pair::FromKubo),
            pinned(Pair::ToKubo),
            pinned(Pair::KuboToKubo),
            speed(Pair::ToKubo, Kept::Synced),
            speed(Pair::KuboToKubo, Kept::Synced),
        )
    }
}

struct Bench {
    runtime: Runtime,
    transfer: PathBuf,
    ipfs: PathBuf,
    scratch: Scratch,
}

/// A file of random bytes that a Kubo has and can be asked for, and a node of ours too.
struct Sources {
    kubo: Running,
    node: Serving,
    root: String,
    bytes: u64,
}

/// A Kubo with its repository.
struct Running {
    _repo: Kubo,
    daemon: KuboDaemon,
}

impl Bench {
    fn case(&self, options: &Options, case: &Case) -> Result<Vec<Round>> {
        let bytes = options.megabytes * 1_000_000 / case.part;
        let sources = self.sources(case.block, bytes)?;
        let line = (case.round_trip > Duration::ZERO).then_some(Line {
            round_trip: case.round_trip,
            lost_per_mille: 0,
            bytes_per_second: None,
        });
        let kubo = self.runtime.block_on(sources.kubo.daemon.address())?;
        let mut rounds = Vec::new();
        for n in 0..options.rounds {
            let mut round = Round::default();
            // Who goes first changes from round to round.
            let turns = ALL_PAIRS.into_iter().zip(0_usize..).cycle();
            for (pair, at) in turns.skip(usize::try_from(n)? % 4).take(4) {
                let took = match pair {
                    Pair::NodeToNode => self.to_node(&sources.node.address, &sources, line)?,
                    Pair::FromKubo => self.to_node(&kubo, &sources, line)?,
                    Pair::ToKubo => self.to_kubo(&sources.node.address, &sources, line)?,
                    Pair::KuboToKubo => self.to_kubo(&kubo, &sources, line)?,
                };
                if let Some(place) = round.0.get_mut(at) {
                    *place = took;
                }
            }
            println!(
                "round {} of {}: {}",
                n + 1,
                options.rounds,
                round.line(bytes)
            );
            rounds.push(round);
        }
        Ok(rounds)
    }

    fn sources(&self, block: u64, bytes: u64) -> Result<Sources> {
        let folder = self.scratch.folder()?;
        let file = folder.join("random.bin");
        clip::random(&file, bytes)?;
        let (repo, daemon) = self.kubo(&folder.join("kubo"))?;
        let file = file.to_string_lossy();
        let chunker = format!("--chunker=size-{block}");
        let added = repo.run(&[
            "add",
            "-Q",
            "--cid-version=1",
            "--raw-leaves",
            &chunker,
            &file,
        ])?;
        let root = added.trim().to_owned();
        let car = folder.join("random.car");
        repo.export(&root, &car)?;
        let node = Serving::start(&self.transfer, &folder.join("node"), &car)?;
        ensure!(node.root == root, "the CAR file's root is {}", node.root);
        Ok(Sources {
            kubo: Running {
                _repo: repo,
                daemon,
            },
            node,
            root,
            bytes,
        })
    }

    fn kubo(&self, repo: &Path) -> Result<(Kubo, KuboDaemon)> {
        let kubo = Kubo::of(&self.ipfs, repo)?.context("this Kubo is too old")?;
        let daemon = self.runtime.block_on(kubo.online())?;
        Ok((kubo, daemon))
    }

    /// How long until a new node of ours has everything pinned, and with that synced.
    fn to_node(&self, from: &str, sources: &Sources, line: Option<Line>) -> Result<Took> {
        let folder = self.scratch.folder()?;
        let (_line, from) = self.through(from, line)?;
        rustix::fs::sync();
        let said = Program::new(&self.transfer)
            .arg("fetch")
            .arg(folder.join("store"))
            .args([from.as_str(), &sources.root])
            .output()?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let [seconds, _, bytes, gap] = words.as_slice() else {
            bail!("transfer said {said:?}");
        };
        let bytes: u64 = bytes.parse()?;
        ensure!(bytes >= sources.bytes, "only {bytes} bytes arrived");
        let gap = Duration::from_millis(gap.parse()?);
        ensure!(gap < STALL, "nothing arrived for {gap:?}");
        let seconds = seconds.parse()?;
        Ok(Took {
            pinned: seconds,
            synced: seconds,
        })
    }

    /// How long until a new Kubo has everything pinned, and until that is on the disk.
    fn to_kubo(&self, from: &str, sources: &Sources, line: Option<Line>) -> Result<Took> {
        let folder = self.scratch.folder()?;
        let (_line, from) = self.through(from, line)?;
        let (_repo, daemon) = self.kubo(&folder.join("kubo"))?;
        let rpc = |call: String| self.runtime.block_on(daemon.rpc(&call));
        rpc(format!("swarm/connect?arg={from}"))?;
        rustix::fs::sync();
        let begin = Instant::now();
        rpc(format!("pin/add?arg={}", sources.root))?;
        let pinned = begin.elapsed().as_secs_f64();
        rustix::fs::syncfs(File::open(&folder)?)?;
        let synced = begin.elapsed().as_secs_f64();
        Ok(Took { pinned, synced })
    }

    fn through(&self, address: &str, line: Option<Line>) -> Result<(Option<SlowLine>, String)> {
        let Some(line) = line else {
            return Ok((None, address.to_owned()));
        };
        let (relay, near) = self.runtime.block_on(SlowLine::to_node(address, line))?;
        Ok((Some(relay), near))
    }
}

/// A node of ours that gives blocks. Ends when its standard input is closed.
struct Serving {
    child: Child,
    input: Option<ChildStdin>,
    root: String,
    address: String,
}

impl Serving {
    fn start(transfer: &Path, store: &Path, car: &Path) -> Result<Self> {
        let mut child = command(transfer)
            .arg("serve")
            .arg(store)
            .arg(car)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (root, address) = line
            .trim()
            .split_once(' ')
            .context("transfer did not start")?;
        let (root, address) = (root.to_owned(), address.to_owned());
        Ok(Self {
            child,
            input,
            root,
            address,
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
