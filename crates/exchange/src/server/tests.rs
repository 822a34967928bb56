//! Turns, bounds, and who is answered what.

use multihash_codetable::{Code, MultihashDigest};

use super::*;

const LIMITS: Limits = Limits {
    wants: 100,
    message_bytes: 1000,
};

fn cid(n: u32) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))
}

fn entry(n: u32, ask: Ask, priority: i32) -> Entry {
    Entry {
        cid: cid(n),
        priority,
        ask,
        send_dont_have: true,
    }
}

/// Looks up the next job; blocks in `here` have 100 bytes, and ten fill a message.
fn serve(server: &mut Server, here: impl Fn(&Cid) -> bool) -> Option<(PeerId, Message)> {
    let job = server.next_job()?;
    let mut room = 10;
    let found = job.items.into_iter().map(|item| {
        let found = match (here(&item.cid), item.ask) {
            _ if room == 0 => Found::Later,
            (false, _) => Found::Absent,
            (true, Ask::Have) => Found::Here(Reach::Anyone),
            (true, _) => {
                room -= 1;
                Found::Block(vec![0; 100].into(), Reach::Anyone)
            }
        };
        (item, found)
    });
    let found: Vec<_> = found.collect();
    let answer = server.looked_up(job.peer, found)?;
    server.handed(job.peer);
    Some((job.peer, answer.message))
}

#[test]
fn the_most_urgent_is_answered_first() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    let priorities = [3i32, 9, 1, 7];
    let wants = priorities.map(|p| entry(p.unsigned_abs(), Ask::Block, p));
    server.wants(peer, false, wants.to_vec());
    let job = server.next_job().unwrap();
    let order: Vec<Cid> = job.items.iter().map(|item| item.cid).collect();
    assert_eq!(order, [9, 7, 3, 1].map(cid));
}

#[test]
fn peers_are_served_in_turn() {
    let (mut server, a, b) = (Server::new(LIMITS), PeerId::random(), PeerId::random());
    let many = (0..60).map(|n| entry(n, Ask::Block, 1)).collect();
    server.wants(a, false, many);
    server.wants(
        b,
        false,
        vec![entry(1, Ask::Block, 1), entry(2, Ask::Have, 1)],
    );
    let mut turns = Vec::new();
    while let Some((peer, message)) = serve(&mut server, |_| true) {
        assert!(message.blocks.len() <= 10);
        turns.push(peer);
    }
    assert_eq!(turns.len(), 6 + 1, "{turns:?}");
    assert!(turns[..3].contains(&b));
    assert!(!server.needs(&a) && !server.needs(&b));
    assert!(server.wanting.is_empty());
}

#[test]
fn a_flood_is_bounded_and_refused() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    for round in 0..10 {
        let wants = (0..1000).map(|n| entry(round * 1000 + n, Ask::Block, 1));
        server.wants(peer, false, wants.collect());
    }
    assert_eq!(server.view(&peer).wants, 100);
    assert_eq!(server.take_refused(), 9_900);
    let (_, message) = serve(&mut server, |_| true).unwrap();
    assert_eq!((message.blocks.len(), message.presences.len()), (10, 8192));
    assert!(message.presences.iter().all(|presence| !presence.here));
}

#[test]
fn a_full_ledger_keeps_what_is_urgent() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    let wants = (0..100).map(|n| entry(n, Ask::Block, 1)).collect();
    server.wants(peer, false, wants);
    server.wants(peer, false, vec![entry(500, Ask::Block, 2)]);
    let job = server.next_job().unwrap();
    assert_eq!(job.items[0].cid, cid(500));
    assert_eq!(server.view(&peer).wants, 100);
}

#[test]
fn what_is_not_here_is_said_once_and_sent_when_it_comes() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.wants(peer, false, vec![entry(1, Ask::Block, 1)]);
    let (_, message) = serve(&mut server, |_| false).unwrap();
    let (cid, here) = (cid(1), false);
    assert_eq!(message.presences, [Presence { cid, here }]);
    assert!(serve(&mut server, |_| false).is_none());
    server.arrived(&BlockId::of(&cid));
    let (_, message) = serve(&mut server, |_| true).unwrap();
    assert_eq!(message.blocks.len(), 1);
    assert!(!server.needs(&peer));
}

