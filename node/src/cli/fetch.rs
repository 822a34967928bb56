//! Following a fetch of a running node until all is there.

use bytes::Bytes;
use cidcast_types::Cid;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::client::Client;
use super::failure::{Failure, Kind};
use super::output::{Output, size};
use crate::api::{Document, FetchView};

/// The longest message that is understood; a node sends a few hundred bytes.
const MAX_MESSAGE: usize = 64 << 10;

/// Keeps what was fetched in the node's store until it is dropped.
#[must_use = "the node may delete what was fetched as soon as this is dropped"]
pub(crate) struct Held {
    _answer: Messages,
}

/// Waits until the node has everything below `root`, showing how far it is.
pub(crate) async fn fetch(output: Output, client: &Client, root: &Cid) -> Result<Held, Failure> {
    let request = client.request(Method::POST, &format!("/api/v1/store/fetch/{root}"));
    let answer = client.send(request).await?;
    let body = answer
        .bytes_stream()
        .map_err(|error| Failure::local(&error));
    let mut messages = Messages {
        body: body.boxed(),
        unread: Vec::new(),
    };
    let bar = super::add::progress(output, 1, "{wide_bar} {pos}/{len} blocks {msg}");
    let end = follow(&mut messages, &bar).await;
    bar.finish_and_clear();
    end.map(|()| Held { _answer: messages })
}

async fn follow(messages: &mut Messages, bar: &ProgressBar) -> Result<(), Failure> {
    while let Some((event, data)) = messages.next().await? {
        match event.as_str() {
            "progress" => show(bar, &parsed(&data)?),
            "done" => return Ok(()),
            "problem" => return Err(Failure::from_node(parsed::<Document>(&data)?)),
            _ => {}
        }
    }
    Err(Failure::new(
        Kind::Failed,
        "fetch-cut-off",
        "Fetch cut off",
        "the node stopped before all was fetched: run the command again, it goes on where it was",
    ))
}

pub(super) fn show(bar: &ProgressBar, progress: &FetchView) {
    bar.set_length(progress.blocks_known);
    bar.set_position(progress.blocks);
    let (bytes, peers) = (size(progress.bytes), progress.peers);
    bar.set_message(format!("{bytes} from {peers} peers"));
}

fn parsed<T: DeserializeOwned>(data: &str) -> Result<T, Failure> {
    serde_json::from_str(data).map_err(|error| Failure::local(&error))
}

/// Server-sent events, one after another (HTML, "Server-sent events").
struct Messages {
    body: BoxStream<'static, Result<Bytes, Failure>>,
    unread: Vec<u8>,
}

impl Messages {
    /// Event and data of the next message; `None` at the end.
    async fn next(&mut self) -> Result<Option<(String, String)>, Failure> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let rest = self.unread.split_off(end + 2);
                let text = std::mem::replace(&mut self.unread, rest);
                return Ok(Some(message(&String::from_utf8_lossy(&text))));
            }
            match self.body.next().await {
                Some(piece) if self.unread.len() <= MAX_MESSAGE => {
                    self.unread.extend_from_slice(&piece?);
                }
                Some(_) | None => return Ok(None),
            }
        }
    }
}

/// One message: its fields by their names; a comment has neither.
fn message(text: &str) -> (String, String) {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let values: Vec<&str> = lines.map(|value| value.trim_start_matches(' ')).collect();
        values.join("\n")
    };
    (field("event:"), field("data:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_read_however_they_are_cut() {
        let text =
            "event: progress\ndata: {\"a\":1}\n\n: keep-alive\n\nevent: done\ndata: {}\n\nrest";
        for piece in [1, 7, 1000] {
            let pieces: Vec<_> = text
                .as_bytes()
                .chunks(piece)
                .map(|bytes| Ok(Bytes::copy_from_slice(bytes)))
                .collect();
            let mut messages = Messages {
                body: futures::stream::iter(pieces).boxed(),
                unread: Vec::new(),
            };
            let mut read = Vec::new();
            while let Some(message) = messages.next().await.unwrap() {
                read.push(message);
            }
            let expected = [("progress", "{\"a\":1}"), ("", ""), ("done", "{}")]
                .map(|(event, data)| (event.to_owned(), data.to_owned()));
            assert_eq!(read, expected);
        }
    }
}
