//! Following an asset until it is settled.

use std::time::Duration;

use cidcast_types::AssetState;
use indicatif::ProgressBar;

use super::client::Client;
use super::failure::{Failure, Kind};
use crate::api::AssetView;

/// How often to look. A look costs the node one indexed read.
const INTERVAL: Duration = Duration::from_millis(300);

/// Failed looks in a row before giving up: a node that restarts is back within seconds.
const PATIENCE: u32 = 100;

/// Waits until the asset is ready or failed; `bar` shows how far it is.
pub(crate) async fn until_settled(
    client: &Client,
    id: &str,
    bar: &ProgressBar,
) -> Result<AssetView, Failure> {
    let mut silent = 0;
    loop {
        match client
            .get::<AssetView>(&format!("/api/v1/assets/{id}"))
            .await
        {
            Ok(asset) => {
                silent = 0;
                show(bar, &asset);
                if asset.state.parse().is_ok_and(AssetState::is_settled) {
                    bar.finish_and_clear();
                    return Ok(asset);
                }
            }
            Err(failure) if failure.kind() == Kind::Unreachable && silent < PATIENCE => {
                silent += 1;
                bar.set_message("waiting for the node to come back");
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Whether the asset is playable, or why not.
pub(crate) fn outcome(asset: &AssetView) -> Result<(), Failure> {
    match (&asset.error, asset.state.as_str()) {
        (Some(error), "failed") => Err(Failure::new(
            Kind::Failed,
            error.kind.rsplit(':').next().unwrap_or("failed"),
            &error.title,
            format!(
                "asset {} failed: {}{}",
                asset.id,
                error.detail,
                if error.permanent {
                    String::new()
                } else {
                    hint(asset)
                }
            ),
        )),
        _ => Ok(()),
    }
}

fn hint(asset: &AssetView) -> String {
    format!("\nTry again with `cidcast asset retry {}`", asset.id)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage"
)]
fn show(bar: &ProgressBar, asset: &AssetView) {
    bar.set_position(asset.progress.clamp(0.0, 100.0) as u64);
    let speed = asset
        .speed
        .map(|speed| format!(" {speed:.1}×"))
        .unwrap_or_default();
    bar.set_message(format!("{}{speed}", asset.state));
}
