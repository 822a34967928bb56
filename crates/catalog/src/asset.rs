//! An asset as the rest of the node sees it, and what goes in to make or change one.

use cidcast_media::plan::{Plan, PlanKey};
use cidcast_media::source::SourceMedia;
use cidcast_types::{AssetId, AssetState, Cid, RootCid, Timestamp, Visibility};

/// One title: its source, its metadata, and the job that makes it playable.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its name for as long as this node knows it.
    pub id: AssetId,
    /// As shown to people.
    pub title: String,
    /// As shown to people; may be empty.
    pub description: String,
    /// In the order in which they were given.
    pub tags: Vec<String>,
    /// Who may have its blocks.
    pub visibility: Visibility,
    /// Where it stands on the write path.
    pub state: AssetState,
    /// Percent of the current state's work, 0 to 100.
    pub progress: f32,
    /// Media seconds per second of the transcode, while there is one.
    pub speed: Option<f32>,
    /// Why it failed, or why it waits for the next attempt.
    pub failure: Option<Failure>,
    /// How many attempts have failed since it was queued.
    pub attempt: u32,
    /// Not before this time, if it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// The uploaded file.
    pub source: Source,
    /// What the probe found, once it has run. A document that this version does not read counts
    /// as none: the source is probed again.
    pub media: Option<SourceMedia>,
    /// What will be encoded, once it is known. While the job is not settled a plan of another
    /// [`PLAN_VERSION`](cidcast_media::plan::PLAN_VERSION) counts as none: it is made anew.
    pub plan: Option<Plan>,
    /// The key under which the units of the saved plan are found, whether or not it is readable.
    pub plan_key: Option<PlanKey>,
    /// The CID of the package, once there is one.
    pub root: Option<RootCid>,
    /// Bytes of all files in the package.
    pub package_bytes: Option<u64>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// When anything but its progress last changed.
    pub updated_at: Timestamp,
}

/// The uploaded file of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file name that the uploader gave.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The CID of its content.
    pub cid: Cid,
}

/// The uploaded file of an asset that is about to be made.
pub type NewSource = Source;

/// An asset that is about to be made. It starts `queued`.
#[derive(Debug, Clone)]
pub struct NewAsset {
    /// Made by the caller from the clock and random bits.
    pub id: AssetId,
    /// As shown to people.
    pub title: String,
    /// As shown to people; may be empty.
    pub description: String,
    /// In the order in which they are to be shown.
    pub tags: Vec<String>,
    /// Who may have its blocks.
    pub visibility: Visibility,
    /// The uploaded file.
    pub source: NewSource,
    /// Now.
    pub created_at: Timestamp,
}

/// Changes to what people see of an asset; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// The new title.
    pub title: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// All of the new tags.
    pub tags: Option<Vec<String>>,
    /// Who may have its blocks from now on.
    pub visibility: Option<Visibility>,
}

/// Why a job stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name that programs compare (`source-truncated`).
    pub code: String,
    /// One line for people.
    pub title: String,
    /// What happened and what to do about it.
    pub detail: String,
    /// Whether another attempt can end differently.
    pub permanence: Permanence,
}

/// Whether another attempt can end differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permanence {
    /// The same source fails the same way every time.
    Permanent,
    /// The cause can pass (a full disk, a killed process).
    Retryable,
}
