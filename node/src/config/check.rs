//! Values that have the right type and still cannot be used.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cidcast_discovery::replication::schedule::TimeOfDay;
use cidcast_ipfs::swarm::{
    AddressError, check_announce, check_bootstrap, check_listen, check_network_key, check_private,
    check_relay,
};
use cidcast_ipfs::{check_ca_file, check_service};
use cidcast_pinning::remotes::check_archive;

use super::{CLUSTER_SERVICE, Config, RemoteService, ServiceKind, Token};

/// Copies that an announcement can wish for (docs/announcement-format.md).
const MOST_COPIES: u32 = 1000;

/// Faster heartbeats cost more than they tell.
const FASTEST_BEAT: Duration = Duration::from_millis(100);

/// Transfers at a time: each holds about 10 MB of blocks on their way.
const MOST_TRANSFERS: usize = 64;

/// One unusable value: the key, what is wrong with it, what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    key: String,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// Everything in `config` that cannot be used; empty if it is fine.
pub(crate) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    check_api(config, &mut findings);
    check_gateway(config, &mut findings);
    check_swarm(config, &mut findings);
    check_network(config, &mut findings);
    check_discovery(config, &mut findings);
    check_replication(config, &mut findings);
    check_cluster(config, &mut findings);
    check_pinning(config, &mut findings);
    check_upload(config, &mut findings);
    check_transcode(config, &mut findings);
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn unless(&mut self, fine: bool, key: impl Into<String>, problem: impl Into<String>) {
        if !fine {
            self.0.push(Finding {
                key: key.into(),
                problem: problem.into(),
            });
        }
    }
}

fn check_discovery(config: &Config, findings: &mut Findings) {
    let discovery = &config.discovery;
    findings.unless(
        discovery.min_copies <= discovery.max_copies,
        "discovery.min_copies",
        format!(
            "{} is more than discovery.max_copies ({}): raise that one too",
            discovery.min_copies, discovery.max_copies
        ),
    );
    findings.unless(
        discovery.max_copies <= MOST_COPIES,
        "discovery.max_copies",
        format!("at most {MOST_COPIES} can be announced"),
    );
    findings.unless(
        discovery.publisher_space <= discovery.space,
        "discovery.publisher_space",
        "is more than discovery.space, which all publishers share",
    );
}

fn check_replication(config: &Config, findings: &mut Findings) {
    let replication = &config.replication;
    findings.unless(
        (1..=MOST_TRANSFERS).contains(&replication.parallel),
        "replication.parallel",
        format!("write 1 to {MOST_TRANSFERS}"),
    );
    for window in &replication.schedule {
        for time in [&window.from, &window.to] {
            if let Err(error) = time.parse::<TimeOfDay>() {
                findings.unless(false, "replication.schedule", error.to_string());
            }
        }
    }
}

fn check_engine(config: &Config, findings: &mut Findings) {
    let cluster = &config.cluster;
    let Some(service) = config.cluster_service() else {
        let has_none =
            cluster.endpoint.is_none() && cluster.token.is_none() && cluster.token_file.is_none();
        findings.unless(
            has_none,
            "cluster.endpoint",
            "is for cluster.engine: ipfs-cluster; the embedded engine has none, and no token",
        );
        return;
    };
    check_access(&service, |name| format!("cluster.{name}"), findings);
    let mut others = config.pinning.services.iter();
    findings.unless(
        others.all(|other| other.name != service.name),
        "pinning.services",
        format!("`{CLUSTER_SERVICE}` is the name of cluster.endpoint: choose another"),
    );
}

fn check_cluster(config: &Config, findings: &mut Findings) {
    check_engine(config, findings);
    let cluster = &config.cluster;
    findings.unless(
        (1..=cluster.max_copies).contains(&cluster.min_copies),
        "cluster.min_copies",
        format!("write 1 to {} (cluster.max_copies)", cluster.max_copies),
    );
    findings.unless(
        u32::from(cluster.max_copies) <= MOST_COPIES,
        "cluster.max_copies",
        format!("at most {MOST_COPIES} can be kept"),
    );
    findings.unless(
        cluster.heartbeat.duration() >= FASTEST_BEAT,
        "cluster.heartbeat",
        "at least 100ms: every member is sent one",
    );
    findings.unless(
        cluster.deadline.duration() >= cluster.heartbeat.duration() * 2,
        "cluster.deadline",
        "has to be at least twice cluster.heartbeat: one may be lost on the way",
    );
    findings.unless(
        cluster.audit_interval.duration() >= FASTEST_BEAT,
        "cluster.audit_interval",
        "at least 100ms",
    );
    findings.unless(
        (1..=MOST_TRANSFERS).contains(&cluster.parallel),
        "cluster.parallel",
        format!("write 1 to {MOST_TRANSFERS}"),
    );
}

