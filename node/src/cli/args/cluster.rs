//! Arguments of `cidcast cluster`.

use std::collections::BTreeMap;

use cidcast_types::Cid;
use clap::Subcommand;

use crate::api::RoleName;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Found a cluster; this node is its first member
    Init {
        /// What to call it
        #[arg(long, default_value = "cluster")]
        name: String,
    },
    /// Make a token that lets one node in, once; it is a secret
    Token {
        /// What the new member may do
        #[arg(long, value_enum, default_value_t)]
        role: RoleName,
        /// Hours for which it is good
        #[arg(long = "for", value_name = "HOURS", default_value_t = 24,
            value_parser = clap::value_parser!(u64).range(1..=8760))]
        hours: u64,
    },
    /// Join the cluster that a token is for
    Join {
        // Another name than the bearer token's, which every command takes.
        #[arg(value_name = "TOKEN")]
        invitation: String,
        /// What this node is called among the members
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Show how the cluster is
    Status,
    /// List the members
    Peers,
    /// Change what is set for a member
    Set(SetArgs),
    /// Have a member give away what it keeps, before it leaves
    Drain {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
        /// It stays after all
        #[arg(long)]
        undo: bool,
    },
    /// Put a member out: its copies are made anew elsewhere
    Rm {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Challenge members to prove what they keep, now
    Audit {
        /// Only this root
        cid: Option<Cid>,
    },
    /// Show what happened, the newest first
    Events {
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Leave the cluster, and let go of what is kept here for it
    Leave {
        /// Even if no other member hears of it
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Its peer id
    #[arg(value_name = "PEER")]
    pub(crate) peer: String,
    #[command(flatten)]
    pub(crate) changes: MemberChanges,
}

/// What to change; at least one thing.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct MemberChanges {
    /// What it is called
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it may do
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleName>,
    /// All of its new tags, such as site=attic; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tags")]
    pub(crate) no_tags: bool,
    /// Its share of pins beside members with as much room, in percent
    #[arg(long, value_name = "PERCENT")]
    pub(crate) weight: Option<u32>,
}

/// How the cluster is to keep a root.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ClusterPinArgs {
    /// Copies that there should be in the cluster [default: what the configuration says]
    #[arg(long, value_name = "N", conflicts_with = "everywhere")]
    pub(crate) replicas: Option<u16>,
    /// Fewer copies are repaired [default: as many as --replicas]
    #[arg(long, value_name = "N", requires = "replicas")]
    pub(crate) replicas_min: Option<u16>,
    /// Every member keeps it
    #[arg(long)]
    pub(crate) everywhere: bool,
    /// 0 to 255, higher goes first
    #[arg(long, value_name = "N")]
    pub(crate) priority: Option<u8>,
    /// Let go of it after this many hours
    #[arg(long, value_name = "HOURS")]
    pub(crate) expires_in: Option<u64>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Tag: copies go to members with different values of it, such as site
    #[arg(long, value_name = "TAG")]
    pub(crate) spread: Option<String>,
    /// Multiaddress of a peer that has it, with /p2p/; may be repeated
    #[arg(long = "origin", value_name = "MULTIADDR")]
    pub(crate) origins: Vec<String>,
}

impl MemberChanges {
    /// The tags that are to be set, if any are.
    pub(crate) fn new_tags(&self) -> Option<BTreeMap<String, String>> {
        let is_set = self.no_tags || !self.tags.is_empty();
        is_set.then(|| self.tags.iter().cloned().collect())
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    if key.is_empty() || value.is_empty() {
        return Err("write it like site=attic".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}
