//! `cidcast store get`: the file or directory behind a CID, written out.
//!
//! A directory comes from somebody else: its names are checked before they become names of files,
//! nothing is written through a link, and a directory that contains itself many times over ends at
//! a bound.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read;
use cidcast_types::Cid;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use tokio::fs;

use super::client::Client;
use super::failure::{Failure, Kind};
use super::store::Target;
use crate::api::EntryView;

/// Codec of a block that can only be a file.
const RAW: u64 = 0x55;
/// Files and directories under one CID.
const MOST: usize = 1_000_000;
/// Directories within each other. Longer paths are refused by the system anyway.
const DEEPEST: usize = 1024;

/// Where blocks are read from.
pub(super) enum Reader {
    /// A running node.
    Node(Client),
    /// This machine's store.
    Here(Blocks),
}

impl Reader {
    async fn entry(&self, cid: &Cid) -> Result<EntryView, Failure> {
        if cid.codec() == RAW {
            return Ok(EntryView::File { bytes: 0 });
        }
        match self {
            Self::Node(client) => client.get(&format!("/api/v1/store/entry/{cid}")).await,
            Self::Here(blocks) => {
                let entry = EntryView::of(blocks, cid).await;
                entry.map_err(|error| Failure::local(&error))
            }
        }
    }

    async fn file(&self, cid: &Cid) -> Result<BoxStream<'_, Result<Bytes, Failure>>, Failure> {
        match self {
            Self::Node(client) => {
                let path = format!("/api/v1/store/file/{cid}");
                let answer = client.send(client.request(Method::GET, &path)).await?;
                let body = answer.bytes_stream();
                Ok(body.map_err(|error| Failure::local(&error)).boxed())
            }
            Self::Here(blocks) => {
                let pieces = read::stream(blocks, cid, None);
                Ok(pieces.map_err(|error| Failure::local(&error)).boxed())
            }
        }
    }
}

/// Writes what is behind `cid`: a file to `output` or standard output, a directory to `output` or
/// a folder named after it. Neither appears under its name before it is whole.
pub(super) async fn get(reader: &Reader, cid: &Cid, output: Option<&Path>) -> Result<(), Failure> {
    match reader.entry(cid).await? {
        EntryView::File { .. } => {
            let mut target = Target::open(output).await?;
            copy(reader, cid, &mut target).await?;
            target.finish().await
        }
        EntryView::Directory { .. } => {
            let named = PathBuf::from(cid.to_string());
            directory(reader, cid, output.unwrap_or(&named)).await
        }
        EntryView::Symlink { target } => {
            let detail = format!("{cid} is a symbolic link to {target:?}: get that instead");
            Err(Failure::new(
                Kind::Failed,
                "not-a-file",
                "Not a file",
                detail,
            ))
        }
    }
}

async fn copy(reader: &Reader, cid: &Cid, target: &mut Target) -> Result<(), Failure> {
    let mut pieces = reader.file(cid).await?;
    while let Some(piece) = pieces.next().await {
        target.write(&piece?).await?;
    }
    Ok(())
}

async fn directory(reader: &Reader, cid: &Cid, output: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(output).await.is_ok() {
        let name = output.display();
        let detail = format!("{name} exists: remove it, or name another place with -o");
        return Err(Failure::new(Kind::Failed, "file", "File problem", detail));
    }
    let mut beside = output.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let failed = |what, path: &Path, error| Failure::file(what, path, &error);
    if fs::metadata(&beside)
        .await
        .is_ok_and(|found| found.is_dir())
    {
        // Of a try that was cut off.
        let removed = fs::remove_dir_all(&beside).await;
        removed.map_err(|error| failed("remove", &beside, error))?;
    }
    tree(reader, cid, &beside).await?;
    let renamed = fs::rename(&beside, output).await;
    renamed.map_err(|error| failed("write", output, error))
}

/// Writes everything below `root` to a folder that does not exist yet.
async fn tree(reader: &Reader, root: &Cid, folder: &Path) -> Result<(), Failure> {
    let mut waiting = vec![(*root, folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((cid, path, depth)) = waiting.pop() {
        seen += 1;
        if seen > MOST || depth > DEEPEST {
            return Err(too_much(root));
        }
        let failed = |error| Failure::file("write", &path, &error);
        match reader.entry(&cid).await? {
            EntryView::File { .. } => {
                let mut target = Target::new_file(&path).await?;
                copy(reader, &cid, &mut target).await?;
                target.finish().await?;
            }
            EntryView::Symlink { target } => fs::symlink(target, &path).await.map_err(failed)?,
            EntryView::Directory { entries } => {
                // Fails on anything that is there, so that nothing is written through a link.
                fs::create_dir(&path).await.map_err(failed)?;
                for entry in entries.into_iter().rev() {
                    let below = path.join(checked(&entry.name)?);
                    let cid = entry.cid.parse().map_err(|error| Failure::local(&error))?;
                    waiting.push((cid, below, depth + 1));
                }
            }
        }
    }
    Ok(())
}

/// A name that stays within its folder.
fn checked(name: &str) -> Result<&str, Failure> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        let detail = format!(
            "the directory has an entry named {name:?}, which cannot be a file: export it as a CAR \
             file (`cidcast store export`)"
        );
        return Err(Failure::new(
            Kind::Failed,
            "bad-name",
            "Unusable name",
            detail,
        ));
    }
    Ok(name)
}

fn too_much(root: &Cid) -> Failure {
    let detail = format!(
        "{root} has more than {MOST} files, or more than {DEEPEST} directories within each other: \
         get a part of it"
    );
    Failure::new(Kind::Failed, "too-large", "Too large", detail)
}

#[cfg(test)]
mod tests {
    use cidcast_ipfs::unixfs::add::{Tree, add_bytes};
    use cidcast_store::{Store, StoreSettings};

    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in ["", ".", "..", "a/b", "/etc", "a\0"] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
        assert!(checked("..a").is_ok());
    }

    #[tokio::test]
    async fn a_directory_is_written_as_it_is_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), StoreSettings::default()).unwrap();
        let guard = store.in_flight();
        let mut tree = Tree::new();
        for (path, text) in [("a/b/c.txt", "deep"), ("a/d.txt", ""), ("e", "top")] {
            let link = add_bytes(&store, &guard, text.as_bytes()).unwrap();
            tree.insert(path, link).unwrap();
        }
        let root = tree.finish(&store, &guard).unwrap().cid;
        let reader = Reader::Here(Blocks::new(store.clone()));
        let to = dir.path().join("out");
        get(&reader, &root, Some(&to)).await.unwrap();
        for (path, text) in [("a/b/c.txt", "deep"), ("a/d.txt", ""), ("e", "top")] {
            assert_eq!(std::fs::read_to_string(to.join(path)).unwrap(), text);
        }
        let again = get(&reader, &root, Some(&to)).await.unwrap_err();
        assert!(again.detail().contains("exists"), "{again:?}");

        // Without one of its blocks nothing appears, and what is left of it is replaced.
        drop(guard);
        store.flush_deletes().unwrap();
        let other = dir.path().join("other");
        assert!(get(&reader, &root, Some(&other)).await.is_err());
        assert!(!other.exists());
    }
}
