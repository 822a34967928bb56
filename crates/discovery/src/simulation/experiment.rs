//! What is tried in a network, and what came of it.

use super::joining;
use super::model::Model;
use super::traffic::{Purpose, Traffic};
use super::world::{SECOND, Watched, World};

/// Everybody has joined, and has told everybody what there is.
const SETTLED: u64 = 300 * SECOND;
/// After an announcement, until the next and until it is looked where it got.
const BETWEEN: u64 = 30 * SECOND;
const AFTERWARDS: u64 = 180 * SECOND;
const HOUR: u64 = 3600 * SECOND;

/// How announcements travelled, each told by one node to a network that was whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// Seconds until half of the nodes had it: the middle announcement.
    pub half: f64,
    /// And 99 % of them.
    pub most: f64,
    /// And all that were there all the time.
    pub all: f64,
    /// The slowest announcement's.
    pub all_slowest: f64,
    /// Announcements that did not reach all of them within the run.
    pub missed: usize,
    /// Nodes that one of them did not reach, at the most.
    pub unreached: usize,
    /// Bytes that a node received for one announcement: of itself, the first time.
    pub useful: f64,
    /// And again.
    pub duplicate: f64,
    /// What gossipsub said about it.
    pub control: f64,
    /// Bytes of the announcement itself.
    pub size: u64,
    /// Connections of a node: the middle one and the most.
    pub links: (usize, usize),
    /// Stands for every event of the run.
    pub trace: u64,
}

/// How newcomers became whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Newcomer {
    /// Seconds: the middle one and the slowest.
    pub seconds: (f64, f64),
    /// How many were not within an hour.
    pub missed: usize,
    /// Bytes of announcements that there were.
    pub content: u64,
    /// Bytes received by the middle one.
    pub received: u64,
    /// Of that, announcements that it asked for.
    pub since: u64,
    /// And lists of heads.
    pub heads: u64,
    /// Requests that were refused to them because they asked too fast.
    pub refused: u64,
}

/// How a network came together again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Healed {
    /// Announcements that were made in the two halves.
    pub announcements: usize,
    /// Seconds after the healing until 99 % of the nodes had all of them.
    pub most: f64,
    /// And until all had.
    pub all: f64,
    /// Whether all have, after two hours at the latest.
    pub is_whole: bool,
}

/// What a node receives a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rest {
    /// Bytes about who has how much.
    pub heads: f64,
    /// Bytes of announcements that were asked for.
    pub since: f64,
    /// Bytes of gossip.
    pub gossip: f64,
    /// Bytes for finding peers.
    pub joining: f64,
    /// The busiest node's, sent.
    pub most_sent: f64,
    /// Nodes that lacked something that was said a minute before the end.
    pub behind: usize,
}

fn settled(model: Model) -> World {
    let mut world = World::new(model);
    world.run(SETTLED);
    forget_traffic(&mut world);
    joining::plan_churn(&mut world);
    world
}

fn forget_traffic(world: &mut World) {
    for node in &mut world.nodes {
        node.traffic = Traffic::default();
    }
}

/// Some node that has all of its own feed says something.
fn publish_somewhere(world: &mut World) {
    let publishers = world.model.nodes.min(world.histories.len());
    let able = world.up().into_iter().filter(|node| {
        *node < publishers
            && world.nodes[*node].shelf.have(*node) == world.histories.feed(*node).len() as u64
    });
    let able: Vec<usize> = able.collect();
    if let Some(node) = world.chance.pick(&able) {
        world.publish(node, node);
    }
}

/// Announcements, one after another.
pub fn spread(model: &Model, announcements: usize) -> Spread {
    let mut world = settled(model.clone());
    for _ in 0..announcements {
        publish_somewhere(&mut world);
        world.run(world.now + BETWEEN);
    }
    world.run(world.now + AFTERWARDS);
    let reached: Vec<Reached> = world
        .watched
        .iter()
        .map(|one| reached(&world, one))
        .collect();
    let middle_of = |seconds: fn(&Reached) -> f64| middle(reached.iter().map(seconds).collect());
    let share = (announcements.max(1) * model.nodes) as f64;
    let sum = |of: fn(&Traffic) -> u64| {
        let all = world.nodes.iter().map(|node| of(&node.traffic));
        all.sum::<u64>() as f64 / share
    };
    let gossip = sum(|traffic| traffic.of(Purpose::Gossip));
    let duplicate = sum(|traffic| traffic.duplicates);
    let mut links: Vec<usize> = world
        .up()
        .iter()
        .map(|n| world.nodes[*n].links.len())
        .collect();
    links.sort_unstable();
    let sizes = world
        .watched
        .first()
        .map(|one| world.histories.bytes(one.said));
    Spread {
        half: middle_of(|one| one.half),
        most: middle_of(|one| one.most),
        all: middle_of(|one| one.all),
        all_slowest: reached.iter().map(|one| one.all).fold(0.0, f64::max),
        missed: reached.iter().filter(|one| one.missed > 0).count(),
        unreached: reached.iter().map(|one| one.missed).max().unwrap_or(0),
        useful: gossip - duplicate,
        duplicate,
        control: sum(|traffic| traffic.of(Purpose::Control)),
        size: sizes.unwrap_or(0),
        links: (links[links.len() / 2], links[links.len() - 1]),
        trace: world.trace(),
    }
}

