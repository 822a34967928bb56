//! Random events against the invariants of the module.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::want::Place;
use super::*;

#[derive(Debug, Clone)]
enum Event {
    Want {
        block: u64,
        session: u64,
        urgent: bool,
    },
    Withdraw(prop::sample::Index),
    Close(u64),
    Connect(usize),
    Disconnect(usize),
    AddPeer(u64, usize),
    Say {
        peer: usize,
        block: u64,
        here: bool,
    },
    Give {
        peer: usize,
        block: u64,
    },
    Supply(u64),
    Fail(u64),
    Lie(usize),
    Read(usize),
    Pass(u64),
}

const PEERS: usize = 4;
const BLOCKS: u64 = 40;
const SESSIONS: u64 = 3;

fn events() -> impl Strategy<Value = Event> {
    let (peer, block, session) = (0..PEERS, 0..BLOCKS, 0..SESSIONS);
    prop_oneof![
        6 => (block.clone(), session.clone(), any::<bool>())
            .prop_map(|(block, session, urgent)| Event::Want { block, session, urgent }),
        1 => any::<prop::sample::Index>().prop_map(Event::Withdraw),
        1 => session.clone().prop_map(Event::Close),
        2 => peer.clone().prop_map(Event::Connect),
        1 => peer.clone().prop_map(Event::Disconnect),
        1 => (session, peer.clone()).prop_map(|(s, p)| Event::AddPeer(s, p)),
        4 => (peer.clone(), block.clone(), any::<bool>())
            .prop_map(|(peer, block, here)| Event::Say { peer, block, here }),
        4 => (peer.clone(), block.clone()).prop_map(|(peer, block)| Event::Give { peer, block }),
        1 => block.clone().prop_map(Event::Supply),
        1 => block.prop_map(Event::Fail),
        1 => peer.clone().prop_map(Event::Lie),
        3 => peer.prop_map(Event::Read),
        2 => (0u64..8000).prop_map(Event::Pass),
    ]
}

