//! `/api/v1/feeds`: whose announcements are here, and how complete.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_announce::{Announcement, Op, Publisher};
use cidcast_catalog::{
    Feed, FeedOrigin, Interest, KeptAnnouncement, Refusal, SnapshotState, Subject,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::{Id, Params};
use super::super::links::Links;
use super::super::node::blocking;
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};
use super::After;

/// Announcements that a feed's page shows.
const SHOWN: u64 = 50;

/// One page of feeds, those that were heard of last first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FeedList {
    pub(crate) items: Vec<FeedView>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// A publisher and its feed, as far as they are known here.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Feed)]
pub(crate) struct FeedView {
    /// The publisher's key, `k51…`.
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) name: String,
    /// What it says about itself; may be empty.
    pub(crate) about: String,
    /// Its web page.
    pub(crate) web: Option<String>,
    /// Whether this node signs it.
    pub(crate) own: bool,
    pub(crate) followed: bool,
    /// current, behind, error, unknown, forked, revoked or blocked.
    pub(crate) state: String,
    /// How many of its announcements are here, from the first on without a gap.
    pub(crate) have: u64,
    /// How many there are, as far as a signature proves.
    pub(crate) latest: u64,
    /// How many are missing here.
    pub(crate) lag: u64,
    /// The peer that was asked last.
    pub(crate) from: Option<String>,
    /// Why asking failed the last time.
    pub(crate) error: Option<String>,
    /// How often in a row.
    pub(crate) failures: u32,
    /// When somebody is asked again.
    pub(crate) next_try_at: Option<u64>,
    /// When the last announcement was recorded here.
    pub(crate) recorded_at: Option<u64>,
    /// When it was made, by the publisher's clock.
    pub(crate) announced_at: Option<u64>,
    /// Since when contradicting announcements are known: the key was cloned, or its owner is
    /// dishonest.
    pub(crate) forked_at: Option<u64>,
    /// Assets that it announces now.
    pub(crate) assets: u64,
    /// Bytes of announcements here.
    pub(crate) bytes: u64,
}

/// A feed with its newest announcements.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FeedDetail {
    #[serde(flatten)]
    pub(crate) feed: FeedView,
    /// Multiaddresses of the publisher's nodes, as it says.
    pub(crate) nodes: Vec<String>,
    /// The newest announcement.
    pub(crate) head: Option<String>,
    /// The same as an RSS and podcast feed.
    pub(crate) rss_url: String,
    /// The newest snapshot that the publisher has announced; newcomers begin with one.
    pub(crate) snapshot: Option<SnapshotView>,
    /// Newest first; those whose bytes are kept here.
    pub(crate) announcements: Vec<AnnouncementView>,
    /// Announcements that contradict recorded ones.
    pub(crate) forks: Vec<ForkView>,
}

/// The state of a feed at some number, as blocks that newcomers begin with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Snapshot)]
pub(crate) struct SnapshotView {
    /// The last announcement that is in it.
    pub(crate) seq: u64,
    /// The announcement that names it.
    pub(crate) announced_in: u64,
    /// Blocks that it has.
    pub(crate) segments: usize,
    /// Whether they are here, for others to begin with.
    pub(crate) held: bool,
    /// Their bytes, if they are here.
    pub(crate) bytes: Option<u64>,
    /// The last announcement in the one that is held until the newest is here, if there is another.
    pub(crate) older: Option<u64>,
}

/// One announcement, verified.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Announcement)]
pub(crate) struct AnnouncementView {
    /// Its number; the first is 0.
    pub(crate) seq: u64,
    /// Its block.
    pub(crate) cid: String,
    /// When it was made, by the publisher's clock.
    pub(crate) at: u64,
    /// Size of the block.
    pub(crate) bytes: u64,
    /// What it does, in words.
    pub(crate) ops: Vec<String>,
}

/// Two signed announcements that cannot both be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Fork)]
pub(crate) struct ForkView {
    /// The number at which the histories part, at the latest.
    pub(crate) seq: u64,
    /// When the second one was seen.
    pub(crate) seen_at: u64,
    /// The recorded one, as it was signed, in base64.
    pub(crate) first: String,
    /// The other, with the same number or the next one, as it was signed, in base64.
    pub(crate) second: String,
}

