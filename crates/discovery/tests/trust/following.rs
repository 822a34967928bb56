//! Following by every kind of target, and being followed.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::routing::get;
use cidcast_announce::SigningKey;
use cidcast_catalog::{Follow, FollowOrigin, FollowPolicy, FollowerState, Interest, Replicate};
use cidcast_discovery::follow::{FollowState, FollowersRule};
use serde_json::json;

use crate::node::{Differs, Node, eventually};

async fn follow(node: &Node, target: &str) -> i64 {
    let target = target.parse().unwrap();
    let policy = FollowPolicy::default();
    node.follows.follow(&target, policy).await.unwrap().id
}

async fn in_state(node: &Node, id: i64, state: FollowState) -> Follow {
    let what = format!("the follow is {}", state.as_str());
    eventually(&what, async || {
        let follow = node.follows.get(id).await.unwrap();
        (FollowState::of(&follow) == state).then_some(follow)
    })
    .await
}

/// A web app that says `answer` about its publisher.
async fn web_app(answer: serde_json::Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/api/v1/publisher", get(async move || Json(answer)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_node_is_followed_by_its_address_and_hears_of_it() {
    let (one, two) = (Node::new(1).await, Node::new(2).await);
    let id = follow(&one, &two.address().await).await;
    let follow = in_state(&one, id, FollowState::Followed).await;
    assert_eq!(follow.publisher, Some(two.key.publisher()));
    assert_eq!(follow.nodes, [two.address().await]);
    assert_eq!(
        one.trust.interest(&two.key.publisher()).await.unwrap(),
        Interest::Followed
    );
    let follower = eventually("the notice has arrived", async || {
        two.follows.followers(0, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(
        (follower.node, follower.by, follower.state),
        (
            one.id(),
            Some(one.key.publisher()),
            FollowerState::Following
        )
    );
    assert!(one.is_connected(&two));
    eventually("nothing waits any more", async || {
        one.deliveries
            .list(0, 10)
            .await
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;

    one.clock.advance(Duration::from_secs(1));
    one.follows.unfollow(id).await.unwrap();
    eventually("the end has arrived", async || {
        let follower = two.follows.followers(0, 10).await.unwrap().pop()?;
        (follower.state == FollowerState::Left).then_some(())
    })
    .await;
    assert_eq!(
        one.trust.interest(&two.key.publisher()).await.unwrap(),
        Interest::Unknown
    );
}

#[tokio::test]
async fn a_publisher_is_followed_by_the_url_of_its_web_app() {
    let (one, two) = (Node::new(1).await, Node::new(2).await);
    let url = web_app(json!({
        "publisher": two.key.publisher(),
        "name": "Two",
        "nodes": [two.address().await, "nonsense"],
        "seq": 4,
    }))
    .await;
    let id = follow(&one, &url).await;
    let follow = in_state(&one, id, FollowState::Followed).await;
    assert_eq!(follow.publisher, Some(two.key.publisher()));
    assert_eq!((follow.name.as_str(), follow.nodes.len()), ("Two", 1));
    eventually("its node was told", async || {
        two.follows.followers(0, 10).await.unwrap().pop()
    })
    .await;
}

#[tokio::test]
async fn a_target_that_leads_nowhere_says_why_and_is_tried_again() {
    let one = Node::new(1).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let id = follow(&one, &format!("http://{address}")).await;
    let failing = in_state(&one, id, FollowState::Failing).await;
    assert!(failing.error.unwrap().contains("127.0.0.1"));
    assert_eq!(failing.failures, 1);
    let next = failing.next_at.unwrap().as_millis();
    assert_eq!(next, 1_000_000 + 5_000, "the first wait");
    one.clock.advance(Duration::from_secs(5));
    one.follows.look_up_again(Some(id)).await.unwrap();
    eventually("a second try", async || {
        let follow = one.follows.get(id).await.unwrap();
        (follow.failures == 2).then_some(())
    })
    .await;

    let other = web_app(json!({"hello": "world"})).await;
    let id = follow(&one, &other).await;
    let failing = in_state(&one, id, FollowState::Failing).await;
    assert!(failing.error.unwrap().contains("is no cidcast"));
}

#[tokio::test]
async fn a_name_that_leads_to_somebody_else_waits_for_the_operator() {
    let (first, second) = (
        SigningKey::from_seed([7; 32]),
        SigningKey::from_seed([8; 32]),
    );
    let (server, answer) = dns_server("_dnslink.media.test").await;
    let say = |key: &SigningKey| {
        let text = format!("dnslink=/ipns/{}", key.publisher());
        answer.send_replace(text);
    };
    say(&first);
    let differs = Differs {
        dns: vec![server],
        ..Differs::default()
    };
    let one = Node::with(1, differs).await;
    let id = follow(&one, "media.test").await;
    let follow = in_state(&one, id, FollowState::Followed).await;
    assert_eq!(follow.publisher, Some(first.publisher()));

    say(&second);
    one.clock.advance(Duration::from_secs(24 * 3600));
    one.follows.look_up_again(None).await.unwrap();
    let moved = in_state(&one, id, FollowState::Moved).await;
    assert_eq!(
        (moved.publisher, moved.offered),
        (Some(first.publisher()), Some(second.publisher()))
    );
    one.follows.accept(id).await.unwrap();
    let accepted = in_state(&one, id, FollowState::Followed).await;
    assert_eq!(accepted.publisher, Some(second.publisher()));
}

#[tokio::test]
async fn whoever_follows_is_followed_back_if_the_operator_wants_that() {
    let policy = FollowPolicy {
        replicate: Replicate::Newest(3),
        ..FollowPolicy::default()
    };
    let differs = Differs {
        followers: FollowersRule::FollowBack(policy.clone()),
        ..Differs::default()
    };
    let (one, two) = (Node::new(1).await, Node::with(2, differs).await);
    follow(&one, &two.address().await).await;
    let back = eventually("followed back", async || {
        two.follows.list().await.unwrap().pop()
    })
    .await;
    assert_eq!(back.origin, FollowOrigin::FollowBack);
    assert_eq!(back.publisher, Some(one.key.publisher()));
    assert_eq!(back.policy, policy);
    eventually("the other one knows that", async || {
        one.follows.followers(0, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(one.follows.list().await.unwrap().len(), 1, "no echo");
}

#[tokio::test]
async fn a_node_that_refuses_followers_says_so() {
    let differs = Differs {
        followers: FollowersRule::Refuse,
        ..Differs::default()
    };
    let (one, two) = (Node::new(1).await, Node::with(2, differs).await);
    follow(&one, &two.address().await).await;
    let refused = eventually("the notice was refused", async || {
        let waiting = one.deliveries.list(0, 10).await.unwrap().pop()?;
        waiting.next_at.is_none().then_some(waiting)
    })
    .await;
    assert!(refused.error.unwrap().contains("takes no followers"));
    assert_eq!(two.follows.followers(0, 10).await.unwrap(), []);
    assert_eq!(
        one.trust.interest(&two.key.publisher()).await.unwrap(),
        Interest::Followed,
        "it is followed all the same"
    );
}

/// A DNS server that knows one TXT record, which can be changed (RFC 1035 §4).
async fn dns_server(name: &'static str) -> (SocketAddr, tokio::sync::watch::Sender<String>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (say, text) = tokio::sync::watch::channel(String::new());
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let reply = dns_answer(&query[..length], name, &text.borrow().clone());
            let _ = socket.send_to(&reply, from).await;
        }
    });
    (address, say)
}

fn dns_answer(query: &[u8], name: &str, text: &str) -> Vec<u8> {
    let labels: Vec<u8> = name
        .split('.')
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .chain([0])
        .collect();
    let question = &query[12..12 + labels.len() + 4];
    let is_known = question[..labels.len()].eq_ignore_ascii_case(&labels);
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_known), 0, 0, 0, 0]);
    reply.extend(question);
    if is_known {
        let length = u8::try_from(text.len()).unwrap();
        // A pointer to the name; TXT, IN, no time to live.
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0, length + 1, length]);
        reply.extend(text.as_bytes());
    }
    reply
}