struct Reached {
    half: f64,
    most: f64,
    all: f64,
    missed: usize,
}

fn reached(world: &World, watched: &Watched) -> Reached {
    let stayed = watched.live.iter();
    let stayed = stayed.filter(|(node, life)| world.lives(**node, **life));
    let stayed: Vec<usize> = stayed.map(|(node, _)| *node).collect();
    let times = stayed.iter().filter_map(|node| watched.reached.get(node));
    let mut times: Vec<f64> = times.map(|at| seconds(at - watched.at)).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let count = (stayed.len() as f64 * share).ceil() as usize;
        times
            .get(count.saturating_sub(1))
            .copied()
            .unwrap_or(f64::INFINITY)
    };
    Reached {
        half: at(0.5),
        most: at(0.99),
        all: at(1.0),
        missed: stayed.len() - times.len(),
    }
}

/// Nodes that have nothing, one after another.
pub fn newcomer(model: &Model, newcomers: usize) -> Newcomer {
    let mut world = settled(model.clone());
    let counts: Vec<u64> = (0..world.histories.len())
        .map(|whose| world.histories.feed(whose).len() as u64)
        .collect();
    let all = (0..counts.len()).flat_map(|whose| (0..counts[whose]).map(move |seq| (whose, seq)));
    let content = all.map(|said| world.histories.bytes(said)).sum();
    let mut outcome = Newcomer {
        content,
        ..Newcomer::default()
    };
    let mut done: Vec<(f64, Traffic)> = Vec::new();
    let refused = |world: &World| world.nodes.iter().map(|node| node.refused).sum::<u64>();
    let before = refused(&world);
    for _ in 0..newcomers {
        let begin = world.now;
        let node = world.add();
        joining::switch_on(&mut world, node);
        let whole = |world: &World| world.nodes[node].shelf.is_as_whole_as(&counts);
        if world.run_until(begin + HOUR, whole) {
            done.push((seconds(world.now - begin), world.nodes[node].traffic));
        } else {
            outcome.missed += 1;
        }
    }
    done.sort_by(|one, other| one.0.total_cmp(&other.0));
    if let (Some((middle, traffic)), Some((slowest, _))) = (done.get(done.len() / 2), done.last()) {
        outcome.seconds = (*middle, *slowest);
        outcome.received = traffic.all();
        outcome.since = traffic.of(Purpose::Feeds);
        outcome.heads = traffic.of(Purpose::Heads);
    }
    outcome.refused = refused(&world) - before;
    outcome
}

/// Half of the nodes cannot reach the other half for ten minutes; both go on announcing.
pub fn heal(model: &Model, announcements: usize) -> Healed {
    let mut world = settled(model.clone());
    joining::part(&mut world);
    let begin = world.now;
    for n in 1..=announcements as u64 {
        world.run(begin + n * 600 * SECOND / (announcements as u64 + 1));
        publish_somewhere(&mut world);
    }
    world.run(begin + 600 * SECOND);
    world.is_parted = false;
    let healed = world.now;
    let counts: Vec<u64> = (0..world.histories.len())
        .map(|whose| world.histories.feed(whose).len() as u64)
        .collect();
    let whole = |world: &World| {
        let up = world.up();
        let whole = up
            .iter()
            .filter(|n| world.nodes[**n].shelf.is_as_whole_as(&counts));
        (whole.count(), up.len())
    };
    let mut outcome = Healed {
        announcements,
        ..Healed::default()
    };
    while !outcome.is_whole && world.now < healed + 2 * HOUR {
        world.run(world.now + SECOND / 4);
        let (count, of) = whole(&world);
        if outcome.most == 0.0 && count * 100 >= of * 99 {
            outcome.most = seconds(world.now - healed);
        }
        outcome.is_whole = count == of;
    }
    outcome.all = seconds(world.now - healed);
    outcome
}