struct Model {
    client: Client,
    now: Instant,
    peers: Vec<PeerId>,
    open: Vec<ClaimId>,
    next: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            client: Client::new(Limits {
                max_wants: 60,
                window_bytes: 2 << 20,
                window_blocks: 8,
            }),
            now: Instant::now(),
            peers: (0..PEERS).map(|_| PeerId::random()).collect(),
            open: Vec::new(),
            next: 0,
        }
    }

    fn ended(&mut self, claims: Vec<ClaimId>) {
        for claim in claims {
            let before = self.open.len();
            self.open.retain(|there| *there != claim);
            assert_eq!(before, self.open.len() + 1, "{claim:?} ended twice");
        }
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now;
        match *event {
            Event::Want {
                block,
                session,
                urgent,
            } => self.want(block, session, urgent),
            Event::Withdraw(at) => {
                if !self.open.is_empty() {
                    let claim = self.open.swap_remove(at.index(self.open.len()));
                    self.client.withdraw(claim);
                }
            }
            Event::Close(session) => {
                let wants = self.client.wants.values().flat_map(|want| &want.claims);
                let of_it = wants.filter(|claim| claim.session == SessionId(session));
                let claims: Vec<ClaimId> = of_it.map(|claim| claim.id).collect();
                self.client.close(SessionId(session));
                self.ended(claims);
            }
            Event::Connect(peer) => self.client.connected(self.peers[peer], now),
            Event::Disconnect(peer) => self.client.disconnected(self.peers[peer]),
            Event::AddPeer(session, peer) => {
                self.client
                    .add_peer(SessionId(session), self.peers[peer], now);
            }
            Event::Say { peer, block, here } => {
                self.client
                    .presence(self.peers[peer], &cid(block), here, now);
            }
            Event::Give { peer, block } => {
                let ended = self
                    .client
                    .arrived(Some(self.peers[peer]), id(block), 9000, now);
                self.ended(ended);
            }
            Event::Supply(block) => {
                let ended = self.client.arrived(None, id(block), 9000, now);
                self.ended(ended);
            }
            Event::Fail(block) => {
                let ended = self.client.failed(id(block));
                self.ended(ended);
            }
            Event::Lie(peer) => {
                self.client.surplus(self.peers[peer], None, now);
            }
            Event::Read(peer) => {
                self.client.take_entries(self.peers[peer], 5);
            }
            Event::Pass(millis) => {
                self.now += Duration::from_millis(millis);
                self.client.tick(self.now);
            }
        }
        self.client.place(self.now);
        for action in self.client.take_actions() {
            if let Action::Expired { claim, .. } = action {
                self.ended(vec![claim]);
            }
        }
    }

    fn want(&mut self, block: u64, session: u64, urgent: bool) {
        self.next += 1;
        let claim = ClaimId(self.next);
        let new = NewClaim {
            claim,
            session: SessionId(session),
            class: if urgent {
                Class::Playback
            } else {
                Class::Replication
            },
            cid: cid(block),
            order: block,
            patience: PATIENCE,
        };
        match self.client.want(new, self.now) {
            Ok(()) => self.open.push(claim),
            Err(TooMany) => assert_eq!(self.open.len(), 60),
        }
    }

    fn check(&self) {
        let client = &self.client;
        let open: HashSet<ClaimId> = self.open.iter().copied().collect();
        assert_eq!(open, client.claims.keys().copied().collect());
        for (id, want) in &client.wants {
            assert!(!want.claims.is_empty());
            let queued = client.queue.contains(&(want.rank, *id));
            assert_eq!(queued, want.place == Place::Queued, "{want:?}");
            for (session, party) in &client.parties {
                let parked = party.parked.contains(&(want.rank, *id));
                assert_eq!(parked, want.place == Place::Parked(*session), "{want:?}");
            }
            assert_eq!(want.is_live(), want.place == Place::Placed, "{want:?}");
        }
        assert!(
            client
                .queue
                .iter()
                .all(|(_, id)| client.wants.contains_key(id))
        );
        for (session, party) in &client.parties {
            let of_it = |want: &&Want| want.place == Place::Seeking(*session);
            assert_eq!(party.seeking, client.wants.values().filter(of_it).count());
        }
        for (peer, there) in &client.peers {
            let asked = client
                .wants
                .values()
                .filter_map(|want| want.asked.get(peer));
            let live = asked.filter(|asked| asked.is_live()).count();
            assert_eq!(there.live, live);
            assert!(there.live <= 8 + 2 + 4, "{}", there.live);
            if !there.outbox.is_empty() {
                assert!(client.ready.contains(peer));
            }
        }
        assert!(
            client
                .ready
                .iter()
                .all(|peer| client.peers.contains_key(peer))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_books_are_always_right(events in prop::collection::vec(events(), 1..120)) {
        let mut model = Model::new();
        for event in &events {
            model.apply(event);
            model.check();
        }
    }

    #[test]
    fn everything_ends_and_nothing_is_left(events in prop::collection::vec(events(), 1..80)) {
        let mut model = Model::new();
        for event in &events {
            model.apply(event);
        }
        // Nobody answers any more: all that is open runs into its deadline.
        for _ in 0..200 {
            model.apply(&Event::Pass(1000));
            for peer in 0..PEERS {
                model.apply(&Event::Read(peer));
            }
        }
        prop_assert!(model.open.is_empty(), "{:?}", model.client.wants);
        let client = &mut model.client;
        prop_assert!(client.wants.is_empty() && client.queue.is_empty());
        for session in 0..SESSIONS {
            client.close(SessionId(session));
        }
        prop_assert!(client.parties.is_empty());
        for there in client.peers.values_mut() {
            prop_assert!(there.outbox.is_empty());
            prop_assert!(!there.outbox.is_waiting());
            prop_assert_eq!(there.live, 0);
        }
    }
}
