//! `cidcast feed blocklist`.

use reqwest::Method;
use serde_json::json;

use super::super::Context;
use super::super::args::BlockListCommand;
use super::super::client::Client;
use super::super::failure::Failure;
use super::super::output::table;
use super::super::store::save;
use crate::api::{BlockListView, BlockLists};

const LISTS: &str = "/api/v1/blocklists";

pub(super) async fn run(
    context: &Context,
    client: &Client,
    command: BlockListCommand,
) -> Result<(), Failure> {
    match command {
        BlockListCommand::Ls => {
            let lists: BlockLists = client.get(LISTS).await?;
            context.output.result(&lists, || rows(&lists.items));
        }
        BlockListCommand::Export { output } => {
            let request = client.request(Method::GET, &format!("{LISTS}/own"));
            save(client.send(request).await?, output.as_deref()).await?;
        }
        BlockListCommand::Share { title } => {
            let request = client.request(Method::PUT, &format!("{LISTS}/own"));
            client.send(request.query(&[("title", title)])).await?;
            let text = || "whom you block is given to nodes that ask".to_owned();
            context.output.result(&json!({ "shared": true }), text);
        }
        BlockListCommand::Unshare => {
            let request = client.request(Method::DELETE, &format!("{LISTS}/own"));
            client.send(request).await?;
            let text = || "whom you block is given to nobody".to_owned();
            context.output.result(&json!({ "shared": false }), text);
        }
        BlockListCommand::Import { of: Some(of), .. } => {
            let list: BlockListView = client.post(&format!("{LISTS}/{of}")).await?;
            imported(context, &list);
        }
        // One of the two is there, or the arguments would not be.
        BlockListCommand::Import { file, of: None } => {
            let file = file.unwrap_or_default();
            let bytes = std::fs::read(&file);
            let bytes = bytes.map_err(|error| Failure::file("read", &file, &error))?;
            let request = client.request(Method::POST, LISTS).body(bytes);
            let list: BlockListView = client.json(request).await?;
            imported(context, &list);
        }
        BlockListCommand::Rm { publisher } => {
            let path = format!("{LISTS}/{publisher}");
            client.send(client.request(Method::DELETE, &path)).await?;
            let view = json!({ "publisher": publisher, "removed": true });
            context
                .output
                .result(&view, || format!("removed the list of {publisher}"));
        }
    }
    Ok(())
}

fn imported(context: &Context, list: &BlockListView) {
    context.output.result(list, || {
        format!("{} entries, signed by {}", list.entries, list.publisher)
    });
}

fn rows(lists: &[BlockListView]) -> String {
    if lists.is_empty() {
        return "no block lists: import one with `cidcast feed blocklist import FILE`".to_owned();
    }
    let head = ["PUBLISHER", "ENTRIES", "SOURCE"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(lists.iter().map(|list| {
        vec![
            list.publisher.clone(),
            list.entries.to_string(),
            list.source.clone(),
        ]
    }));
    table(&rows)
}
