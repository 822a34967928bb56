//! DNSLink: a path in the TXT records of `_dnslink.<name>` (DNSLink specification).
//!
//! The servers are those that the settings name, otherwise the operating system's
//! (`/etc/resolv.conf`); no public service stands in for them.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::xfer::Protocol;
use hickory_resolver::{ResolveError, TokioResolver};

const PREFIX: &str = "_dnslink.";
const ENTRY: &str = "dnslink=";
/// How long one server may take, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(4);
const ATTEMPTS: usize = 2;
/// Longest name in the DNS (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// Why a DNS name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum DnslinkError {
    /// The system has no resolver that can be used.
    #[error("the system's resolver cannot be used; check /etc/resolv.conf or set network.dns")]
    NoResolver(#[source] Box<ResolveError>),
    /// Not a name that can be looked up.
    #[error("{name:?} is not a DNS name")]
    Name {
        /// What was given, shortened.
        name: String,
    },
    /// The look-up failed.
    #[error("the TXT records of {name} cannot be looked up; check the name and the resolver")]
    Lookup {
        /// What was looked up.
        name: String,
        /// What the resolver says.
        source: Box<ResolveError>,
    },
    /// There are records, and none is a link.
    #[error("{name} has no dnslink record; add a TXT record dnslink=/ipfs/… or dnslink=/ipns/…")]
    NoLink {
        /// What was looked up.
        name: String,
    },
}

/// The path that `name` links to.
pub(super) async fn look_up(name: &str, servers: &[SocketAddr]) -> Result<String, DnslinkError> {
    let bare = name.trim_end_matches('.');
    let bare = bare.strip_prefix(PREFIX).unwrap_or(bare);
    if !is_dns_name(bare) {
        let name = bare.chars().take(100).collect();
        return Err(DnslinkError::Name { name });
    }
    // The dot at the end keeps the resolver from trying the system's search domains.
    let name = format!("{PREFIX}{bare}.");
    let answer = resolver(servers)?.txt_lookup(name.as_str()).await;
    let answer = answer.map_err(|source| DnslinkError::Lookup {
        name: name.clone(),
        source: Box::new(source),
    })?;
    let records = answer.iter().map(ToString::to_string);
    choose(records).ok_or(DnslinkError::NoLink { name })
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, DnslinkError> {
    let provider = TokioConnectionProvider::default();
    let mut builder = if servers.is_empty() {
        TokioResolver::builder(provider)
            .map_err(|error| DnslinkError::NoResolver(Box::new(error)))?
    } else {
        let mut config = ResolverConfig::new();
        for server in servers {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                config.add_name_server(NameServerConfig::new(*server, protocol));
            }
        }
        TokioResolver::builder_with_config(config, provider).with_options(ResolverOpts::default())
    };
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = ATTEMPTS;
    Ok(builder.build())
}

/// The link among TXT records; of several, the first in lexical order, as the specification asks.
fn choose(records: impl Iterator<Item = String>) -> Option<String> {
    let links = records.filter_map(|record| {
        let path = record.strip_prefix(ENTRY)?.trim();
        (path.starts_with("/ipfs/") || path.starts_with("/ipns/")).then(|| path.to_owned())
    });
    links.min()
}

/// Whether `text` can be a host name that is not a single label.
pub(super) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() + PREFIX.len() <= MAX_NAME && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_link_is_chosen_and_other_records_are_not_looked_at() {
        let records = |texts: &[&str]| {
            let owned: Vec<String> = texts.iter().map(ToString::to_string).collect();
            choose(owned.into_iter())
        };
        assert_eq!(
            records(&["v=spf1 -all", "dnslink=/ipns/b", "dnslink=/ipfs/a"]),
            Some("/ipfs/a".into())
        );
        assert_eq!(records(&["dnslink=/http/x", "dnslink=", "x"]), None);
    }

    #[test]
    fn only_dns_names_are_looked_up() {
        assert!(is_dns_name("docs.example.org"));
        for bad in ["localhost", "", "a..b", ".a.b", "a b.c", "ü.org", "a/b.c"] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }
}
