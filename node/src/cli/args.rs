//! What the command line may say.

use std::net::SocketAddr;
use std::path::PathBuf;

use cidcast_types::{AssetId, AssetState, Cid, Visibility};
use clap::{CommandFactory as _, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::api::{AudienceName, FilterName};
use crate::config::Scope;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why
  2  the command line or the configuration is wrong
  3  no node can be reached
  4  there is no such asset, pin or block
  5  the node refuses: a token or a wider scope is needed

Environment:
  CIDCAST_DATA_DIR, CIDCAST_CONFIG, CIDCAST_API, CIDCAST_TOKEN stand for the options of that name;
  CIDCAST_<SECTION>__<KEY> overrides a configuration key (CIDCAST_TRANSCODE__PARALLEL=4).";

/// A media host in one binary: drop in a video, get an adaptive stream under one root CID.
#[derive(Debug, Parser)]
#[command(name = "cidcast", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    /// Where the node keeps everything [default: cidcast in the XDG data directory]
    #[arg(long, global = true, env = "CIDCAST_DATA_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [default: config.yaml in the data directory]
    #[arg(long, global = true, env = "CIDCAST_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// API of the node to talk to [default: the node that runs on the data directory]
    #[arg(long, global = true, env = "CIDCAST_API", value_name = "URL")]
    pub(crate) api: Option<String>,
    /// Bearer token for --api
    #[arg(
        long,
        global = true,
        env = "CIDCAST_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the node; the first run makes the data directory, keys and configuration
    Serve(ServeArgs),
    /// Upload files
    Add(AddArgs),
    /// List, show, change and delete assets
    #[command(subcommand)]
    Asset(AssetCommand),
    /// What the store keeps, and for whom
    #[command(subcommand)]
    Pin(PinCommand),
    /// Nodes that keep content alive together
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Names that can change what they stand for: IPNS and DNSLink
    #[command(subcommand)]
    Name(NameCommand),
    /// Look into the block store; works with and without a running node
    #[command(subcommand)]
    Store(StoreCommand),
    /// Who is connected; connect to others, block them, see what they have earned
    #[command(subcommand)]
    Peer(PeerCommand),
    /// What publishers announce: follow, search, block
    #[command(subcommand)]
    Feed(FeedCommand),
    /// The key that this node announces with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Copies of what others publish
    #[command(subcommand)]
    Replica(ReplicaCommand),
    /// Check that everything a node needs is there
    Doctor,
    /// Bearer tokens for the API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address of the API, instead of api.listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) api_listen: Option<SocketAddr>,
    /// Address of the gateway, instead of gateway.listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) gateway_listen: Option<SocketAddr>,
    /// Address of the swarm, instead of swarm.listen; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) swarm_listen: Vec<String>,
    /// Peer to join, instead of swarm.bootstrap; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) bootstrap: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// Video or audio files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Title [default: the file's name without its ending]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Description
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// Tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// private, unlisted or public
    #[arg(long, default_value = "private")]
    pub(crate) visibility: Visibility,
    /// Wait until the asset is ready
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AssetCommand {
    /// List assets, newest first
    Ls {
        /// Words to find in title, description and tags
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// Only those in this state
        #[arg(long)]
        state: Option<AssetState>,
        /// Only those with this visibility
        #[arg(long)]
        visibility: Option<Visibility>,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one asset
    Show { id: AssetId },
    /// Change title, description, tags or visibility
    Edit(EditArgs),
    /// Make an asset public: it is announced
    Publish { id: AssetId },
    /// Take back what was announced: the asset is private again, and copies are asked to go
    Retract {
        id: AssetId,
        /// Why, told to everyone
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Try a failed asset again
    Retry {
        id: AssetId,
        /// Wait until the asset is ready
        #[arg(long)]
        wait: bool,
    },
    /// Delete assets with their blocks and files
    Rm {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<AssetId>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct EditArgs {
    pub(crate) id: AssetId,
    #[command(flatten)]
    pub(crate) changes: Changes,
}

/// What to change; at least one thing.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// New title
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// New description
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// All of the new tags; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tags")]
    pub(crate) no_tags: bool,
    /// private, unlisted or public
    #[arg(long)]
    pub(crate) visibility: Option<Visibility>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PinCommand {
    /// List what the cluster keeps, if this node is in one; otherwise what this node keeps
    Ls {
        /// What this node keeps, for whomever
        #[arg(long)]
        local: bool,
        /// What this node keeps for this holder: an asset's id, or a name
        #[arg(long)]
        holder: Option<String>,
        /// Which roots of the cluster
        #[arg(long, value_enum, default_value_t)]
        filter: FilterName,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Pins at services that keep them for this node; at NAME only
        #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "",
            conflicts_with_all = ["local", "holder"])]
        remote: Option<String>,
    },
    /// Have the cluster keep a root, if this node is in one; otherwise fetch everything below it and
    /// keep it here. Goes on after a restart
    Add(PinArgs),
    /// Show how a root is kept, by every member
    Status {
        cid: Cid,
        /// By this node only
        #[arg(long)]
        local: bool,
    },
    /// Let go of a root: the cluster, if this node is in one, or this node
    Rm {
        cid: Cid,
        /// Let go of this node's own pin
        #[arg(long)]
        local: bool,
        /// The name under which this node has pinned it
        #[arg(long)]
        holder: Option<String>,
        /// Let go of it at this service instead
        #[arg(long, value_name = "NAME", conflicts_with_all = ["local", "holder"])]
        remote: Option<String>,
    },
    /// Read roots back from a service of object storage, and pin them here
    Restore(RestoreArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The service (pinning.services)
    #[arg(value_name = "NAME")]
    pub(crate) service: String,
    /// What to read back
    #[arg(required_unless_present_any = ["all", "list"])]
    pub(crate) cid: Vec<Cid>,
    /// All that is there
    #[arg(long, conflicts_with_all = ["cid", "list"])]
    pub(crate) all: bool,
    /// Only show what is there
    #[arg(long, conflicts_with = "cid")]
    pub(crate) list: bool,
    /// A name to find the pins by
    #[arg(long, default_value = "import")]
    pub(crate) holder: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PinArgs {
    pub(crate) cid: Cid,
    /// Keep it on this node, whatever the cluster does
    #[arg(long)]
    pub(crate) local: bool,
    /// A name to find this node's pin by; a root stays while anyone holds it
    #[arg(long)]
    pub(crate) holder: Option<String>,
    /// Who may have the blocks
    #[arg(long, value_enum, default_value_t)]
    pub(crate) audience: AudienceName,
    /// Return at once; the node goes on by itself
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterPinArgs,
    /// Have it kept by this service (pinning.services), neither here nor by the cluster
    #[arg(long, value_name = "NAME", conflicts_with_all = ["local", "holder", "audience"])]
    pub(crate) remote: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NameCommand {
    /// Make a key's name stand for content
    Publish {
        /// A root CID, or a path /ipfs/… or /ipns/…
        #[arg(value_name = "CID")]
        value: String,
        /// A named key, made at its first use [default: the node's own]
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
    },
    /// Follow a name to the path that it stands for
    Resolve {
        /// An IPNS name (k51…), a DNS name with a dnslink record, or a path /ipns/…
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Count blocks, bytes and pins
    Stat,
    /// Hash every block again and look for missing ones
    Verify,
    /// Write the file or directory behind a CID; a running node fetches what it does not have
    Get {
        cid: Cid,
        /// Where to write it [default: standard output; for a directory, its CID]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Write a root and every block below it as a CAR file; a running node fetches what it does not
    /// have
    Export {
        root: Cid,
        /// Where to write it [default: standard output]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Read a CAR file and pin its roots
    Import {
        #[arg(value_name = "FILE.car", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Name under which the roots are pinned
        #[arg(long, default_value = "import")]
        holder: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// List connected peers and those with a score
    Ls,
    /// Take nothing from a peer any more
    Block {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
        /// For yourself, and for those who import your block list
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take back a block
    Unblock {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// Let a peer begin anew, revoked or not
    ResetScore {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// Connect to a peer and stay connected
    Connect {
        /// Multiaddress that ends in /p2p/<peer id>
        #[arg(value_name = "MULTIADDR")]
        address: String,
    },
    /// Close every connection with a peer
    Disconnect {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: String,
    },
    /// What this node has to tell others and has not delivered
    #[command(subcommand)]
    Notices(NoticeCommand),
    /// Measure how long a peer takes to answer
    Ping {
        /// A connected peer's id, or a multiaddress to connect to first
        #[arg(value_name = "PEER")]
        peer: String,
        /// How often
        #[arg(long, short, value_name = "N", default_value_t = 4,
            value_parser = clap::value_parser!(u8).range(1..=100))]
        count: u8,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NoticeCommand {
    /// List notices that wait or were given up
    Ls,
    /// Try a notice again now; without a number: all of them
    Retry {
        /// Its number
        id: Option<i64>,
    },
    /// Drop a notice: it is not sent any more
    Drop {
        /// Its number
        id: i64,
    },
}

mod cluster;
mod discovery;

pub(crate) use cluster::{ClusterCommand, ClusterPinArgs, SetArgs};
pub(crate) use discovery::{
    BlockListCommand, FeedCommand, FollowArgs, KeyCommand, PassphraseArgs, PolicyArgs, ProfileArgs,
    ReplicaCommand,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; prints it with the lines for the configuration
    New(TokenArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Name, shown in logs
    #[arg(long, default_value = "token")]
    pub(crate) name: String,
    /// read, write or admin; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", default_value = "write", value_parser = scope)]
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong with a configuration file
    Check {
        /// The file [default: the one in force]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print every key as it is in force: defaults, file, environment
    Show,
}

fn scope(text: &str) -> Result<Scope, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "use read, write or admin".to_owned())
}

/// Writes the completion script to standard output.
pub(crate) fn completions(shell: Shell) {
    clap_complete::generate(
        shell,
        &mut Args::command(),
        "cidcast",
        &mut std::io::stdout(),
    );
}
