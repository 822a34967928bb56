//! Which feeds are asked for now, of whom: several in one request.

use cidcast_announce::Publisher;
use cidcast_ipfs::swarm::PeerId;
use cidcast_types::Timestamp;

use super::{Action, Sync};

/// A request under way.
#[derive(Debug)]
pub(super) struct Asked {
    peer: PeerId,
    /// Feeds of which nothing was heard yet.
    left: usize,
}

/// A request that is being put together.
struct Open {
    id: u64,
    peer: PeerId,
    feeds: Vec<(Publisher, u64)>,
    /// How many the peer gives in one answer.
    most: usize,
}

impl Open {
    fn has_room(&self) -> bool {
        self.feeds.len() < self.most
    }
}

enum Choice {
    Ask(PeerId),
    /// Somebody will be free.
    Wait,
    Nobody,
}

impl Sync {
    pub(super) fn plan_feeds(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let waiting: Vec<Publisher> = self
            .behind
            .iter()
            .filter(|(_, feed)| feed.asked.is_none() && feed.next_at <= now)
            .map(|(publisher, _)| *publisher)
            .collect();
        let mut open: Vec<Open> = Vec::new();
        for publisher in waiting {
            if self.asked.len() >= self.settings.requests && !open.iter().any(Open::has_room) {
                break;
            }
            match self.choose(&publisher, &open, now) {
                Choice::Ask(peer) => self.put(peer, publisher, &mut open, now),
                Choice::Wait => {}
                Choice::Nobody => actions.extend(self.postpone(publisher, now)),
            }
        }
        actions.extend(open.into_iter().map(|request| Action::AskFeeds {
            peer: request.peer,
            feeds: request.feeds,
        }));
    }

    fn choose(&mut self, publisher: &Publisher, open: &[Open], now: Timestamp) -> Choice {
        let Some(feed) = self.behind.get(publisher) else {
            return Choice::Wait;
        };
        let may_begin = self.asked.len() < self.settings.requests;
        let mut free = Vec::new();
        let mut is_busy = false;
        for (id, peer) in &self.peers {
            let claims_more = peer
                .claims
                .get(publisher)
                .is_some_and(|claim| *claim > feed.have);
            if !claims_more || feed.tried.contains(id) {
                continue;
            }
            let rests = peer.rests_until.is_some_and(|until| until > now);
            let joins = open.iter().any(|one| one.peer == *id && one.has_room());
            let begins = may_begin
                && peer.busy < self.settings.requests_per_peer
                && self.pace.has_room(id, now);
            if (joins || begins) && !rests {
                free.push(*id);
            } else if !rests {
                is_busy = true;
            }
        }
        let chosen = usize::try_from(self.next_chance()).unwrap_or(0);
        match free.get(chosen.checked_rem(free.len()).unwrap_or(0)) {
            Some(peer) => Choice::Ask(*peer),
            None if is_busy => Choice::Wait,
            None => Choice::Nobody,
        }
    }

    /// Into a request that has room, or into a new one.
    fn put(&mut self, id: PeerId, publisher: Publisher, open: &mut Vec<Open>, now: Timestamp) {
        let (Some(peer), Some(feed)) = (self.peers.get_mut(&id), self.behind.get_mut(&publisher))
        else {
            return;
        };
        let joined = open.iter().position(|one| one.peer == id && one.has_room());
        let place = joined.unwrap_or_else(|| {
            self.pace.allows(id, now);
            peer.busy += 1;
            self.next_request += 1;
            let asked = Asked { peer: id, left: 0 };
            self.asked.insert(self.next_request, asked);
            open.push(Open {
                id: self.next_request,
                peer: id,
                feeds: Vec::new(),
                most: peer.together,
            });
            open.len() - 1
        });
        if let Some(request) = open.get_mut(place)
            && let Some(asked) = self.asked.get_mut(&request.id)
        {
            request.feeds.push((publisher, feed.have));
            asked.left += 1;
            feed.asked = Some(request.id);
        }
    }

    /// Something was heard of a feed that was asked for; the request is over with its last one.
    pub(super) fn free(&mut self, publisher: &Publisher) {
        let Some(id) = self
            .behind
            .get_mut(publisher)
            .and_then(|feed| feed.asked.take())
        else {
            return;
        };
        let Some(asked) = self.asked.get_mut(&id) else {
            return;
        };
        asked.left = asked.left.saturating_sub(1);
        if asked.left > 0 {
            return;
        }
        let peer = asked.peer;
        self.asked.remove(&id);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.busy = state.busy.saturating_sub(1);
        }
    }
}
