//! Fetching a whole stream as a player would, with another parser than the one that wrote it.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use cid::Cid;
use m3u8_rs::{MasterPlaylist, MediaPlaylist, Playlist};
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};

/// multicodec `raw`: the bytes of the block are the bytes of the file.
const RAW: u64 = 0x55;
/// multihash `sha2-256`.
const SHA2_256: u64 = 0x12;

/// What was fetched.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    playlists: usize,
    files: usize,
    bytes: usize,
    /// Files that are one block, whose hash was compared with the CID in the URL.
    hashed: usize,
    seconds: f32,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            playlists,
            files,
            bytes,
            hashed,
            seconds,
        } = self;
        write!(
            f,
            "{seconds:.1} s, {playlists} playlists, {files} files, {bytes} bytes, {hashed} of them \
             addressed by their own CID and equal to it"
        )
    }
}

/// Fetches the stream at `master` with every rendition, every init and every segment.
pub(crate) async fn check(client: &Client, master: &Url) -> Result<Checked> {
    let mut checked = Checked::default();
    let Playlist::MasterPlaylist(playlist) = fetch_playlist(client, master).await? else {
        bail!("{master} is not a master playlist");
    };
    checked.playlists += 1;
    let renditions = renditions(&playlist, master)?;
    ensure!(!renditions.is_empty(), "{master} names no rendition");
    for url in renditions {
        let Playlist::MediaPlaylist(playlist) = fetch_playlist(client, &url).await? else {
            bail!("{url} is not a media playlist");
        };
        checked.playlists += 1;
        rendition(client, &url, &playlist, &mut checked).await?;
    }
    Ok(checked)
}

fn renditions(playlist: &MasterPlaylist, master: &Url) -> Result<BTreeSet<Url>> {
    let variants = playlist.variants.iter().map(|variant| variant.uri.as_str());
    let alternatives = playlist
        .alternatives
        .iter()
        .filter_map(|media| media.uri.as_deref());
    variants
        .chain(alternatives)
        .map(|uri| Ok(master.join(uri)?))
        .collect()
}

/// Fetches one rendition from its init to its last segment.
async fn rendition(
    client: &Client,
    url: &Url,
    playlist: &MediaPlaylist,
    checked: &mut Checked,
) -> Result<()> {
    ensure!(playlist.end_list, "{url} has no end");
    ensure!(!playlist.segments.is_empty(), "{url} names no segment");
    let mut init = None;
    let mut seconds = 0.0;
    for segment in &playlist.segments {
        if let Some(map) = &segment.map
            && init.as_ref() != Some(&map.uri)
        {
            file(client, &url.join(&map.uri)?, b"ftyp", checked).await?;
            init = Some(map.uri.clone());
        }
        ensure!(init.is_some(), "{url} has no init before its first segment");
        ensure!(
            segment.duration > 0.0,
            "{url} has a segment without a duration"
        );
        file(client, &url.join(&segment.uri)?, b"styp", checked).await?;
        seconds += segment.duration;
    }
    checked.seconds = checked.seconds.max(seconds);
    Ok(())
}

/// Fetches one file, whose first box has the type `kind`.
async fn file(client: &Client, url: &Url, kind: &[u8], checked: &mut Checked) -> Result<()> {
    let bytes = fetch(client, url).await?;
    ensure!(
        bytes.get(4..8) == Some(kind),
        "{url} does not begin as it should"
    );
    checked.files += 1;
    checked.bytes += bytes.len();
    if let Some(cid) = cid_in(url).filter(|cid| cid.codec() == RAW && cid.hash().code() == SHA2_256)
    {
        ensure!(
            Sha256::digest(&bytes).as_slice() == cid.hash().digest(),
            "{url} is not what its CID says"
        );
        checked.hashed += 1;
    }
    Ok(())
}

/// The CID of `/ipfs/{cid}`, if the URL is one, and of nothing below it.
fn cid_in(url: &Url) -> Option<Cid> {
    let text = url.path().strip_prefix("/ipfs/")?;
    text.parse().ok()
}

async fn fetch_playlist(client: &Client, url: &Url) -> Result<Playlist> {
    let bytes = fetch(client, url).await?;
    let parsed = m3u8_rs::parse_playlist_res(&bytes).ok();
    parsed.with_context(|| format!("{url} is not a playlist"))
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<u8>> {
    let response = client.get(url.clone()).send().await?;
    ensure!(
        response.status().is_success(),
        "{url} answered {}",
        response.status()
    );
    Ok(response.bytes().await?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_is_read_from_a_url_that_names_nothing_else() {
        let url = |path: &str| Url::parse(&format!("http://127.0.0.1:1{path}")).unwrap();
        assert!(cid_in(&url("/ipfs/bafkqaaa")).is_some());
        assert!(cid_in(&url("/ipfs/bafkqaaa/video/0.m4s")).is_none());
        assert!(cid_in(&url("/play/bafkqaaa")).is_none());
    }
}
