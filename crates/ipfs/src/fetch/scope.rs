//! Which part of a package is fetched.
//!
//! A rendition is a directory two names below the root, under `video` or `audio`. Of one that is
//! not chosen, its own block comes and nothing below it, so that the package can be listed whole.
//! Everything else always comes: playlists, manifest, description, images, captions.

use std::collections::BTreeSet;

/// Where renditions lie.
const BRANCHES: [&str; 2] = ["video", "audio"];

/// Which part of a DAG is fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    #[default]
    Whole,
    /// A package with only these renditions, by their paths: `video/480p`, `audio/main`.
    Renditions(BTreeSet<String>),
}

impl Scope {
    /// Whether what is below `path` stays away.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let Self::Renditions(chosen) = self else {
            return false;
        };
        let is_rendition = path.split_once('/').is_some_and(|(branch, name)| {
            BRANCHES.contains(&branch) && !name.is_empty() && !name.contains('/')
        });
        is_rendition && !chosen.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_renditions_that_were_not_chosen_are_left_out() {
        let scope = Scope::Renditions(BTreeSet::from(["video/480p".to_owned()]));
        for left_out in ["video/720p", "audio/main"] {
            assert!(scope.leaves_out(left_out), "{left_out}");
            assert!(!Scope::Whole.leaves_out(left_out), "{left_out}");
        }
        for kept in [
            "",
            "video",
            "audio",
            "video/480p",
            "video/720p/init.mp4",
            "captions/en.vtt",
            "storyboard/00000.jpg",
            "master.m3u8",
        ] {
            assert!(!scope.leaves_out(kept), "{kept}");
        }
    }
}
