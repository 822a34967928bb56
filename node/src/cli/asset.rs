//! `cidcast asset`.

use std::process::ExitCode;

use cidcast_types::AssetId;
use reqwest::Method;
use serde_json::json;

use super::add::{describe, progress};
use super::args::{AssetCommand, Changes, EditArgs};
use super::client::Client;
use super::failure::Failure;
use super::output::{agree, duration, table};
use super::{Context, wait};
use crate::api::{AssetList, AssetView};

/// The API's largest page.
const PAGE: usize = 200;

pub(crate) async fn run(context: &Context, command: AssetCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    let show = |asset: &AssetView| context.output.result(asset, || describe(asset));
    match command {
        AssetCommand::Ls {
            search,
            state,
            visibility,
            limit,
        } => {
            let state = state.map(|state| state.to_string());
            let visibility = visibility.map(|visibility| visibility.to_string());
            let query = [("q", search), ("state", state), ("visibility", visibility)];
            list(context, &client, &query, limit).await?;
        }
        AssetCommand::Show { id } => show(&client.get(&path(&id)).await?),
        AssetCommand::Edit(options) => show(&edit(&client, options).await?),
        AssetCommand::Publish { id } => {
            show(&client.post(&format!("{}/publish", path(&id))).await?);
        }
        AssetCommand::Retract { id, reason } => {
            let request = client.request(Method::POST, &format!("{}/retract", path(&id)));
            show(
                &client
                    .json(request.json(&json!({ "reason": reason })))
                    .await?,
            );
        }
        AssetCommand::Retry { id, wait } => retry(context, &client, &id, Wait::from(wait)).await?,
        AssetCommand::Rm { ids, yes } => {
            confirm(&ids, Confirmed::from(yes))?;
            for id in ids {
                client
                    .send(client.request(Method::DELETE, &path(&id)))
                    .await?;
                context
                    .output
                    .result(&json!({ "id": id, "deleted": true }), || {
                        format!("deleted {id}")
                    });
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(id: &AssetId) -> String {
    format!("/api/v1/assets/{id}")
}

async fn list(
    context: &Context,
    client: &Client,
    filter: &[(&str, Option<String>)],
    limit: usize,
) -> Result<(), Failure> {
    let mut found: Vec<AssetView> = Vec::new();
    let mut cursor = None;
    while found.len() < limit {
        let page = (limit - found.len()).min(PAGE).to_string();
        let mut query: Vec<(&str, String)> = vec![("limit", page)];
        query.extend(
            filter
                .iter()
                .filter_map(|(name, value)| Some((*name, value.clone()?))),
        );
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer: AssetList = client.query("/api/v1/assets", &query).await?;
        found.extend(answer.items);
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
    }
    let next = cursor;
    context
        .output
        .result(&json!({ "items": found, "next": next }), || rows(&found));
    Ok(())
}

fn rows(assets: &[AssetView]) -> String {
    if assets.is_empty() {
        return "no assets: add one with `cidcast add FILE`".to_owned();
    }
    let head = ["ID", "STATE", "VISIBILITY", "LENGTH", "TITLE"]
        .map(String::from)
        .to_vec();
    let mut rows = vec![head];
    rows.extend(assets.iter().map(|asset| {
        let state = match asset.state.as_str() {
            "transcoding" => format!("transcoding {:.0} %", asset.progress),
            other => other.to_owned(),
        };
        let length = asset.duration.map_or_else(|| "-".to_owned(), duration);
        vec![
            asset.id.clone(),
            state,
            asset.visibility.clone(),
            length,
            asset.title.clone(),
        ]
    }));
    table(&rows)
}

async fn edit(client: &Client, options: EditArgs) -> Result<AssetView, Failure> {
    let Changes {
        title,
        description,
        tags,
        no_tags,
        visibility,
    } = options.changes;
    let tags = (no_tags || !tags.is_empty()).then_some(tags);
    let mut patch = serde_json::Map::new();
    let fields = [
        ("title", title.map(|title| json!(title))),
        ("description", description.map(|text| json!(text))),
        ("tags", tags.map(|tags| json!(tags))),
        ("visibility", visibility.map(|visibility| json!(visibility))),
    ];
    for (name, value) in fields {
        patch.extend(value.map(|value| (name.to_owned(), value)));
    }
    let request = client.request(Method::PATCH, &path(&options.id));
    client.json(request.json(&patch)).await
}

/// Whether to wait for the end of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

impl From<bool> for Wait {
    fn from(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

async fn retry(
    context: &Context,
    client: &Client,
    id: &AssetId,
    wait: Wait,
) -> Result<(), Failure> {
    let mut asset: AssetView = client.post(&format!("{}/retry", path(id))).await?;
    if wait == Wait::Yes {
        let bar = progress(
            context.output,
            100,
            "{prefix:.bold} {wide_bar} {pos:>3} % {msg}",
        );
        bar.set_prefix(asset.title.clone());
        asset = wait::until_settled(client, &asset.id, &bar).await?;
    }
    context.output.result(&asset, || describe(&asset));
    if wait == Wait::Yes {
        wait::outcome(&asset)
    } else {
        Ok(())
    }
}

/// Whether `--yes` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    Already,
    NotYet,
}

impl From<bool> for Confirmed {
    fn from(flag: bool) -> Self {
        if flag { Self::Already } else { Self::NotYet }
    }
}

fn confirm(ids: &[AssetId], confirmed: Confirmed) -> Result<(), Failure> {
    if confirmed == Confirmed::Already {
        return Ok(());
    }
    let many = if ids.len() == 1 {
        "this asset"
    } else {
        "these assets"
    };
    agree(
        &format!("Delete {many} with all blocks and files? This cannot be undone."),
        "deleting cannot be undone: repeat with --yes to do it",
        "nothing was deleted",
    )
}