/// Lists the feeds that are known here.
#[utoipa::path(get, path = "/api/v1/feeds", tag = "feeds", operation_id = "list_feeds",
    params(After),
    responses((status = 200, body = FeedList), (status = 400, body = Document)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(after): Params<After>,
) -> Result<Answer<FeedList>, Problem> {
    let page = api.catalog.feeds(after.cursor()?, after.limit()).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for feed in &page.items {
        items.push(api.feed_view(feed).await?);
    }
    Ok(Answer(FeedList {
        items,
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Shows one feed with its newest announcements.
#[utoipa::path(get, path = "/api/v1/feeds/{publisher}", tag = "feeds", operation_id = "show_feed",
    params(("publisher" = String, Path, description = "The publisher's key, k51…")),
    responses((status = 200, body = FeedDetail), (status = 404, body = Document)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    links: Links,
    Id(publisher): Id<Publisher>,
) -> Result<Answer<FeedDetail>, Problem> {
    let feed = api.feed(&publisher).await?;
    let from = feed.have.saturating_sub(SHOWN);
    let limit = u32::try_from(SHOWN).unwrap_or(u32::MAX);
    let kept = api.catalog.kept_announcements(&publisher, from, limit);
    let mut announcements = api.announcements(kept.await?).await?;
    announcements.reverse();
    let forks = api.catalog.forks(&publisher).await?;
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let forks = forks.iter().map(|fork| ForkView {
        seq: fork.seq,
        seen_at: fork.seen_at.as_millis(),
        first: base64(&fork.first),
        second: base64(&fork.second),
    });
    Ok(Answer(FeedDetail {
        feed: api.feed_view(&feed).await?,
        head: feed.head.map(|head| head.to_string()),
        rss_url: links.rss(&publisher),
        snapshot: api.snapshot(&publisher).await?,
        announcements,
        forks: forks.collect(),
        nodes: feed.profile.nodes,
    }))
}

impl Api {
    /// The feed of a publisher; an empty one if it is followed and nothing has been heard of it
    /// yet; otherwise the problem that it is not known.
    pub(crate) async fn feed(&self, publisher: &Publisher) -> Result<Feed, Problem> {
        if let Some(feed) = self.catalog.feed(publisher).await? {
            return Ok(feed);
        }
        if self.catalog.interest(publisher).await? == Interest::Followed {
            return Ok(Feed::unheard(*publisher));
        }
        Err(Problem::not_found(format!(
            "nothing of {publisher} is known here: follow it, and the network is asked"
        )))
    }

    async fn feed_view(&self, feed: &Feed) -> Result<FeedView, Problem> {
        let interest = self.catalog.interest(&feed.publisher).await?;
        let subject = Subject::Publisher(feed.publisher);
        let refusal = self.catalog.refusal(&subject).await?;
        Ok(FeedView::new(feed, interest, refusal))
    }

    async fn snapshot(&self, publisher: &Publisher) -> Result<Option<SnapshotView>, Problem> {
        let known = self.catalog.known_snapshot(publisher).await?;
        let held = self.catalog.held_snapshot(publisher).await?;
        Ok(known.map(|known| {
            let is_held = known.state == SnapshotState::Held;
            SnapshotView {
                seq: known.seq,
                announced_in: known.announced_in,
                segments: known.segments.len(),
                held: is_held,
                bytes: held.as_ref().filter(|_| is_held).map(|held| held.bytes),
                older: held.filter(|_| !is_held).map(|held| held.seq),
            }
        }))
    }

    /// The blocks of announcements, read and verified once more: rows do not hold their words.
    async fn announcements(
        &self,
        kept: Vec<KeptAnnouncement>,
    ) -> Result<Vec<AnnouncementView>, Problem> {
        let store = self.store.clone();
        blocking(move || {
            let read = kept.into_iter().filter_map(|kept| {
                let bytes = store.get(&kept.cid).ok()?;
                let announcement = Announcement::verify(&bytes).ok()?;
                Some(AnnouncementView {
                    seq: kept.seq,
                    cid: kept.cid.to_string(),
                    at: announcement.at().as_millis(),
                    bytes: kept.bytes,
                    ops: announcement.ops().iter().map(words).collect(),
                })
            });
            read.collect()
        })
        .await
    }
}

impl FeedView {
    fn new(feed: &Feed, interest: Interest, refusal: Option<Refusal>) -> Self {
        let lag = feed.known.saturating_sub(feed.have);
        let state = match refusal {
            Some(Refusal::Blocked) => "blocked",
            Some(Refusal::Revoked) => "revoked",
            None if feed.forked_at.is_some() => "forked",
            None if feed.sync.error.is_some() => "error",
            None if lag > 0 => "behind",
            None if feed.have == 0 => "unknown",
            None => "current",
        };
        Self {
            publisher: feed.publisher.to_string(),
            name: feed.profile.name.clone(),
            about: feed.profile.about.clone(),
            web: feed.profile.web.clone(),
            own: feed.origin == FeedOrigin::Own,
            followed: interest == Interest::Followed,
            state: state.to_owned(),
            have: feed.have,
            latest: feed.known,
            lag,
            from: feed.sync.source.clone(),
            error: feed.sync.error.clone(),
            failures: feed.sync.failures,
            next_try_at: feed.sync.next_at.map(|at| at.as_millis()),
            recorded_at: feed.recorded_at.map(|at| at.as_millis()),
            announced_at: feed.announced_at.map(|at| at.as_millis()),
            forked_at: feed.forked_at.map(|at| at.as_millis()),
            assets: feed.assets,
            bytes: feed.bytes,
        }
    }
}

/// What an operation does, for people.
fn words(op: &Op) -> String {
    match op {
        Op::Publish(publish) => format!("publish “{}”", publish.title),
        Op::Retract(retract) if retract.reason.is_empty() => format!("retract {}", retract.asset),
        Op::Retract(retract) => format!("retract {} ({})", retract.asset, retract.reason),
        Op::Profile(profile) => format!("profile “{}”", profile.name),
        Op::Snapshot(snapshot) => format!("snapshot of number {}", snapshot.seq),
        Op::Unknown { kind } => format!("something newer than this node knows ({kind})"),
    }
}
