//! `cidcast feed`, `key` and `replica`.

use std::path::PathBuf;

use cidcast_catalog::{Fate, Replicate, Strategy};
use cidcast_types::{AssetId, RenditionName};
use clap::{Subcommand, ValueHint};

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// List whom you follow and whose announcements are here
    Ls,
    /// Show a publisher's feed; your own without a name
    Show {
        /// The publisher's key
        publisher: Option<String>,
    },
    /// Want a publisher's announcements; again for one that is followed: change the policy
    Follow(FollowArgs),
    /// Want them no more; copies that the policy brought here go
    Unfollow {
        /// The publisher's key, or what was followed
        target: String,
    },
    /// Take nothing from a publisher any more
    Block {
        /// The publisher's key
        publisher: String,
        /// For yourself, and for those who import your block list
        #[arg(long, default_value = "")]
        reason: String,
        /// What becomes of what it had here: keep, unindex or delete [default: discovery.refused]
        #[arg(long, value_name = "FATE")]
        fate: Option<Fate>,
    },
    /// Take back a block
    Unblock {
        /// The publisher's key
        publisher: String,
    },
    /// Search everything that is announced and indexed here
    Search {
        /// Words to find in title, description and tags; none: the newest
        words: Vec<String>,
        /// Only those of this publisher
        #[arg(long, value_name = "PUBLISHER")]
        publisher: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Remove an announced asset here; it does not come back
    Remove {
        /// The publisher's key
        publisher: String,
        /// The asset's id there
        asset: AssetId,
    },
    /// List what you removed here
    Removed,
    /// Let a removed asset come back
    Allow {
        /// The publisher's key
        publisher: String,
        /// The asset's id there
        asset: AssetId,
    },
    /// Show what a publisher has earned, and why
    Score {
        /// The publisher's key
        publisher: String,
    },
    /// Let a publisher begin anew, revoked or not
    ResetScore {
        /// The publisher's key
        publisher: String,
    },
    /// List the nodes that follow you
    Followers,
    /// Forget a node that follows you
    ForgetFollower {
        /// Its peer id
        peer: String,
    },
    /// Vouch that nothing more was ever signed with your key than is here: for an imported key whose
    /// other hosts are gone. If you are wrong, the feed forks for good
    Confirm {
        /// You are sure
        #[arg(long, short)]
        yes: bool,
    },
    /// Say who you are, to everyone who follows
    Profile(ProfileArgs),
    /// Signed lists of whom to block
    #[command(subcommand)]
    Blocklist(BlockListCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct FollowArgs {
    /// A publisher's key (k51…), a node's address (/ip4/…/p2p/…), a name (example.org, /ipns/…), or
    /// the URL of a cidcast's web app
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// What to copy to this node: none, newest:N, budget:SIZE or all [default: none]
    #[arg(long, value_name = "WHAT")]
    pub(crate) replicate: Option<Replicate>,
    /// Copy only these renditions, separated by commas (480p,audio)
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) renditions: Option<Vec<RenditionName>>,
    /// What goes first when not everything fits: newest, watched or rare [default: newest]
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<Strategy>,
    /// Keep a copy at least this many hours before another takes its place [default: 24]
    #[arg(long, value_name = "HOURS")]
    pub(crate) min_hours: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ProfileArgs {
    /// What you are called
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What you publish
    #[arg(long)]
    pub(crate) about: Option<String>,
    /// Your web page; empty: none
    #[arg(long, value_name = "URL")]
    pub(crate) web: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BlockListCommand {
    /// List imported block lists
    Ls,
    /// Write whom you block, signed with your publisher key
    Export {
        /// Where to write it [default: standard output]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Block whom a list blocks
    Import {
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "of")]
        file: Option<PathBuf>,
        /// Ask the nodes of this publisher for its list, and for newer ones every day
        #[arg(long, value_name = "PUBLISHER", conflicts_with = "file")]
        of: Option<String>,
    },
    /// Give whom you block, as it is now, to nodes that ask for your list
    Share {
        /// What the list is called
        #[arg(long, default_value = "")]
        title: String,
    },
    /// Give it to nobody any more
    Unshare,
    /// Take back a list, and every block that only it said
    Rm {
        /// The key of the publisher who signed it
        publisher: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show the public key, by which others follow
    Show,
    /// Write the key encrypted with a passphrase, to move the publisher to another host
    Export {
        /// Where to write it [default: standard output]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Become the publisher of an exported key; the node must be stopped
    Import {
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// Do not ask before another key is replaced
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the passphrase [default: asked on the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplicaCommand {
    /// List copies here, and who holds copies of yours
    Ls,
    /// Stop fetching, also after a restart; what is here stays
    Pause {
        /// Only for this follow: the publisher's key, or what was followed
        #[arg(long, value_name = "TARGET")]
        of: Option<String>,
    },
    /// Fetch again
    Resume {
        /// Only for this follow: the publisher's key, or what was followed
        #[arg(long, value_name = "TARGET")]
        of: Option<String>,
    },
    /// Try a failed copy again now; without names: all of them
    Retry {
        /// The publisher's key
        #[arg(requires = "asset")]
        publisher: Option<String>,
        /// The asset's id there
        asset: Option<AssetId>,
    },
    /// Remove a copy here; it does not come back
    Rm {
        /// The publisher's key
        publisher: String,
        /// The asset's id there
        asset: AssetId,
    },
}
