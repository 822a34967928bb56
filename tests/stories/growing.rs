//! Playback that begins before the work has ended.

use std::time::{Duration, Instant};

use cidcast_testkit::{Node, is};
use m3u8_rs::{MediaPlaylist, MediaPlaylistType};
use reqwest::Url;

use crate::player;
use crate::stage::{ONE_BY_ONE, Stage, id};

#[tokio::test]
async fn an_asset_plays_while_it_is_transcoded_and_keeps_its_segments() {
    let stage = Stage::new();
    let node = stage.node(ONE_BY_ONE).await;
    let asset = node.upload(&stage.slow_clip()).await.unwrap();
    let (id, url) = (id(&asset), asset["play_url"].as_str().unwrap());
    let (master, _) = wait_for_master(&node, &id, url).await;
    let (pictures, sound) = player::renditions(&player::master(&master));
    assert_eq!((pictures.len(), sound.len()), (1, 1));
    let at = Url::parse(url).unwrap().join(&pictures[0]).unwrap();

    let mut seen: Vec<MediaPlaylist> = Vec::new();
    loop {
        // The state first: a playlist that is read later may be the finished one.
        let was_ready = is(&node.asset(&id).await.unwrap(), "ready");
        let playlist = player::media(&node.text(at.as_str()).await.unwrap());
        let known = seen.last().map_or(0, |last| last.segments.len());
        let end = playlist.end_list;
        if playlist.segments.len() > known || end {
            // What is new can be fetched at once.
            for segment in player::urls(&playlist, &at).iter().skip(known + 1) {
                node.bytes(segment.as_str()).await.unwrap();
            }
            seen.push(playlist);
        }
        if end {
            break;
        }
        assert!(!was_ready, "ready, and the playlist has no end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.ready(&id).await.unwrap();

    let last = seen.pop().unwrap();
    assert_eq!(last.playlist_type, Some(MediaPlaylistType::Vod));
    assert!(!seen.is_empty(), "it was never seen growing");
    let whole = player::urls(&last, &at);
    for playlist in &seen {
        assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Event));
        assert!(!playlist.segments.is_empty());
        assert_eq!(playlist.target_duration, last.target_duration);
        let urls = player::urls(playlist, &at);
        assert_eq!(urls, whole[..urls.len()], "a segment has changed");
    }
    assert!(
        seen[0].segments.len() < last.segments.len(),
        "it was whole from the beginning"
    );
}

/// The multivariant playlist as soon as there is one; the asset is not ready then.
async fn wait_for_master(node: &Node, id: &str, url: &str) -> (String, u16) {
    let began = Instant::now();
    loop {
        let response = node.http().get(url).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            let text = response.text().await.unwrap();
            let asset = node.asset(id).await.unwrap();
            assert!(is(&asset, "transcoding"), "not before the end: {asset}");
            return (text, status);
        }
        assert!(
            response.headers().contains_key("retry-after"),
            "{status} says not when to come back"
        );
        assert!(began.elapsed() < Duration::from_secs(60), "{status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