fn check_api(config: &Config, findings: &mut Findings) {
    let api = &config.api;
    findings.unless(
        api.listen.ip().is_loopback() || !api.tokens.is_empty(),
        "api.listen",
        format!(
            "{} is reachable from other machines but no token is configured: run `cidcast token \
             new`, or listen on 127.0.0.1",
            api.listen
        ),
    );
    for (index, token) in api.tokens.iter().enumerate() {
        check_token(index, token, findings);
    }
    for host in &api.allowed_hosts {
        check_host("api.allowed_hosts", host, findings);
    }
    for origin in &api.allowed_origins {
        findings.unless(
            is_origin(origin),
            "api.allowed_origins",
            format!(
                "`{origin}` is not an origin: write scheme and host, such as https://example.org"
            ),
        );
    }
    findings.unless(
        api.max_connections > 0,
        "api.max_connections",
        "must be at least 1",
    );
    check_request_timeout(config, findings);
}

fn check_request_timeout(config: &Config, findings: &mut Findings) {
    findings.unless(
        !config.api.request_timeout.duration().is_zero(),
        "api.request_timeout",
        "must be longer than 0s",
    );
}

fn check_token(index: usize, token: &Token, findings: &mut Findings) {
    let key = format!("api.tokens[{index}]");
    let hex = token.sha256.len() == 64 && token.sha256.bytes().all(|b| b.is_ascii_hexdigit());
    findings.unless(
        !token.name.trim().is_empty(),
        format!("{key}.name"),
        "must not be empty",
    );
    findings.unless(
        hex,
        format!("{key}.sha256"),
        "must be the SHA-256 of the token, 64 hexadecimal digits: run `cidcast token new`",
    );
    findings.unless(
        !token.scopes.is_empty(),
        format!("{key}.scopes"),
        "a token without scopes may do nothing: write [read], [write] or [admin]",
    );
}

fn check_gateway(config: &Config, findings: &mut Findings) {
    let gateway = &config.gateway;
    for host in &gateway.allowed_hosts {
        check_host("gateway.allowed_hosts", host, findings);
    }
    if let Some(url) = &gateway.public_url {
        findings.unless(
            is_base_url(url),
            "gateway.public_url",
            format!("`{url}` is not usable: write it as https://video.example.org, without a slash at the end"),
        );
    }
    findings.unless(
        gateway.max_connections > 0,
        "gateway.max_connections",
        "must be at least 1",
    );
}

fn check_swarm(config: &Config, findings: &mut Findings) {
    let swarm = &config.swarm;
    check_each("swarm.listen", &swarm.listen, check_listen, findings);
    check_each(
        "swarm.bootstrap",
        &swarm.bootstrap,
        check_bootstrap,
        findings,
    );
    check_each("swarm.announce", &swarm.announce, check_announce, findings);
    check_each("swarm.relays", &swarm.relays, check_relay, findings);
    if let Some(path) = &swarm.key_file {
        if let Err(problem) = check_network_key(path) {
            findings.unless(false, "swarm.key_file", problem.to_string());
        }
        match check_private(&swarm.listen, &swarm.bootstrap) {
            Err(problem @ AddressError::OnlyQuic) => {
                findings.unless(false, "swarm.listen", problem.to_string());
            }
            Err(problem @ AddressError::PublicFromPrivate) => {
                findings.unless(false, "swarm.bootstrap", problem.to_string());
            }
            // Said above already.
            Err(_) | Ok(()) => {}
        }
    }
    findings.unless(
        swarm.max_connections >= 16,
        "swarm.max_connections",
        "must be at least 16, or the DHT finds nothing",
    );
    findings.unless(
        (1..=swarm.max_connections).contains(&swarm.max_connections_per_peer),
        "swarm.max_connections_per_peer",
        "must be at least 1 and at most swarm.max_connections",
    );
}

fn check_each(
    key: &str,
    addresses: &[String],
    check: fn(&str) -> Result<(), AddressError>,
    findings: &mut Findings,
) {
    for address in addresses {
        if let Err(problem) = check(address) {
            findings.unless(false, key, problem.to_string());
        }
    }
}

fn check_network(config: &Config, findings: &mut Findings) {
    let network = &config.network;
    let services = [
        ("network.routers", &network.routers),
        ("network.http_gateways", &network.http_gateways),
    ];
    for (key, urls) in services {
        for url in urls {
            if let Err(problem) = check_service(url) {
                findings.unless(false, key, problem.to_string());
            }
        }
    }
    if let Some(Err(problem)) = network.ca_file.as_deref().map(check_ca_file) {
        findings.unless(false, "network.ca_file", problem.to_string());
    }
    findings.unless(
        network.fetch_timeout.duration().as_secs() >= 1,
        "network.fetch_timeout",
        "must be at least 1s: connecting alone takes longer than less",
    );
    findings.unless(
        network.reprovide_every.duration().as_secs() >= 600,
        "network.reprovide_every",
        "must be at least 10m, or the DHT is busy with nothing else",
    );
    for server in &network.dns {
        findings.unless(
            dns_server(server).is_some(),
            "network.dns",
            format!("`{server}` is not a DNS server: write an IP address, such as 192.0.2.53"),
        );
    }
}

