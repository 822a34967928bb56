//! How gossipsub is set up.

use std::time::Duration;

use libp2p::gossipsub::{
    Config, ConfigBuilder, ConfigBuilderError, Message, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode, score_parameter_decay,
};
use multihash_codetable::{Code, MultihashDigest as _};

use super::MAX_BYTES;
use super::behaviour::Inner;
use super::filter::{Joined, ours};

/// A frame of the largest message, with room for its envelope.
const MAX_FRAME: usize = MAX_BYTES + (16 << 10);
/// How long the same bytes are recognised. Longer would take memory for each id; what comes back
/// later is recognised by whoever judges.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Frames that wait for one slow peer: 256 own messages and as many of others.
const QUEUE: usize = 512;
/// Messages in one frame: more than any implementation packs.
const MOST_IN_FRAME: usize = 64;
/// Ids that a peer may offer between two heartbeats.
const MOST_OFFERED: usize = 500;
/// A rejected message counts for this long.
const GRUDGE: Duration = Duration::from_secs(60 * 60);
/// One rejected message: no more gossip with the neighbour. Three (the count is squared): it is not
/// listened to at all, by the library's thresholds of -10 and -80.
const REJECTED: f64 = -10.0;
/// Who floods is not listened to until it has been gone for an hour.
pub(super) const SHUNNED: f64 = -1000.0;

/// The library's behaviour by these rules.
///
/// # Errors
///
/// What the library does not like about them; they are constants, so a test says so first.
pub(super) fn gossipsub(joined: Joined) -> Result<Inner, String> {
    let config = config().map_err(|error| error.to_string())?;
    let (params, thresholds) = scores();
    let mut made = Inner::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        ours(),
        joined,
    )?;
    made.with_peer_score(params, thresholds)?;
    Ok(made)
}

/// Validated before it is passed on, without authors, known by its bytes.
///
/// The mesh keeps the library's sizes (6, between 5 and 12): with fewer peers than that it is all
/// of them. Own messages go to every subscriber, mesh or not, so that a network of two or three
/// nodes works from the first second.
fn config() -> Result<Config, ConfigBuilderError> {
    ConfigBuilder::default()
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(id)
        .flood_publish(true)
        .max_transmit_size(MAX_FRAME)
        .duplicate_cache_time(REMEMBERED)
        .published_message_ids_cache_time(REMEMBERED)
        .connection_handler_queue_len(QUEUE)
        .max_messages_per_rpc(Some(MOST_IN_FRAME))
        .max_ihave_length(MOST_OFFERED)
        .build()
}

fn id(message: &Message) -> MessageId {
    let named = [message.topic.as_str().as_bytes(), &[0], &message.data].concat();
    MessageId::new(Code::Sha2_256.digest(&named).digest())
}

/// Nobody is counted against for sharing an address (a family, a school, a test), nor for being
/// quiet.
fn scores() -> (PeerScoreParams, PeerScoreThresholds) {
    let params = PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    };
    (params, PeerScoreThresholds::default())
}

/// Only rejected messages count.
pub(super) fn topic_scores() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: REJECTED,
        invalid_message_deliveries_decay: score_parameter_decay(GRUDGE),
        ..TopicScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_taken_by_the_library() {
        let config = config().unwrap();
        assert!(config.validate_messages());
        assert_eq!(config.max_transmit_size(), MAX_FRAME);
        gossipsub(Joined::default()).unwrap();
        topic_scores().validate().unwrap();
    }
}
