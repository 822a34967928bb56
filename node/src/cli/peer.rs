//! `cidcast peer`.

mod notices;

use std::io::Write as _;
use std::process::ExitCode;

use reqwest::Method;
use serde_json::json;

use super::args::PeerCommand;
use super::client::Client;
use super::failure::Failure;
use super::output::{duration, table};
use super::{Context, feed};
use crate::api::{
    BlockRequest, ConnectRequest, PeerList, PeerView, PingRequest, PingTimes, ScoreView,
};

/// Columns of a peer's own words that a table shows.
const AGENT_CHARS: usize = 32;

pub(crate) async fn run(context: &Context, command: PeerCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    match command {
        PeerCommand::Ls => list(context, &client).await?,
        PeerCommand::Connect { address } => {
            let peer = connect(&client, address).await?;
            let text = || format!("connected with {} at {}", peer.id, place(&peer));
            context.output.result(&peer, text);
        }
        PeerCommand::Disconnect { peer } => {
            let path = format!("/api/v1/peers/{peer}");
            client.send(client.request(Method::DELETE, &path)).await?;
            let text = || format!("disconnected from {peer}");
            context.output.result(&json!({ "id": peer }), text);
        }
        PeerCommand::Block { peer, reason } => {
            let request = BlockRequest {
                kind: "peer".to_owned(),
                subject: peer,
                reason,
                fate: None,
            };
            feed::block(context, &client, &request).await?;
        }
        PeerCommand::Unblock { peer } => feed::unblock(context, &client, "peer", &peer).await?,
        PeerCommand::ResetScore { peer } => {
            let path = format!("/api/v1/peers/{peer}/score/reset");
            let score: ScoreView = client.post(&path).await?;
            let text = || format!("{peer} begins anew at {}", score.value);
            context.output.result(&score, text);
        }
        PeerCommand::Notices(command) => notices::run(context, &client, command).await?,
        PeerCommand::Ping { peer, count } => ping(context, &client, peer, count).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let peers: PeerList = client.get("/api/v1/peers").await?;
    context.output.result(&peers, || rows(&peers.items));
    Ok(())
}

async fn connect(client: &Client, address: String) -> Result<PeerView, Failure> {
    let request = client.request(Method::POST, "/api/v1/peers");
    client.json(request.json(&ConnectRequest { address })).await
}

/// One request for each ping, so that each is printed when it is back.
async fn ping(context: &Context, client: &Client, peer: String, count: u8) -> Result<(), Failure> {
    let peer = if peer.starts_with('/') {
        connect(client, peer).await?.id
    } else {
        peer
    };
    let mut all = PingTimes {
        rtts_ms: Vec::new(),
    };
    for _ in 0..count {
        let request = client.request(Method::POST, &format!("/api/v1/peers/{peer}/ping"));
        let request = request.json(&PingRequest { count: Some(1) });
        let times: PingTimes = client.json(request).await?;
        for time in times.rtts_ms {
            if context.output.is_text() {
                let _ = writeln!(std::io::stdout(), "{peer}  {time:.3} ms");
            }
            all.rtts_ms.push(time);
        }
    }
    if !context.output.is_text() {
        let times = &all.rtts_ms;
        let result = json!({ "id": peer, "rtts_ms": times, "median_ms": median(times) });
        context.output.result(&result, String::new);
    } else if let Some(median) = median(&all.rtts_ms) {
        let _ = writeln!(std::io::stdout(), "median of {count}: {median:.3} ms");
    }
    Ok(())
}

/// The middle one, or the upper of the two in the middle.
fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn rows(peers: &[PeerView]) -> String {
    if peers.is_empty() {
        return "no peers: connect to one with `cidcast peer connect MULTIADDR`, or name some in \
                swarm.bootstrap"
            .to_owned();
    }
    let head = [
        "PEER",
        "SCORE",
        "DIRECTION",
        "SINCE",
        "RTT",
        "AGENT",
        "ADDRESS",
    ]
    .map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(peers.iter().map(row));
    table(&rows)
}

fn row(peer: &PeerView) -> Vec<String> {
    let first = peer.connections.first();
    let agent = peer.agent.as_deref().unwrap_or("-");
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let since = first.map(|connection| duration(connection.seconds as f64));
    vec![
        peer.id.clone(),
        score(peer),
        first.map_or_else(|| "-".to_owned(), |first| first.direction.clone()),
        since.unwrap_or_else(|| "-".to_owned()),
        peer.rtt_ms
            .map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1} ms")),
        agent.chars().take(AGENT_CHARS).collect(),
        place(peer),
    ]
}

/// What it has earned; revoked or blocked in words.
fn score(peer: &PeerView) -> String {
    match &peer.score {
        None => "-".to_owned(),
        Some(score) if score.blocked => "blocked".to_owned(),
        Some(score) if score.revoked => "revoked".to_owned(),
        Some(score) => score.value.to_string(),
    }
}

fn place(peer: &PeerView) -> String {
    let addresses = peer.connections.iter();
    let addresses: Vec<&str> = addresses.map(|one| one.address.as_str()).collect();
    addresses.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_times() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(4.0));
    }
}
