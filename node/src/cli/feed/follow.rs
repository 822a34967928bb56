//! `cidcast feed follow` and `unfollow`.

use cidcast_announce::Publisher;
use cidcast_catalog::{Strategy, TransferPace};
use reqwest::Method;

use super::super::Context;
use super::super::args::{FollowArgs, PolicyArgs};
use super::super::client::Client;
use super::super::failure::{Failure, Kind};
use crate::api::{FollowList, FollowPatch, FollowRequest, FollowView};

const FOLLOWS: &str = "/api/v1/follows";

/// Begins a follow, or changes the policy of one that there is.
pub(super) async fn follow(
    context: &Context,
    client: &Client,
    options: FollowArgs,
) -> Result<(), Failure> {
    let FollowArgs { target, policy } = options;
    let patch = patch(&policy);
    let follow: FollowView = match find(client, &target).await? {
        Some(follow) => {
            let request = client.request(Method::PATCH, &format!("{FOLLOWS}/{}", follow.id));
            client.json(request.json(&patch)).await?
        }
        None => {
            let request = FollowRequest {
                target,
                replicate: patch.replicate,
                renditions: patch.renditions,
                strategy: patch.strategy,
                min_lifetime: patch.min_lifetime,
            };
            client
                .json(client.request(Method::POST, FOLLOWS).json(&request))
                .await?
        }
    };
    context.output.result(&follow, || describe(&follow));
    Ok(())
}

fn patch(policy: &PolicyArgs) -> FollowPatch {
    let names = policy.renditions.as_ref();
    FollowPatch {
        replicate: policy.replicate.map(|amount| amount.to_string()),
        renditions: names.map(|names| names.iter().map(ToString::to_string).collect()),
        strategy: policy.strategy.as_ref().map(Strategy::to_string),
        min_lifetime: policy.min_hours.map(|hours| hours.saturating_mul(3600)),
        paused: None,
    }
}

/// Stops fetching for one follow, or fetches again; also `cidcast replica pause --of`.
pub(in super::super) async fn pause(
    context: &Context,
    client: &Client,
    target: &str,
    pace: TransferPace,
) -> Result<(), Failure> {
    let follow = found(client, target).await?;
    let patch = FollowPatch {
        paused: Some(pace == TransferPace::Paused),
        ..FollowPatch::default()
    };
    let request = client.request(Method::PATCH, &format!("{FOLLOWS}/{}", follow.id));
    let follow: FollowView = client.json(request.json(&patch)).await?;
    context
        .output
        .result(&follow, || format!("replication of {target} is {pace}"));
    Ok(())
}

fn describe(follow: &FollowView) -> String {
    let whom = follow.publisher.as_ref().unwrap_or(&follow.target);
    let replicate = &follow.policy.replicate;
    match follow.state.as_str() {
        "resolved" => format!("following {whom}, replicating {replicate}"),
        _ => format!(
            "following {whom}, replicating {replicate}, as soon as it is found; see `cidcast feed ls`"
        ),
    }
}

/// Ends every follow that the text means.
pub(super) async fn unfollow(
    context: &Context,
    client: &Client,
    target: &str,
) -> Result<(), Failure> {
    let follow = found(client, target).await?;
    let path = format!("{FOLLOWS}/{}", follow.id);
    client.send(client.request(Method::DELETE, &path)).await?;
    context
        .output
        .result(&follow, || format!("no longer following {target}"));
    Ok(())
}

async fn found(client: &Client, target: &str) -> Result<FollowView, Failure> {
    find(client, target).await?.ok_or_else(|| {
        let detail = format!("{target} is not followed: see `cidcast feed ls`");
        Failure::new(Kind::NotFound, "not-found", "Not followed", detail)
    })
}

/// The follow of that target or publisher, if there is one.
async fn find(client: &Client, target: &str) -> Result<Option<FollowView>, Failure> {
    let follows: FollowList = client.get(FOLLOWS).await?;
    let publisher = target.parse::<Publisher>().ok().map(|key| key.to_string());
    let found = follows.items.into_iter().find(|follow| {
        follow.target == target || publisher.is_some() && follow.publisher == publisher
    });
    Ok(found)
}
