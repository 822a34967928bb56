//! Step 4: make the package durable, pin it, and say that the asset is ready.
//!
//! Ends by saving the root CID. The row says `ready` only when every block under it is synced and
//! pinned for this asset.

use cidcast_types::AssetState;

use crate::failure::StepError;
use crate::ingest::blocking;
use crate::job::Context;
use crate::settings::KeepSource;
use crate::steps::package::Packaged;

pub(crate) async fn run(context: &Context, packaged: Packaged) -> Result<(), StepError> {
    context.enter(AssetState::Pinning).await?;
    let node = &context.node;
    let Packaged { root, bytes, guard } = packaged;
    let (store, holder, audience) = (
        node.store.clone(),
        context.holder.clone(),
        context.audience().await?,
    );
    blocking(move || {
        store.sync()?;
        store.pin(&holder, &root.cid(), audience)?;
        drop(guard);
        Ok::<(), StepError>(())
    })
    .await?;
    // The visibility may have changed while the pins were written.
    node.align_audience(&context.asset, context.row().await?.visibility)
        .await?;
    node.catalog
        .save_package(&context.asset, &root, bytes, node.clock.now())
        .await?;
    clear(context);
    Ok(())
}

/// Removes what a ready asset does not need any more. It is ready all the same if this fails; the
/// next start of the node looks again.
fn clear(context: &Context) {
    let files = &context.node.files;
    let mut removed = files.remove_work(&context.asset);
    if context.node.settings.keep_source == KeepSource::Delete {
        removed = removed.and(files.remove_source(&context.asset));
    }
    if let Err(error) = removed {
        tracing::warn!(asset = %context.asset, %error, "could not remove the source of a ready asset");
    }
}
