//! Whether a player could show the first picture of an asset now.

use anyhow::{Context, Result, bail};
use m3u8_rs::{MediaPlaylist, Playlist};
use reqwest::{Client, Url};

/// Whether the master playlist at `master` names `renditions` renditions, of each of which the
/// init and the first segment can be fetched.
pub(super) async fn is_playable(client: &Client, master: &Url, renditions: usize) -> Result<bool> {
    let Some(bytes) = fetch(client, master).await? else {
        return Ok(false);
    };
    let Ok(Playlist::MasterPlaylist(playlist)) = m3u8_rs::parse_playlist_res(&bytes) else {
        bail!("{master} is not a master playlist");
    };
    let variants = playlist.variants.iter().map(|variant| variant.uri.as_str());
    let sound = playlist.alternatives.iter();
    let sound = sound.filter_map(|media| media.uri.as_deref());
    let mut urls: Vec<&str> = variants.chain(sound).collect();
    urls.sort_unstable();
    urls.dedup();
    if urls.len() < renditions {
        return Ok(false);
    }
    for url in urls {
        if !begins(client, &master.join(url)?).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a rendition has its first segment.
async fn begins(client: &Client, url: &Url) -> Result<bool> {
    let Some(bytes) = fetch(client, url).await? else {
        return Ok(false);
    };
    let Ok(Playlist::MediaPlaylist(playlist)) = m3u8_rs::parse_playlist_res(&bytes) else {
        bail!("{url} is not a media playlist");
    };
    let Some((init, segment)) = first(&playlist) else {
        return Ok(false);
    };
    for uri in [init, segment] {
        // What a playlist names must be there.
        let file = url.join(uri)?;
        let bytes = fetch(client, &file).await?;
        let bytes = bytes.with_context(|| format!("{url} names {file}, which is not there"))?;
        anyhow::ensure!(!bytes.is_empty(), "{file} is empty");
    }
    Ok(true)
}

fn first(playlist: &MediaPlaylist) -> Option<(&str, &str)> {
    let segment = playlist.segments.first()?;
    Some((segment.map.as_ref()?.uri.as_str(), segment.uri.as_str()))
}

/// The body of a successful answer.
async fn fetch(client: &Client, url: &Url) -> Result<Option<Vec<u8>>> {
    let response = client.get(url.clone()).send().await?;
    if response.status().is_success() {
        Ok(Some(response.bytes().await?.into()))
    } else {
        Ok(None)
    }
}