/// A DNS server's address, with the port of DNS unless it names one.
pub(crate) fn dns_server(text: &str) -> Option<SocketAddr> {
    const DNS: u16 = 53;
    let bare: Option<IpAddr> = text.parse().ok();
    bare.map(|ip| SocketAddr::new(ip, DNS))
        .or_else(|| text.parse().ok())
}

/// It is said in the logs of a cluster.
const LONGEST_ENDPOINT: usize = 255;

/// Where a service is, and what it is told; the latter, unless it cannot be read.
fn check_access(
    service: &RemoteService,
    key: impl Fn(&str) -> String,
    findings: &mut Findings,
) -> Option<Option<String>> {
    if let Err(problem) = check_service(&service.endpoint) {
        findings.unless(false, key("endpoint"), problem.to_string());
    }
    findings.unless(
        service.token.is_none() || service.token_file.is_none(),
        key("token"),
        "give a token or a token_file, not both",
    );
    match service.secret() {
        Ok(secret) => Some(secret),
        Err(error) => {
            findings.unless(false, key("token_file"), format!("cannot be read: {error}"));
            None
        }
    }
}

fn check_pinning(config: &Config, findings: &mut Findings) {
    let services = &config.pinning.services;
    for (index, service) in services.iter().enumerate() {
        let key = |name: &str| format!("pinning.services[{index}].{name}");
        let name = &service.name;
        let is_word = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        findings.unless(
            is_word,
            key("name"),
            "write 1 to 64 letters, digits, - _ or .",
        );
        let mut others = services.iter().take(index);
        findings.unless(
            others.all(|other| other.name != *name),
            key("name"),
            format!("`{name}` is the name of another service already"),
        );
        findings.unless(
            service.endpoint.len() <= LONGEST_ENDPOINT,
            key("endpoint"),
            format!("at most {LONGEST_ENDPOINT} characters"),
        );
        let Some(secret) = check_access(service, key, findings) else {
            continue;
        };
        if service.kind == ServiceKind::S3 {
            if let Err(problem) = check_archive(&service.endpoint, secret.as_deref()) {
                findings.unless(false, key("kind"), problem.to_string());
            }
        } else {
            findings.unless(
                service.region.is_none(),
                key("region"),
                "only object storage (kind: s3) has one",
            );
        }
    }
}

fn check_upload(config: &Config, findings: &mut Findings) {
    let upload = &config.upload;
    findings.unless(
        upload.max_bytes.bytes() > 0,
        "upload.max_bytes",
        "must be more than 0 B",
    );
    findings.unless(
        upload.expire_after.duration().as_secs() >= 60,
        "upload.expire_after",
        "must be at least 1m, or nobody can resume an upload",
    );
}

fn check_transcode(config: &Config, findings: &mut Findings) {
    let transcode = &config.transcode;
    findings.unless(
        transcode.parallel != Some(0),
        "transcode.parallel",
        "must be at least 1, or null for as many as the processor has cores",
    );
    for problem in transcode.ladder().problems() {
        let key = format!("transcode.{}", problem.setting);
        let problem = format!(
            "`{}` cannot be used: write {}",
            problem.value, problem.allowed
        );
        findings.unless(false, key, problem);
    }
    findings.unless(transcode.nice <= 19, "transcode.nice", "must be 0 to 19");
    findings.unless(
        !transcode.max_duration.duration().is_zero(),
        "transcode.max_duration",
        "must be longer than 0s",
    );
    findings.unless(
        !transcode.probe_timeout.duration().is_zero(),
        "transcode.probe_timeout",
        "must be longer than 0s",
    );
    findings.unless(config.ingest.jobs > 0, "ingest.jobs", "must be at least 1");
}

fn check_host(key: &str, host: &str, findings: &mut Findings) {
    let fine = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
    findings.unless(
        fine,
        key,
        format!("`{host}` is not a host name: write it without scheme or path, such as media.example.org"),
    );
}

fn is_origin(text: &str) -> bool {
    rest_of_url(text).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

fn is_base_url(text: &str) -> bool {
    rest_of_url(text).is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && !rest.ends_with('/')
            && !rest.contains(['?', '#'])
    })
}

fn rest_of_url(text: &str) -> Option<&str> {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
}
