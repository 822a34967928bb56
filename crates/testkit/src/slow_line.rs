//! A line that is long, narrow and loses packets: a TCP relay between two nodes of this machine.
//!
//! The kernel's own means (`netem`) is not everywhere. What a lost packet costs a TCP connection is
//! one more round trip for everything behind it, and that is what is done here: a piece in which a
//! packet is lost, and all that follows it, arrives a round trip later. That TCP also sends more
//! slowly after a loss is not modelled; a narrow line is.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Dice;

/// What is read at a time: a few packets.
const PIECE: usize = 16 << 10;
/// What a packet carries on an Ethernet.
const PACKET: usize = 1448;
/// Pieces on the way in one direction: as much as a fast line holds at 200 ms.
const ON_THE_WAY: usize = 4096;

/// What the line is like.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Added to every round trip; half of it in each direction.
    pub round_trip: Duration,
    /// Of a thousand packets, so many are lost once.
    pub lost_per_mille: u64,
    /// How much gets through in each direction; without it, as much as is sent.
    pub bytes_per_second: Option<u64>,
}

/// A running relay. Connections end when it is dropped.
#[derive(Debug)]
pub struct SlowLine {
    address: SocketAddr,
    silent: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl SlowLine {
    /// Listens on a free port and passes everything on to `target`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn to(target: SocketAddr, line: Line) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (silent, is_silent) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(relay(near, target, line, is_silent.clone()));
            }
        });
        Ok(Self {
            address,
            silent,
            task,
        })
    }

    /// From now on nothing gets through, and nobody is told: what a pulled plug looks like from
    /// the other end.
    pub fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// A relay to the node at `multiaddr` (`/ip4/HOST/tcp/PORT/p2p/…`); the second value is the
    /// node's multiaddress at the near end.
    ///
    /// # Errors
    ///
    /// If that is no IPv4 TCP address, or no port is free.
    pub async fn to_node(multiaddr: &str, line: Line) -> Result<(Self, String)> {
        let parts: Vec<&str> = multiaddr.split('/').collect();
        let ["", "ip4", host, "tcp", port, rest @ ..] = parts.as_slice() else {
            anyhow::bail!("{multiaddr} is no IPv4 TCP address");
        };
        let relay = Self::to(format!("{host}:{port}").parse()?, line).await?;
        let (address, rest) = (relay.address, rest.join("/"));
        let near = format!("/ip4/{}/tcp/{}/{rest}", address.ip(), address.port());
        Ok((relay, near))
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(near: TcpStream, target: SocketAddr, line: Line, silent: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    // Delay is what this is about; the kernel need not add to it.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        direction(near_read, far_write, line, silent.clone()),
        direction(far_read, near_write, line, silent)
    );
}

async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    line: Line,
    mut silent: watch::Receiver<bool>,
) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let read = async move {
        let dice = Dice::default();
        let mut buffer = vec![0; PIECE];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + line.round_trip / 2 + line.lateness(read, &dice);
            let piece = buffer.get(..read).unwrap_or_default().to_vec();
            if sender.send((due, piece)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        let mut is_free = Instant::now();
        while let Some((due, piece)) = pieces.recv().await {
            // In order: what is behind a late piece waits too. Even the shortest sleep lasts until
            // the timer's next millisecond, so there is none for what is due.
            let due = due.max(is_free);
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
            is_free = due + line.time_of(piece.len());
        }
        let _ = to.shutdown().await;
    };
    let mut flow = std::pin::pin!(async { tokio::join!(read, write) });
    let silence = async {
        let _ = silent.wait_for(|silent| *silent).await;
    };
    tokio::select! {
        _ = &mut flow => {}
        // The sockets stay open, and nobody reads from them.
        () = silence => std::future::pending().await,
    }
}

impl Line {
    /// How much later a piece arrives because a packet of it is lost.
    fn lateness(&self, bytes: usize, dice: &Dice) -> Duration {
        let mut packets = 0..bytes.div_ceil(PACKET);
        if packets.any(|_| dice.roll() % 1000 < self.lost_per_mille) {
            self.round_trip
        } else {
            Duration::ZERO
        }
    }

    /// How long the line is busy with so many bytes.
    fn time_of(&self, bytes: usize) -> Duration {
        let nanoseconds = |rate| (bytes as u64).saturating_mul(1_000_000_000) / rate;
        let rate = self.bytes_per_second.filter(|rate| *rate > 0);
        rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(nanoseconds(rate))
        })
    }
}
