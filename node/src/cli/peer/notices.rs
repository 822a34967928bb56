//! `cidcast peer notices`.

use reqwest::Method;
use serde_json::json;

use super::super::Context;
use super::super::args::NoticeCommand;
use super::super::client::Client;
use super::super::failure::Failure;
use super::super::output::table;
use crate::api::{DeliveryList, DeliveryView, Retried};

const DELIVERIES: &str = "/api/v1/deliveries";

pub(super) async fn run(
    context: &Context,
    client: &Client,
    command: NoticeCommand,
) -> Result<(), Failure> {
    match command {
        NoticeCommand::Ls => list(context, client).await?,
        NoticeCommand::Retry { id } => {
            let path = match id {
                Some(id) => format!("{DELIVERIES}/{id}/retry"),
                None => format!("{DELIVERIES}/retry"),
            };
            let done: Retried = client.post(&path).await?;
            let text = || format!("{} are tried again now", done.retried);
            context.output.result(&done, text);
        }
        NoticeCommand::Drop { id } => {
            let path = format!("{DELIVERIES}/{id}");
            client.send(client.request(Method::DELETE, &path)).await?;
            let view = json!({ "id": id, "dropped": true });
            context.output.result(&view, || format!("dropped {id}"));
        }
    }
    Ok(())
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let mut items = Vec::new();
    let mut skip = 0;
    loop {
        let query = [("limit", "200".to_owned()), ("skip", skip.to_string())];
        let page: DeliveryList = client.query(DELIVERIES, &query).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => skip = next,
            None => break,
        }
    }
    let view = json!({ "items": items });
    context.output.result(&view, || rows(&items));
    Ok(())
}

fn rows(notices: &[DeliveryView]) -> String {
    if notices.is_empty() {
        return "everything that was to be told has arrived".to_owned();
    }
    let head = ["NUMBER", "PEER", "TRIES", "STATE", "WHAT", "ERROR"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(notices.iter().map(|notice| {
        let state = match notice.next_try_at {
            Some(_) => "waits",
            None => "given up",
        };
        vec![
            notice.id.to_string(),
            notice.peer.clone(),
            notice.attempts.to_string(),
            state.to_owned(),
            notice.what.clone(),
            notice.error.clone().unwrap_or_default(),
        ]
    }));
    table(&rows)
}
