//! A write path in a directory of its own.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use cidcast_catalog::{Asset, Catalog};
use cidcast_ingest::{About, Ingest, IngestSettings, KeepSource, Metrics, Parties};
use cidcast_ipfs::Blocks;
use cidcast_media::plan::LadderSettings;
use cidcast_runtime::{Backoff, Clock, Shutdown};
use cidcast_store::{Store, StoreSettings};
use cidcast_transcode::{ProbeLimits, ToolSettings, Tools};
use cidcast_types::{AssetId, AssetState, Visibility};
use futures::stream;

/// Nothing here takes this long on a working machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct WritePath {
    pub(crate) ingest: Ingest,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) blocks: Blocks,
    pub(crate) metrics: Metrics,
    shutdown: Shutdown,
}

impl WritePath {
    /// Opens or reopens what is in `dir`.
    pub(crate) async fn open(dir: &Path) -> Self {
        Self::open_with(dir, |_| {}).await
    }

    pub(crate) async fn open_with(dir: &Path, adjust: impl FnOnce(&mut IngestSettings)) -> Self {
        let catalog = Catalog::open(&dir.join("catalog.db")).await.unwrap();
        let store = Store::open(&dir.join("store"), StoreSettings::default()).unwrap();
        let blocks = Blocks::new(store.clone());
        let metrics = Metrics::default();
        let shutdown = Shutdown::new();
        let mut settings = settings(dir);
        adjust(&mut settings);
        let parties = Parties {
            catalog: catalog.clone(),
            store: store.clone(),
            blocks: blocks.clone(),
            tools: Tools::locate(&ToolSettings::default()).unwrap(),
            clock: Clock::System,
        };
        let ingest = Ingest::start(settings, parties, metrics.clone(), &shutdown)
            .await
            .unwrap();
        Self {
            ingest,
            catalog,
            store,
            blocks,
            metrics,
            shutdown,
        }
    }

    pub(crate) async fn close(self) {
        self.ingest.stop(PATIENCE).await.unwrap();
        self.shutdown.drain(PATIENCE).await.unwrap();
        self.store.close().unwrap();
        self.catalog.close().await;
    }

    pub(crate) async fn add(&self, file: &Path) -> AssetId {
        let bytes = std::fs::read(file).unwrap();
        let about = about(file.file_name().unwrap().to_str().unwrap());
        self.ingest
            .receive(about, Some(bytes.len() as u64), body(&bytes))
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn wait(&self, id: &AssetId, until: impl Fn(&Asset) -> bool) -> Asset {
        let mut events = self.ingest.events();
        let waiting = async {
            loop {
                let asset = self
                    .catalog
                    .get(id)
                    .await
                    .unwrap()
                    .expect("the asset is there");
                if until(&asset) {
                    return asset;
                }
                // Falling behind only means that there is something newer to look at.
                let _ = events.recv().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("in time")
    }

    pub(crate) async fn settled(&self, id: &AssetId) -> Asset {
        self.wait(id, |asset| asset.state.is_settled()).await
    }

    pub(crate) async fn ready(&self, id: &AssetId) -> Asset {
        let asset = self.settled(id).await;
        assert_eq!(asset.state, AssetState::Ready, "{:?}", asset.failure);
        asset
    }
}

pub(crate) fn settings(dir: &Path) -> IngestSettings {
    IngestSettings {
        data_dir: dir.to_owned(),
        max_source_bytes: 1 << 30,
        upload_expiry: Duration::from_secs(3600),
        min_free_bytes: 1 << 20,
        ladder: LadderSettings {
            preset: "ultrafast".to_owned(),
            ..LadderSettings::default()
        },
        probe: ProbeLimits::default(),
        jobs: 2,
        parallel: 2,
        retry: Backoff {
            first: Duration::from_millis(100),
            factor: 2,
            ceiling: Duration::from_secs(1),
            attempts: 2,
        },
        keep_source: KeepSource::Delete,
    }
}

pub(crate) fn about(filename: &str) -> About {
    About::new(filename, None, "", &[], Visibility::Private).unwrap()
}

/// A body in pieces of uneven size.
pub(crate) fn body(
    bytes: &[u8],
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let pieces: Vec<_> = bytes
        .chunks(65_521)
        .map(|p| Ok(Bytes::copy_from_slice(p)))
        .collect();
    stream::iter(pieces)
}
