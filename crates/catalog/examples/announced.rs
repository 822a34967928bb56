//! A catalog of very many announced assets, for `cargo xtask bench catalog`.
//!
//! `announced fill FILE ASSETS` makes one: 1,000 publishers, each with its share, in signed
//! announcements of 50 assets, verified and recorded as they would be when catching up. A title has
//! 50 characters and a description 300, in words of which few are common and most are rare, with
//! five tags and four renditions. `announced ask FILE` opens it and asks. Each prints JSON.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement that cannot go on has failed"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use cidcast_announce::{
    Announcement, Draft, MediaKind, Op, Publish, Rendition, Replication, SigningKey, ViewSharing,
};
use cidcast_catalog::{AnnouncedQuery, Catalog, FeedLimits, Recorded};
use cidcast_types::{AssetId, Cid, RootCid, Timestamp};

const PUBLISHERS: u64 = 1_000;
const PER_ANNOUNCEMENT: u64 = 50;
const VOCABULARY: u64 = 100_000;
const ASKED: u64 = 500;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A word by Zipf's law: the n-th is n times rarer than the first.
    fn word(&mut self) -> String {
        let even = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let rank = ((VOCABULARY as f64).powf(even)) as u64;
        word(rank)
    }

    fn text(&mut self, length: usize) -> String {
        let mut text = self.word();
        while text.len() < length {
            text.push(' ');
            text += &self.word();
        }
        text.truncate(length);
        text
    }
}

/// Two to five syllables, another word for each number.
fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 32] = [
        "bo", "ko", "ri", "ten", "mo", "sal", "vi", "dur", "ne", "pha", "gro", "li", "est", "wan",
        "cu", "ze", "tor", "in", "ma", "hem", "sti", "ou", "dra", "ky", "lem", "no", "quo", "ra",
        "shi", "tu", "ex", "yo",
    ];
    let mut rest = (Chance(rank).next() >> 44) | (rank << 20);
    let mut text = String::new();
    for _ in 0..2 + rank % 3 + u64::from(rank > 1_000) {
        text += SYLLABLES[(rest % 32) as usize];
        rest = (rest / 32) ^ rest.rotate_right(20);
    }
    text
}

fn asset(chance: &mut Chance, n: u64) -> Op {
    let mut root = vec![0x01, 0x70, 0x12, 0x20];
    root.extend((0..4).flat_map(|_| chance.next().to_be_bytes()));
    let video = |name: &str, width, height| (name.to_owned(), MediaKind::Video { width, height });
    let ladder = [
        video("1080p", 1920, 1080),
        video("720p", 1280, 720),
        video("480p", 854, 480),
        ("audio".to_owned(), MediaKind::Audio),
    ];
    let rendition = |(name, kind): (String, MediaKind)| Rendition {
        bytes: 10_000_000 + chance.next() % 100_000_000,
        path: match kind {
            MediaKind::Audio => format!("audio/{name}"),
            MediaKind::Video { .. } => format!("video/{name}"),
        },
        name: name.parse().unwrap(),
        kind,
    };
    let renditions: Vec<_> = ladder.into_iter().map(rendition).collect();
    let at = Timestamp::from_millis(1_700_000_000_000 + n * 60_000);
    Op::Publish(Box::new(Publish {
        asset: AssetId::from_parts(at, u128::from(chance.next())),
        root: RootCid::new(Cid::try_from(root).unwrap()),
        title: chance.text(50),
        description: chance.text(300),
        tags: (0..5).map(|_| chance.text(9)).collect(),
        created_at: at,
        duration_ms: 600_000 + chance.next() % 6_000_000,
        bytes: renditions.iter().map(|one| one.bytes).sum(),
        renditions,
        poster: Some("poster.jpg".to_owned()),
        language: Some("en".to_owned()),
        replication: Replication { min: 2, max: 5 },
        views: ViewSharing::Share,
    }))
}

