//! `/api/v1/publisher`: who this node announces as.
//!
//! Reading needs no token: it is how others follow by the URL of this web app, and everything in it
//! is announced anyway.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_announce::{Profile, SigningKey};
use cidcast_discovery::feeds::{OwnStatus, Standing, load_key};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::Json;
use super::super::node::blocking;
use super::super::problem::{Document, Problem};
use super::super::{Api, Shared};

/// The publisher of this node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Publisher)]
pub(crate) struct PublisherView {
    /// Its key, `k51…`: what others follow.
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) name: String,
    /// What it says about itself; may be empty.
    pub(crate) about: String,
    /// Its web page.
    pub(crate) web: Option<String>,
    /// Multiaddresses under which its nodes can be asked for the feed.
    pub(crate) nodes: Vec<String>,
    /// The number of its latest announcement; null before the first.
    pub(crate) seq: Option<u64>,
    /// The CID of that.
    pub(crate) head: Option<String>,
    /// off, empty, ready, waiting (nobody has confirmed its latest number yet), catching-up or
    /// forked.
    pub(crate) state: String,
    /// What is waited for, or what went wrong.
    pub(crate) detail: Option<String>,
    /// Public assets that are not announced yet, because their packages are not whole.
    pub(crate) pending: u64,
    /// off, follows or open: whose announcements are indexed here.
    pub(crate) mode: String,
}

/// Changes to what the publisher says about itself; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProfilePatch {
    name: Option<String>,
    about: Option<String>,
    /// Null or empty: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    web: Option<Option<String>>,
}

/// Tells null from nothing.
fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Shows who this node announces as.
#[utoipa::path(get, path = "/api/v1/publisher", tag = "publisher", operation_id = "show_publisher",
    security(()), responses((status = 200, body = PublisherView)))]
pub(crate) async fn show(State(api): State<Shared>) -> Result<Answer<PublisherView>, Problem> {
    Ok(Answer(api.publisher_view().await?))
}

/// Announces what the publisher says about itself.
#[utoipa::path(put, path = "/api/v1/publisher", tag = "publisher",
    operation_id = "edit_publisher", request_body = ProfilePatch,
    responses((status = 200, body = PublisherView),
        (status = 409, description = "Nothing can be signed now", body = Document),
        (status = 422, body = Document)))]
pub(crate) async fn edit(
    State(api): State<Shared>,
    Json(patch): Json<ProfilePatch>,
) -> Result<Answer<PublisherView>, Problem> {
    let before = api.catalog.feed(&api.own_publisher()).await?;
    let before = before.map(|feed| feed.profile).unwrap_or_default();
    let web = patch.web.map(|web| web.filter(|url| !url.is_empty()));
    let profile = Profile {
        name: patch.name.unwrap_or(before.name),
        about: patch.about.unwrap_or(before.about),
        nodes: before.nodes,
        web: web.unwrap_or(before.web),
    };
    api.discovery.feeds().set_profile(profile).await?;
    Ok(Answer(api.publisher_view().await?))
}

/// Vouches that nothing more was ever signed with this publisher's key than is here. If that is
/// wrong, the feed forks for good: it is for a key whose other hosts are gone.
#[utoipa::path(post, path = "/api/v1/publisher/confirm", tag = "publisher",
    operation_id = "confirm_publisher",
    responses((status = 200, body = PublisherView),
        (status = 409, description = "Nothing can be signed in any case", body = Document)))]
pub(crate) async fn confirm(State(api): State<Shared>) -> Result<Answer<PublisherView>, Problem> {
    api.discovery.feeds().confirm_own().await?;
    Ok(Answer(api.publisher_view().await?))
}

impl Api {
    /// For whom this node signs.
    pub(crate) fn own_publisher(&self) -> cidcast_announce::Publisher {
        self.discovery.feeds().publisher()
    }

    /// The private key, for signing something once.
    pub(crate) async fn signing_key(&self) -> Result<SigningKey, Problem> {
        let file = self.facts.publisher_key_file.clone();
        let key = blocking(move || load_key(&file)).await?;
        key.map_err(|error| Problem::internal(&error))
    }

    async fn publisher_view(&self) -> Result<PublisherView, Problem> {
        let status = self.discovery.feeds().own();
        let feed = self.catalog.feed(&status.publisher).await?;
        let have = feed.as_ref().map_or(0, |feed| feed.have);
        let mode = self.discovery.feeds().mode();
        let head = feed.as_ref().and_then(|feed| feed.head);
        let profile = feed.map(|feed| feed.profile).unwrap_or_default();
        let (state, detail) = standing(&status, have);
        let nodes = match profile.nodes.is_empty() {
            true => self.facts.swarm.clone(),
            false => profile.nodes,
        };
        Ok(PublisherView {
            publisher: status.publisher.to_string(),
            name: profile.name,
            about: profile.about,
            web: profile.web,
            nodes,
            seq: have.checked_sub(1),
            head: head.map(|head| head.to_string()),
            state: match mode {
                cidcast_discovery::feeds::Mode::Off => "off".to_owned(),
                _ => state.to_owned(),
            },
            detail: status.error.or(detail),
            pending: status.waiting,
            mode: mode.to_string(),
        })
    }
}

/// The state in one word, and what is waited for.
fn standing(status: &OwnStatus, have: u64) -> (&'static str, Option<String>) {
    match status.standing {
        Standing::Ready if have == 0 => ("empty", None),
        Standing::Ready => ("ready", None),
        Standing::Unconfirmed => (
            "waiting",
            Some(
                "the key came from elsewhere: nothing is signed until a node that knows its feed \
                 has been asked"
                    .to_owned(),
            ),
        ),
        Standing::Behind { have, known } => (
            "catching-up",
            Some(format!("{have} of {known} announcements are here")),
        ),
        Standing::Forked => (
            "forked",
            Some("another host signs with the same key: stop it, and make a new key".to_owned()),
        ),
    }
}
