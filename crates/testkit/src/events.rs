//! The node's event stream.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Response;
use serde_json::Value;

/// A healthy node says something at least this often: it sends a comment when nothing happens.
const SILENCE: Duration = Duration::from_secs(60);

/// Server-sent events, one at a time.
pub struct Events {
    response: Response,
    read: String,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next event: its name and data.
    ///
    /// # Errors
    ///
    /// If the stream ends or falls silent.
    pub async fn next(&mut self) -> Result<(String, Value)> {
        loop {
            while let Some((message, rest)) = self.read.split_once("\n\n") {
                let event = parse(message)?;
                self.read = rest.to_owned();
                if let Some(event) = event {
                    return Ok(event);
                }
            }
            let more = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            match more.context("the event stream fell silent")?? {
                Some(bytes) => self.read.push_str(&String::from_utf8_lossy(&bytes)),
                None => bail!("the event stream ended"),
            }
        }
    }

    /// Waits until the asset is heard of in one of these states; which.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub async fn hear(&mut self, id: &str, states: &[&str]) -> Result<String> {
        loop {
            let (name, data) = self.next().await?;
            let is_it = name == "asset" && data.get("id").and_then(Value::as_str) == Some(id);
            let state = data.get("state").and_then(Value::as_str);
            if let Some(state) = state.filter(|state| is_it && states.contains(state)) {
                return Ok(state.to_owned());
            }
        }
    }
}

/// A message without data is a sign of life.
fn parse(message: &str) -> Result<Option<(String, Value)>> {
    let field = |name: &str| {
        let mut lines = message.lines();
        lines.find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    let Some(data) = field("data:") else {
        return Ok(None);
    };
    Ok(Some((
        field("event:").unwrap_or_default(),
        serde_json::from_str(&data)?,
    )))
}