async fn fill(file: &Path, assets: u64) {
    let catalog = Catalog::open(file).await.unwrap();
    let limits = FeedLimits {
        publisher_bytes: u64::MAX,
        total_bytes: u64::MAX,
        publishers: u64::MAX,
    };
    let mut chance = Chance(1);
    let (mut signing, mut verifying, mut recording) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut announcements, mut bytes) = (0u64, 0u64);
    for publisher in 0..PUBLISHERS {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&publisher.to_be_bytes());
        let key = SigningKey::from_seed(seed);
        let begin = Instant::now();
        let mut feed: Vec<Announcement> = Vec::new();
        for seq in 0..(assets / PUBLISHERS).div_ceil(PER_ANNOUNCEMENT) {
            let first = publisher * (assets / PUBLISHERS) + seq * PER_ANNOUNCEMENT;
            let draft = Draft {
                seq,
                prev: feed.last().map(Announcement::cid),
                at: Timestamp::from_millis(1_760_000_000_000 + seq),
                ops: (0..PER_ANNOUNCEMENT)
                    .map(|n| asset(&mut chance, first + n))
                    .collect(),
            };
            feed.push(Announcement::sign(&key, draft).unwrap());
        }
        signing += begin.elapsed();
        let begin = Instant::now();
        let feed: Vec<_> = feed
            .iter()
            .map(|one| Announcement::verify(one.bytes()).unwrap())
            .collect();
        verifying += begin.elapsed();
        let begin = Instant::now();
        let now = Timestamp::from_millis(1_760_000_100_000);
        let done = catalog.record(&feed, &limits, now).await.unwrap();
        recording += begin.elapsed();
        assert!(done.iter().all(|one| matches!(one, Recorded::Applied(_))));
        announcements += feed.len() as u64;
        bytes += feed.iter().map(|one| one.bytes().len() as u64).sum::<u64>();
    }
    catalog.close().await;
    let size = std::fs::metadata(file).unwrap().len();
    println!(
        "{{\"announcements\": {announcements}, \"announcement_bytes\": {bytes}, \"size\": {size}, \
         \"verify_s\": {:.3}, \"record_s\": {:.3}}}",
        verifying.as_secs_f64(),
        recording.as_secs_f64()
    );
}

async fn ask(file: &Path) {
    let begin = Instant::now();
    let catalog = Catalog::open(file).await.unwrap();
    let first = catalog.announced(&AnnouncedQuery::default()).await.unwrap();
    let open = begin.elapsed();
    assert_eq!(first.items.len(), 50);
    let idle = resident();
    let mut chance = Chance(99);
    let (mut searches, mut lists) = (Vec::new(), Vec::new());
    for n in 0..ASKED {
        let mut words: Vec<_> = (0..=n % 3).map(|_| chance.word()).collect();
        if n % 2 == 1 {
            let last = words.last_mut().unwrap();
            let typed = 3 + (chance.next() % 4) as usize;
            last.truncate(typed); // as one types
        }
        let query = AnnouncedQuery {
            search: Some(words.join(" ")),
            ..AnnouncedQuery::default()
        };
        let begin = Instant::now();
        let found = catalog.announced(&query).await.unwrap();
        searches.push((begin.elapsed(), words.join(" "), found.items.len()));
        let query = AnnouncedQuery {
            cursor: first.next,
            publisher: (n % 2 == 0).then(|| first.items[0].publisher),
            ..AnnouncedQuery::default()
        };
        let begin = Instant::now();
        catalog.announced(&query).await.unwrap();
        lists.push(begin.elapsed());
    }
    searches.sort();
    lists.sort();
    for (time, words, found) in searches.iter().rev().take(5) {
        eprintln!("slowest: {time:?} for {words:?}, {found} on the page");
    }
    let at = |part: f64| (ASKED as f64 * part) as usize;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let found = searches.iter().filter(|(_, _, found)| *found > 0).count();
    println!(
        "{{\"open_ms\": {:.3}, \"search_p50_ms\": {:.3}, \"search_p95_ms\": {:.3}, \
         \"search_max_ms\": {:.3}, \"list_p95_ms\": {:.3}, \"idle_rss\": {idle}, \"rss\": {}, \
         \"searches\": {ASKED}, \"with_results\": {found}}}",
        millis(open),
        millis(searches[at(0.5)].0),
        millis(searches[at(0.95)].0),
        millis(searches[searches.len() - 1].0),
        millis(lists[at(0.95)]),
        resident(),
    );
    catalog.close().await;
}

/// Bytes of this process in memory. Linux only.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fill", file, assets] => fill(Path::new(file), assets.parse().unwrap()).await,
        ["ask", file] => ask(Path::new(file)).await,
        _ => eprintln!("use: announced fill FILE ASSETS | announced ask FILE"),
    }
}
