//! Topics between swarms on loopback: who hears what, and what is done with those who lie.

use bytes::Bytes;
use cidcast_ipfs::gossip::{
    Incoming, JoinError, MOST_UNJUDGED, Messages, PublishError, Topic, Verdict,
};
use cidcast_ipfs::swarm::{Metrics, PeerId};
use tokio::time::timeout;

use crate::node::{Node, eventually};
use crate::swarm::LONG;

const TOPIC: &str = "/cidcast/test/1";
const MAX: usize = 64 << 10;

struct Speaker {
    node: Node,
    metrics: Metrics,
    topic: Topic,
    messages: Messages,
}

impl Speaker {
    async fn new() -> Self {
        let metrics = Metrics::default();
        let node = Node::new(&["/ip4/127.0.0.1/tcp/0"], |settings| {
            settings.metrics = metrics.clone();
        })
        .await;
        let joined = node.handle().gossip().join(TOPIC, MAX).await;
        let (topic, messages) = joined.unwrap();
        Self {
            node,
            metrics,
            topic,
            messages,
        }
    }

    fn id(&self) -> PeerId {
        self.node.swarm.peer_id().parse().unwrap()
    }

    /// Connects, and waits until each knows that the other is in the topic.
    async fn meet(&self, other: &Self) {
        self.node.meet(other).await;
        for (one, two) in [(self, other), (other, self)] {
            eventually("the other is in the topic", async || {
                let there = one.topic.subscribers().await;
                there.contains(&two.id()).then_some(())
            })
            .await;
        }
    }

    async fn say(&self, text: &str) {
        let text = Bytes::copy_from_slice(text.as_bytes());
        self.topic.publish(text).await.unwrap();
    }

    async fn hear(&mut self) -> Incoming {
        timeout(LONG, self.messages.next()).await.unwrap().unwrap()
    }

    /// The next message, judged.
    async fn judge(&mut self, verdict: Verdict) -> Bytes {
        let Incoming { bytes, judge, .. } = self.hear().await;
        judge.say(verdict);
        bytes
    }
}

impl std::ops::Deref for Speaker {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_hear_each_other() {
    let (mut one, mut two) = (Speaker::new().await, Speaker::new().await);
    let alone = one.topic.publish(Bytes::from_static(b"anyone?")).await;
    assert_eq!(alone, Err(PublishError::Alone));
    one.meet(&two).await;
    one.say("from one").await;
    let heard = two.hear().await;
    assert_eq!(heard.peer, one.id());
    assert_eq!(heard.bytes, "from one");
    two.say("from two").await;
    assert_eq!(one.judge(Verdict::Accept).await, "from two");
    assert_eq!(one.metrics.gossip.published.get(), 1);
    assert_eq!(one.metrics.gossip.unheard.get(), 1);
    assert_eq!(one.metrics.gossip.received.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_accepted_is_passed_on() {
    let (one, mut two) = (Speaker::new().await, Speaker::new().await);
    let mut three = Speaker::new().await;
    one.meet(&two).await;
    two.meet(&three).await;
    for (text, verdict) in [
        ("of no use", Verdict::Ignore),
        ("a lie", Verdict::Reject),
        ("the truth", Verdict::Accept),
    ] {
        one.say(text).await;
        assert_eq!(two.judge(verdict).await, text);
    }
    let heard = three.hear().await;
    assert_eq!(heard.bytes, "the truth");
    assert_eq!(heard.peer, two.id(), "the neighbour, not the author");
    assert_eq!(two.metrics.gossip.rejected.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_lying_is_not_heard_any_more() {
    let (liar, mut node) = (Speaker::new().await, Speaker::new().await);
    let honest = Speaker::new().await;
    liar.meet(&node).await;
    honest.meet(&node).await;
    for lie in ["first", "second", "third"] {
        liar.say(lie).await;
        assert_eq!(node.judge(Verdict::Reject).await, lie);
    }
    let rejected = &node.metrics.gossip.rejected;
    eventually("the third verdict", async || {
        (rejected.get() == 3).then_some(())
    })
    .await;
    liar.say("fourth").await;
    honest.say("a word").await;
    let heard = node.hear().await;
    assert_eq!(heard.bytes, "a word");
    assert_eq!(heard.peer, honest.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_judges_fills_no_memory() {
    let (flood, node) = (Speaker::new().await, Speaker::new().await);
    flood.meet(&node).await;
    let counted = &node.metrics.gossip;
    let (received, dropped) = (&counted.received, &counted.dropped);
    let each = MOST_UNJUDGED / 4;
    // In small lots, or the flood's own queue would drop them.
    for n in 0..2 * each as u64 {
        flood.say(&n.to_string()).await;
        eventually("it is counted", async || {
            (received.get() + dropped.get() > n).then_some(())
        })
        .await;
    }
    assert_eq!(received.get(), each as u64, "the share of one neighbour");
    assert_eq!(dropped.get(), each as u64);
    drop(node.messages);
    let (topic, id) = (&flood.topic, node.node.swarm.peer_id());
    eventually("the topic is left", async || {
        let there = topic.subscribers().await;
        (!there.iter().any(|peer| peer.to_string() == id)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn size_name_and_listener_of_a_topic_are_held() {
    let (one, mut two) = (Speaker::new().await, Speaker::new().await);
    let small = "/cidcast/small/1";
    let gossip = two.node.handle().gossip().clone();
    let (_, mut messages) = gossip.join(small, 10).await.unwrap();
    let (large, _messages) = one.handle().gossip().join(small, MAX).await.unwrap();
    one.meet(&two).await;
    eventually("the topic is known", async || {
        (!large.subscribers().await.is_empty()).then_some(())
    })
    .await;

    let too_large = one.topic.publish(vec![0; MAX + 1].into()).await;
    let bytes = MAX + 1;
    assert_eq!(too_large, Err(PublishError::TooLarge { bytes, max: MAX }));
    one.topic.publish(vec![0; MAX].into()).await.unwrap();
    assert_eq!(two.judge(Verdict::Accept).await.len(), MAX);

    large.publish(vec![0; 11].into()).await.unwrap();
    large.publish(vec![0; 10].into()).await.unwrap();
    let next = timeout(LONG, messages.next()).await.unwrap().unwrap();
    assert_eq!(next.bytes.len(), 10, "what is larger here is not heard");
    assert_eq!(two.metrics.gossip.refused.get(), 1);

    let again = gossip.join(TOPIC, MAX).await.unwrap_err();
    assert!(matches!(again, JoinError::Joined { .. }));
    let other = gossip.join("/other/1", MAX).await.unwrap_err();
    assert!(matches!(other, JoinError::Name { .. }));
}
