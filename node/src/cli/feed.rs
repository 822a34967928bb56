//! `cidcast feed`.

mod blocklist;
pub(super) mod follow;
mod upkeep;

use std::process::ExitCode;

use reqwest::Method;
use serde_json::json;

use super::Context;
use super::args::{FeedCommand, ProfileArgs};
use super::client::Client;
use super::failure::Failure;
use super::output::{duration, size, table};
use crate::api::{
    AnnouncedList, AnnouncedView, BlockRequest, FeedDetail, FeedList, FeedView, FollowList,
    FollowView, PublisherView, SnapshotView,
};

/// The API's largest page.
const PAGE: usize = 200;

pub(crate) async fn run(context: &Context, command: FeedCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    match command {
        FeedCommand::Ls => list(context, &client).await?,
        FeedCommand::Show { publisher } => show(context, &client, publisher).await?,
        FeedCommand::Follow(options) => follow::follow(context, &client, options).await?,
        FeedCommand::Unfollow { target } => follow::unfollow(context, &client, &target).await?,
        FeedCommand::Block {
            publisher,
            reason,
            fate,
        } => {
            let request = BlockRequest {
                kind: "publisher".to_owned(),
                subject: publisher.clone(),
                reason,
                fate: fate.map(|fate| fate.as_str().to_owned()),
            };
            block(context, &client, &request).await?;
        }
        FeedCommand::Unblock { publisher } => {
            unblock(context, &client, "publisher", &publisher).await?;
        }
        FeedCommand::Search {
            words,
            publisher,
            limit,
        } => search(context, &client, &words.join(" "), publisher, limit).await?,
        FeedCommand::Remove { publisher, asset } => {
            let path = format!("/api/v1/discover/{publisher}/{asset}");
            client.send(client.request(Method::DELETE, &path)).await?;
            let view = json!({ "publisher": publisher, "asset": asset, "removed": true });
            context.output.result(&view, || format!("removed {asset}"));
        }
        FeedCommand::Removed => upkeep::removed(context, &client).await?,
        FeedCommand::Allow { publisher, asset } => {
            upkeep::allow(context, &client, &publisher, &asset.to_string()).await?;
        }
        FeedCommand::Score { publisher } => upkeep::score(context, &client, &publisher).await?,
        FeedCommand::ResetScore { publisher } => {
            upkeep::reset_score(context, &client, &publisher).await?;
        }
        FeedCommand::Followers => upkeep::followers(context, &client).await?,
        FeedCommand::ForgetFollower { peer } => {
            upkeep::forget_follower(context, &client, &peer).await?;
        }
        FeedCommand::Confirm { yes: true } => upkeep::confirm(context, &client).await?,
        FeedCommand::Confirm { yes: false } => {
            return Err(Failure::usage(
                "if anything more was signed with the key, the feed forks for good: repeat with \
                 --yes if its other hosts are gone",
            ));
        }
        FeedCommand::Profile(options) => profile(context, &client, options).await?,
        FeedCommand::Blocklist(command) => blocklist::run(context, &client, command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Blocks somebody; also `cidcast peer block`.
pub(super) async fn block(
    context: &Context,
    client: &Client,
    request: &BlockRequest,
) -> Result<(), Failure> {
    let post = client.request(Method::POST, "/api/v1/blocks").json(request);
    client.send(post).await?;
    let text = || format!("blocked {}", request.subject);
    context.output.result(request, text);
    Ok(())
}

/// Takes back a block; also `cidcast peer unblock`.
pub(super) async fn unblock(
    context: &Context,
    client: &Client,
    kind: &str,
    subject: &str,
) -> Result<(), Failure> {
    let path = format!("/api/v1/blocks/{kind}/{subject}");
    client.send(client.request(Method::DELETE, &path)).await?;
    let view = json!({ "kind": kind, "subject": subject, "blocked": false });
    context
        .output
        .result(&view, || format!("un-blocked {subject}"));
    Ok(())
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let follows: FollowList = client.get("/api/v1/follows").await?;
    let mut feeds: Vec<FeedView> = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page: FeedList = client.query("/api/v1/feeds", &query).await?;
        feeds.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let view = json!({ "follows": follows.items, "feeds": feeds });
    context
        .output
        .result(&view, || rows(&follows.items, &feeds));
    Ok(())
}

fn rows(follows: &[FollowView], feeds: &[FeedView]) -> String {
    let known = |follow: &FollowView| {
        let publisher = follow.publisher.as_ref();
        publisher.is_some_and(|key| feeds.iter().any(|feed| feed.publisher == *key))
    };
    let waiting: Vec<&FollowView> = follows.iter().filter(|follow| !known(follow)).collect();
    if feeds.is_empty() && waiting.is_empty() {
        return "no feeds: follow a publisher with `cidcast feed follow TARGET`".to_owned();
    }
    let head = ["PUBLISHER", "STATE", "HAVE", "ASSETS", "REPLICATES", "NAME"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(feeds.iter().map(|feed| {
        let follow = follows
            .iter()
            .find(|follow| follow.publisher.as_ref() == Some(&feed.publisher));
        let replicates = match (follow, feed.own) {
            (Some(follow), _) => follow.policy.replicate.clone(),
            (None, true) => "own".to_owned(),
            (None, false) => "-".to_owned(),
        };
        vec![
            feed.publisher.clone(),
            feed.state.clone(),
            progress(feed),
            feed.assets.to_string(),
            replicates,
            feed.name.clone(),
        ]
    }));
    rows.extend(waiting.iter().map(|follow| {
        let whom = follow.publisher.as_ref().unwrap_or(&follow.target);
        vec![
            whom.clone(),
            follow.state.clone(),
            "-".to_owned(),
            "-".to_owned(),
            follow.policy.replicate.clone(),
            follow.error.clone().unwrap_or_else(|| follow.name.clone()),
        ]
    }));
    table(&rows)
}

/// `12 of 14`, or `14`.
fn progress(feed: &FeedView) -> String {
    match feed.lag {
        0 => feed.have.to_string(),
        _ => format!("{} of {}", feed.have, feed.latest),
    }
}

async fn show(
    context: &Context,
    client: &Client,
    publisher: Option<String>,
) -> Result<(), Failure> {
    let Some(publisher) = publisher else {
        let own: PublisherView = client.get("/api/v1/publisher").await?;
        context.output.result(&own, || describe_own(&own));
        return Ok(());
    };
    let feed: FeedDetail = client.get(&format!("/api/v1/feeds/{publisher}")).await?;
    let query = [("publisher", publisher.as_str()), ("limit", "200")];
    let assets: AnnouncedList = client.query("/api/v1/discover", &query).await?;
    let view = json!({ "feed": feed, "assets": assets.items });
    context.output.result(&view, || {
        format!("{}\n{}", describe(&feed), found(&assets.items))
    });
    Ok(())
}

fn describe_own(own: &PublisherView) -> String {
    let mut text = format!("publisher  {}\nstate      {}\n", own.publisher, own.state);
    let optional = [
        ("detail", own.detail.clone()),
        ("name", Some(own.name.clone())),
        ("about", Some(own.about.clone())),
        ("web", own.web.clone()),
        (
            "announced",
            own.seq.map(|seq| format!("up to number {seq}")),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("{name:<9}  {value}\n"));
        }
    }
    for node in &own.nodes {
        text.push_str(&format!("node       {node}\n"));
    }
    text
}

fn describe(detail: &FeedDetail) -> String {
    let feed = &detail.feed;
    let mut text = format!(
        "publisher  {}\nname       {}\nstate      {}\nhave       {}\nassets     {}\n",
        feed.publisher,
        feed.name,
        feed.state,
        progress(feed),
        feed.assets,
    );
    for (name, value) in [("from", &feed.from), ("error", &feed.error)] {
        if let Some(value) = value {
            text.push_str(&format!("{name:<9}  {value}\n"));
        }
    }
    if let Some(snapshot) = &detail.snapshot {
        text.push_str(&format!("snapshot   {}\n", held(snapshot)));
    }
    for fork in &detail.forks {
        text.push_str(&format!(
            "forked     at number {}: two announcements contradict each other\n",
            fork.seq
        ));
    }
    for line in detail.announcements.iter().take(10) {
        text.push_str(&format!("  {:>5}  {}\n", line.seq, line.ops.join(", ")));
    }
    text
}

/// `up to number 999, 2.1 MB, held`, or why it is not.
fn held(snapshot: &SnapshotView) -> String {
    let seq = snapshot.seq;
    match (snapshot.bytes, snapshot.older) {
        (Some(bytes), _) => format!("up to number {seq}, {}, held here", size(bytes)),
        (None, Some(older)) => {
            format!("up to number {seq}, not here yet; the one up to {older} is held")
        }
        (None, None) => format!("up to number {seq}, not here"),
    }
}

async fn search(
    context: &Context,
    client: &Client,
    words: &str,
    publisher: Option<String>,
    limit: usize,
) -> Result<(), Failure> {
    let mut items: Vec<AnnouncedView> = Vec::new();
    let mut cursor: Option<String> = None;
    while items.len() < limit {
        let page = (limit - items.len()).min(PAGE).to_string();
        let mut query = vec![("limit", page), ("q", words.to_owned())];
        query.extend(publisher.clone().map(|key| ("publisher", key)));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer: AnnouncedList = client.query("/api/v1/discover", &query).await?;
        items.extend(answer.items);
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
    }
    let view = json!({ "items": items, "next": cursor });
    context.output.result(&view, || found(&items));
    Ok(())
}

fn found(assets: &[AnnouncedView]) -> String {
    if assets.is_empty() {
        return "nothing found".to_owned();
    }
    let head = [
        "ASSET",
        "HERE",
        "COPIES",
        "LENGTH",
        "SIZE",
        "PUBLISHER",
        "TITLE",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(assets.iter().map(|asset| {
        let publisher = match asset.publisher_name.as_str() {
            "" => &asset.publisher,
            name => name,
        };
        vec![
            asset.id.clone(),
            asset.here.clone(),
            asset.copies.to_string(),
            duration(asset.duration),
            size(asset.bytes),
            publisher.to_owned(),
            asset.title.clone(),
        ]
    }));
    table(&rows)
}

async fn profile(context: &Context, client: &Client, options: ProfileArgs) -> Result<(), Failure> {
    let web = options
        .web
        .map(|url| Some(url).filter(|url| !url.is_empty()));
    let mut patch = serde_json::Map::new();
    let fields = [
        ("name", options.name.map(|name| json!(name))),
        ("about", options.about.map(|about| json!(about))),
        ("web", web.map(|web| json!(web))),
    ];
    for (name, value) in fields {
        patch.extend(value.map(|value| (name.to_owned(), value)));
    }
    let request = client
        .request(Method::PUT, "/api/v1/publisher")
        .json(&patch);
    let own: PublisherView = client.json(request).await?;
    context.output.result(&own, || describe_own(&own));
    Ok(())
}