#[test]
fn a_block_that_comes_while_it_is_looked_up_is_not_missed() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.wants(peer, false, vec![entry(1, Ask::Block, 1)]);
    let job = server.next_job().unwrap();
    server.arrived(&BlockId::of(&cid(1)));
    let found = job.items.into_iter().map(|item| (item, Found::Absent));
    assert!(server.looked_up(peer, found).is_none());
    assert_eq!(serve(&mut server, |_| true).unwrap().1.blocks.len(), 1);
}

#[test]
fn a_cancelled_want_is_not_answered() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.wants(peer, false, vec![entry(1, Ask::Block, 1)]);
    let job = server.next_job().unwrap();
    server.wants(peer, false, vec![entry(1, Ask::Cancel, 0)]);
    let data = Bytes::from_static(b"x");
    let found = job.items.into_iter();
    let found = found.map(|item| (item, Found::Block(data.clone(), Reach::Anyone)));
    assert!(server.looked_up(peer, found).is_none());
    assert!(server.wanting.is_empty());
}

#[test]
fn a_full_list_replaces_what_was_wanted() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    let wants = (0..5).map(|n| entry(n, Ask::Block, 1)).collect();
    server.wants(peer, false, wants);
    server.wants(peer, true, vec![entry(9, Ask::Block, 1)]);
    let job = server.next_job().unwrap();
    let asked: Vec<Cid> = job.items.iter().map(|item| item.cid).collect();
    assert_eq!(asked, [cid(9)]);
}

#[test]
fn a_peer_that_does_not_take_its_answers_is_not_read_for() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    let wants = (0..90).map(|n| entry(n, Ask::Block, 1)).collect();
    server.wants(peer, false, wants);
    for _ in 0..PREPARED {
        let job = server.next_job().unwrap();
        let found = job.items.into_iter().enumerate().map(|(at, item)| {
            let found = match at {
                0 => Found::Block(Bytes::from_static(b"x"), Reach::Anyone),
                _ => Found::Later,
            };
            (item, found)
        });
        let found: Vec<_> = found.collect();
        assert!(server.looked_up(peer, found).is_some());
    }
    assert!(server.next_job().is_none());
    server.handed(peer);
    assert!(server.next_job().is_some());
}

#[test]
fn membership_that_ends_during_a_look_up_ends_the_answer() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.set_members(Arc::new([(peer, Standing::Follower)].into()));
    let wants = vec![entry(1, Ask::Block, 1), entry(2, Ask::Have, 1)];
    server.wants(peer, false, wants);
    let job = server.next_job().unwrap();
    assert_eq!(job.allowed, Reach::Members);
    let fallen = server.set_members(Arc::default());
    assert_eq!(fallen, [(peer, Reach::Anyone)]);
    let found = job.items.into_iter().map(|item| match item.ask {
        Ask::Have => (item, Found::Here(Reach::Members)),
        _ => (item, Found::Block(Bytes::new(), Reach::Members)),
    });
    let answer = server.looked_up(peer, found.collect::<Vec<_>>()).unwrap();
    assert!(answer.message.blocks.is_empty());
    assert!(answer.message.presences.iter().all(|said| !said.here));
}

#[test]
fn a_new_member_gets_what_it_was_refused() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.wants(peer, false, vec![entry(1, Ask::Block, 1)]);
    serve(&mut server, |_| false).unwrap();
    server.set_members(Arc::new([(peer, Standing::Follower)].into()));
    assert_eq!(serve(&mut server, |_| true).unwrap().1.blocks.len(), 1);
}

#[test]
fn a_peer_that_left_leaves_nothing() {
    let (mut server, peer) = (Server::new(LIMITS), PeerId::random());
    server.wants(
        peer,
        false,
        (0..50).map(|n| entry(n, Ask::Block, 1)).collect(),
    );
    let job = server.next_job().unwrap();
    server.disconnected(&peer);
    let found = job.items.into_iter().map(|item| (item, Found::Absent));
    assert!(server.looked_up(peer, found.collect::<Vec<_>>()).is_none());
    assert!(server.wanting.is_empty() && server.next_job().is_none());
}