/// A network in which every publisher announces `daily` times a day, for `minutes`.
pub fn rest(model: &Model, daily: f64, minutes: u64) -> Rest {
    let mut world = settled(model.clone());
    let begin = world.now;
    let end = begin + minutes * 60 * SECOND;
    let a_day = daily * model.publishers as f64;
    let mut next = world.now;
    let mut before_the_end = None;
    while world.now < end {
        let wait = match a_day > 0.0 {
            true => world.chance.wait(86_400.0 * SECOND as f64 / a_day),
            false => end,
        };
        next = (next + wait).min(end);
        if before_the_end.is_none() && next + 60 * SECOND > end {
            before_the_end = Some(counts(&world));
        }
        world.run(next);
        if next < end {
            publish_anywhere(&mut world);
        }
    }
    let share = seconds(end - begin);
    let nodes = model.nodes as f64;
    let sum = |purpose| {
        let all = world.nodes.iter().map(|node| node.traffic.of(purpose));
        all.sum::<u64>() as f64 / share / nodes
    };
    let said = before_the_end.unwrap_or_else(|| counts(&world));
    let up = world.up();
    let behind = up
        .iter()
        .filter(|n| !world.nodes[**n].shelf.is_as_whole_as(&said));
    let sent = world.nodes.iter().map(|node| node.traffic.sent).max();
    Rest {
        heads: sum(Purpose::Heads),
        since: sum(Purpose::Feeds),
        gossip: sum(Purpose::Gossip) + sum(Purpose::Control),
        joining: sum(Purpose::Joining),
        most_sent: sent.unwrap_or(0) as f64 / share,
        behind: behind.count(),
    }
}

/// Any publisher says something, from wherever all of its feed is.
fn publish_anywhere(world: &mut World) {
    let publishers: Vec<usize> = (0..world.histories.len()).collect();
    let Some(whose) = world.chance.pick(&publishers) else {
        return;
    };
    let count = world.histories.feed(whose).len() as u64;
    let up = world.up().into_iter();
    let able: Vec<usize> = up
        .filter(|node| world.nodes[*node].shelf.have(whose) == count)
        .collect();
    if let Some(node) = world.chance.pick(&able) {
        world.publish(node, whose);
    }
}

fn counts(world: &World) -> Vec<u64> {
    let publishers = 0..world.histories.len();
    publishers
        .map(|whose| world.histories.feed(whose).len() as u64)
        .collect()
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / SECOND as f64
}

fn middle(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: u64) -> Model {
        Model::of(30, seed)
    }

    #[test]
    fn everybody_hears_of_everything_while_nodes_come_and_go() {
        for seed in 1..=3 {
            let mut model = small(seed);
            model.churn = 2.0;
            let spread = spread(&model, 10);
            assert_eq!(spread.missed, 0, "seed {seed}: {spread:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run_event_by_event() {
        let [one, again, other] = [7, 7, 8].map(|seed| spread(&small(seed), 3));
        assert_eq!(one, again);
        assert_ne!(one.trace, other.trace);
    }

    #[test]
    fn a_newcomer_becomes_whole_within_the_paces() {
        for seed in 1..=3 {
            let newcomer = newcomer(&small(seed), 2);
            assert_eq!(newcomer.missed, 0, "seed {seed}: {newcomer:?}");
            assert!(newcomer.since >= newcomer.content);
        }
    }

    #[test]
    fn two_halves_become_one_again() {
        for seed in 1..=2 {
            let healed = heal(&small(seed), 6);
            assert!(healed.is_whole, "seed {seed}: {healed:?}");
        }
    }

    #[test]
    fn a_node_without_room_takes_what_fits_and_goes_on() {
        let mut model = small(5);
        model.limits.publishers = 20;
        let newcomer = newcomer(&model, 1);
        assert_eq!(newcomer.missed, 1, "it cannot be whole");
        assert_eq!(newcomer.refused, 0, "and asks no faster for that");
    }

    #[test]
    fn lists_that_were_told_are_not_told_again() {
        let mut model = small(3);
        let with = rest(&model, 1.0, 30);
        model.marks = false;
        let without = rest(&model, 1.0, 30);
        assert_eq!((with.behind, without.behind), (0, 0));
        assert!(with.heads * 1.5 < without.heads, "{with:?} {without:?}");
    }
}
