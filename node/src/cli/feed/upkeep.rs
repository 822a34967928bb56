//! What an operator puts right by hand: `cidcast feed removed`, `allow`, `score`, `followers`, …

use reqwest::Method;
use serde_json::json;

use super::super::Context;
use super::super::client::Client;
use super::super::failure::Failure;
use super::super::output::table;
use crate::api::{FollowerList, PublisherView, RemovedList, ScoreView};

/// Everything that was removed here.
pub(super) async fn removed(context: &Context, client: &Client) -> Result<(), Failure> {
    let mut items = Vec::new();
    let mut skip = 0;
    loop {
        let query = [("limit", "200".to_owned()), ("skip", skip.to_string())];
        let page: RemovedList = client.query("/api/v1/removed", &query).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => skip = next,
            None => break,
        }
    }
    let view = json!({ "items": items });
    context.output.result(&view, || {
        if items.is_empty() {
            return "nothing was removed here".to_owned();
        }
        let head = ["PUBLISHER", "ASSET", "REASON"].map(String::from);
        let mut rows = vec![head.to_vec()];
        rows.extend(
            items
                .iter()
                .map(|one| vec![one.publisher.clone(), one.asset.clone(), one.reason.clone()]),
        );
        table(&rows)
    });
    Ok(())
}

pub(super) async fn allow(
    context: &Context,
    client: &Client,
    publisher: &str,
    asset: &str,
) -> Result<(), Failure> {
    let path = format!("/api/v1/removed/{publisher}/{asset}");
    client.send(client.request(Method::DELETE, &path)).await?;
    let view = json!({ "publisher": publisher, "asset": asset, "removed": false });
    context
        .output
        .result(&view, || format!("{asset} may come back"));
    Ok(())
}

/// What a publisher has earned, and the last reasons.
pub(super) async fn score(
    context: &Context,
    client: &Client,
    publisher: &str,
) -> Result<(), Failure> {
    let path = format!("/api/v1/feeds/{publisher}/score");
    let score: ScoreView = client.get(&path).await?;
    context.output.result(&score, || {
        let mut text = format!(
            "{}, {} delivered, {} failed\n",
            score.value, score.delivered, score.failed
        );
        for reason in &score.reasons {
            text.push_str(&format!("{:>5}  {}\n", reason.score, reason.why));
        }
        text
    });
    Ok(())
}

pub(super) async fn reset_score(
    context: &Context,
    client: &Client,
    publisher: &str,
) -> Result<(), Failure> {
    let path = format!("/api/v1/feeds/{publisher}/score/reset");
    let score: ScoreView = client.post(&path).await?;
    let text = || format!("{publisher} begins anew at {}", score.value);
    context.output.result(&score, text);
    Ok(())
}

/// Every node that follows this one.
pub(super) async fn followers(context: &Context, client: &Client) -> Result<(), Failure> {
    let mut items = Vec::new();
    let mut skip = 0;
    loop {
        let query = [("limit", "200".to_owned()), ("skip", skip.to_string())];
        let page: FollowerList = client.query("/api/v1/followers", &query).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => skip = next,
            None => break,
        }
    }
    let view = json!({ "items": items });
    context.output.result(&view, || {
        if items.is_empty() {
            return "nobody follows this node yet".to_owned();
        }
        let head = ["PEER", "STATE", "PUBLISHER", "NAME"].map(String::from);
        let mut rows = vec![head.to_vec()];
        rows.extend(items.iter().map(|one| {
            vec![
                one.peer.clone(),
                one.state.clone(),
                one.publisher.clone().unwrap_or_default(),
                one.name.clone(),
            ]
        }));
        table(&rows)
    });
    Ok(())
}

pub(super) async fn forget_follower(
    context: &Context,
    client: &Client,
    peer: &str,
) -> Result<(), Failure> {
    let path = format!("/api/v1/followers/{peer}");
    client.send(client.request(Method::DELETE, &path)).await?;
    let view = json!({ "peer": peer, "forgotten": true });
    context.output.result(&view, || format!("forgot {peer}"));
    Ok(())
}

/// Vouches for the own feed as it is here.
pub(super) async fn confirm(context: &Context, client: &Client) -> Result<(), Failure> {
    let own: PublisherView = client.post("/api/v1/publisher/confirm").await?;
    context
        .output
        .result(&own, || format!("{} is {}", own.publisher, own.state));
    Ok(())
}
