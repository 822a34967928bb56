//! Ports, and whether anybody gets through.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use cidcast_ipfs::swarm::{ListenSocket, listen_socket};
use reqwest::Method;

use super::super::Context;
use super::super::client::Client;
use super::Finding;
use crate::api::{NodeView, ProvidingView, ReachView};
use crate::config::{Config, Provide, Switch};

/// What names are looked up by.
const RESOLVER: &str = "/etc/resolv.conf";

pub(super) async fn look(context: &Context, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match running(context).await {
        // A running node holds its own ports.
        Ok((node, finding)) => {
            findings.push(finding);
            findings.push(listeners(&node));
            findings.extend(reach(config, &node.reach));
            findings.extend(providing(config, node.providing));
        }
        Err(stopped) => {
            findings.push(stopped);
            findings.extend(ports(config));
        }
    }
    findings.extend(private_network(config));
    findings.extend(resolver(config, Path::new(RESOLVER)));
    findings
}

/// The node that runs, or why none can be asked.
async fn running(context: &Context) -> Result<(NodeView, Finding), Finding> {
    let what = "node";
    let client = match &context.api {
        Some(_) => Client::find(context).map(Some),
        None => Client::local(context),
    };
    let stopped = "not running: start it with `cidcast serve`";
    let client = match client {
        Ok(Some(client)) => client,
        Ok(None) => return Err(Finding::note(what, stopped)),
        Err(failure) => return Err(Finding::problem(what, failure.detail())),
    };
    let ready = client.send(client.request(Method::GET, "/readyz")).await;
    let finding = match ready {
        Ok(_) => Finding::fine(what, "running and ready"),
        Err(failure) if failure.is_unreachable() => return Err(Finding::note(what, stopped)),
        Err(failure) => Finding::problem(what, failure.detail()),
    };
    match client.get("/api/v1/node").await {
        Ok(node) => Ok((node, finding)),
        Err(failure) => Err(Finding::problem(what, failure.detail())),
    }
}

fn listeners(node: &NodeView) -> Finding {
    let what = "swarm addresses";
    if node.addresses.is_empty() {
        let detail = "none (swarm.listen is empty): this node dials, and cannot be dialled";
        return Finding::note(what, detail);
    }
    Finding::fine(what, node.addresses.join(" "))
}

/// What the running node knows about how others reach it.
fn reach(config: &Config, reach: &ReachView) -> Vec<Finding> {
    let mut findings = vec![peers(config, reach), reachability(config, reach)];
    let swarm = &config.swarm;
    if !swarm.relays.is_empty() {
        findings.push(relays(swarm.relays.len(), reach.relays.len()));
    }
    if swarm.upnp == Switch::On {
        findings.push(port_mapping(&reach.port_mapping));
    }
    if swarm.relay_server == Switch::On && reach.external.is_empty() {
        let detail = "this node has no address that it could give to others: write one in \
                      swarm.announce";
        findings.push(Finding::problem("relay server", detail));
    }
    findings
}

fn peers(config: &Config, reach: &ReachView) -> Finding {
    let what = "peers";
    match reach.peers {
        0 if !config.swarm.bootstrap.is_empty() => Finding::problem(
            what,
            "none of swarm.bootstrap can be reached: check the addresses and the firewall (the \
             node's log says what happened)",
        ),
        0 => Finding::note(
            what,
            "none: name some in swarm.bootstrap ([ipfs] for the public network), set swarm.mdns \
             for the local network, or run `cidcast peer connect MULTIADDR`",
        ),
        many => Finding::fine(what, format!("{many} connected")),
    }
}

fn reachability(config: &Config, reach: &ReachView) -> Finding {
    let what = "reachability";
    let at = reach.external.join(" ");
    match reach.nat.as_str() {
        "public" => Finding::fine(what, format!("reachable from outside at {at}")),
        "private" if !reach.relays.is_empty() => Finding::fine(
            what,
            "not directly from outside, but through a relay (swarm.relays)",
        ),
        "private" => Finding::note(
            what,
            "not reachable from outside: forward the swarm's ports in the router and write the \
             address in swarm.announce, set swarm.upnp, or name a relay in swarm.relays",
        ),
        _ if !at.is_empty() => Finding::note(
            what,
            format!("announced at {at}; no peer has tried yet whether that leads here"),
        ),
        _ if config.swarm.autonat == Switch::Off => Finding::note(
            what,
            "not known: swarm.autonat is off, so no peer is asked to dial back",
        ),
        _ => Finding::note(
            what,
            "not known yet: connected peers are asked to dial back from their public addresses, \
             which takes some minutes and three or more of them",
        ),
    }
}

/// Whether the DHT knows what is open here; nothing to say while nothing is.
fn providing(config: &Config, providing: ProvidingView) -> Option<Finding> {
    let what = "provider records";
    let ProvidingView { wanted, provided } = providing;
    match (wanted, provided) {
        (0, _) if config.network.provide == Provide::None => {
            Some(Finding::note(what, "none: network.provide is none"))
        }
        (0, _) => None,
        (wanted, provided) if provided >= wanted => {
            let detail = format!("the DHT knows of all {wanted} CIDs that are open here");
            Some(Finding::fine(what, detail))
        }
        _ => Some(Finding::note(
            what,
            format!(
                "the DHT was told of {provided} of {wanted} CIDs so far: this needs a connected \
                 peer that serves the DHT, and takes seconds for each"
            ),
        )),
    }
}

fn relays(configured: usize, reserved: usize) -> Finding {
    let what = "relays";
    match reserved {
        0 => Finding::problem(
            what,
            format!(
                "none of {configured} gives a reservation: do they run with swarm.relay_server, \
                 and with an address in swarm.announce?"
            ),
        ),
        _ => Finding::fine(
            what,
            format!("reachable through {reserved} of {configured}"),
        ),
    }
}

fn port_mapping(said: &str) -> Finding {
    let what = "port mapping";
    match said {
        "mapped" => Finding::fine(what, "the router forwards the swarm's ports"),
        "no-router" => Finding::problem(
            what,
            "no router answers UPnP: switch it on there, or forward the ports by hand and write \
             the address in swarm.announce",
        ),
        "not-public" => Finding::problem(
            what,
            "the router has no public address itself (carrier-grade NAT): name a relay in \
             swarm.relays",
        ),
        _ => Finding::note(what, "the router has not answered yet"),
    }
}

/// Whether a node could listen.
fn ports(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        free("api.listen", ListenSocket::Tcp(config.api.listen)),
        free("gateway.listen", ListenSocket::Tcp(config.gateway.listen)),
    ];
    let has_quic = config.swarm.key_file.is_none();
    for address in &config.swarm.listen {
        match listen_socket(address) {
            Ok(ListenSocket::Udp(_)) if !has_quic => {}
            Ok(socket) => findings.push(free("swarm.listen", socket)),
            // Said about the configuration already.
            Err(_) => {}
        }
    }
    findings
}

fn free(what: &'static str, socket: ListenSocket) -> Finding {
    let (name, address, bound) = match socket {
        ListenSocket::Tcp(address) => ("TCP", address, TcpListener::bind(address).map(drop)),
        ListenSocket::Udp(address) => ("UDP", address, UdpSocket::bind(address).map(drop)),
    };
    let shown = text_of(address);
    match bound {
        Ok(()) => Finding::fine(what, format!("{name} {shown} is free")),
        Err(error) => Finding::problem(
            what,
            format!(
                "{name} {shown} cannot be used ({error}): stop the program that uses it (`ss \
                 -ltnup` names it), or choose another port in {what}"
            ),
        ),
    }
}

/// A socket's address as people read it.
fn text_of(address: SocketAddr) -> String {
    match address.port() {
        0 => format!("{}, any port,", address.ip()),
        _ => address.to_string(),
    }
}

fn private_network(config: &Config) -> Option<Finding> {
    let path = config.swarm.key_file.as_ref()?;
    let what = "private network";
    let sockets = config
        .swarm
        .listen
        .iter()
        .map(|address| listen_socket(address));
    let quic = sockets
        .flatten()
        .filter(|socket| matches!(socket, ListenSocket::Udp(_)));
    let name = path.display();
    Some(match quic.count() {
        0 => Finding::fine(
            what,
            format!("only nodes with the key {name} can be talked to"),
        ),
        _ => Finding::note(
            what,
            format!(
                "only nodes with the key {name} can be talked to; QUIC cannot be used then, so \
                 its addresses in swarm.listen are left out"
            ),
        ),
    })
}

/// Only if there are names to look up.
fn resolver(config: &Config, file: &Path) -> Option<Finding> {
    let swarm = &config.swarm;
    let addresses = swarm.bootstrap.iter().chain(&swarm.relays);
    let mut named = addresses.filter(|address| address.contains("/dns") || *address == "ipfs");
    named.next()?;
    let what = "resolver";
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let name = file.display();
            let detail = format!("{name} cannot be read ({error}): peers have names to look up");
            return Some(Finding::problem(what, detail));
        }
    };
    let servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let servers: Vec<&str> = servers.map(str::trim).collect();
    Some(if servers.is_empty() {
        let name = file.display();
        let detail = format!("{name} names no server: write `nameserver ADDRESS` in it");
        Finding::problem(what, detail)
    } else {
        Finding::fine(what, servers.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn view() -> ReachView {
        ReachView {
            nat: "unknown".to_owned(),
            port_mapping: "unknown".to_owned(),
            network: "open".to_owned(),
            external: Vec::new(),
            observed: Vec::new(),
            relays: Vec::new(),
            peers: 0,
        }
    }

    fn states(config: &Config, view: &ReachView) -> Vec<State> {
        reach(config, view)
            .iter()
            .map(|found| found.state)
            .collect()
    }

    #[test]
    fn what_is_configured_and_does_not_work_is_a_problem() {
        use State::{Fine, Note, Problem};
        let mut config = Config::default();
        assert_eq!(states(&config, &view()), [Note; 2]);
        config.swarm.bootstrap = vec!["ipfs".to_owned()];
        config.swarm.relays = vec!["/ip4/192.0.2.1/tcp/1".to_owned()];
        config.swarm.upnp = Switch::On;
        config.swarm.relay_server = Switch::On;
        let failing = ReachView {
            port_mapping: "no-router".to_owned(),
            ..view()
        };
        let expected = [Problem, Note, Problem, Problem, Problem];
        assert_eq!(states(&config, &failing), expected);
        let working = ReachView {
            nat: "public".to_owned(),
            port_mapping: "mapped".to_owned(),
            external: vec!["/ip4/192.0.2.2/tcp/4747".to_owned()],
            relays: vec!["12D3KooW".to_owned()],
            peers: 3,
            ..view()
        };
        assert_eq!(states(&config, &working), [Fine; 4]);
    }

    #[test]
    fn what_the_dht_was_not_told_of_is_noted() {
        let state = |wanted, provided| {
            let config = Config::default();
            let found = providing(&config, ProvidingView { wanted, provided });
            found.map(|found| found.state)
        };
        assert_eq!(state(0, 0), None);
        assert_eq!(state(3, 1), Some(State::Note));
        assert_eq!(state(3, 3), Some(State::Fine));
    }

    #[test]
    fn a_taken_port_is_named_with_its_key() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.api.listen.set_port(0);
        config.gateway.listen.set_port(0);
        config.swarm.listen = vec![
            format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port()),
            format!(
                "/ip4/127.0.0.1/udp/{}/quic-v1",
                udp.local_addr().unwrap().port()
            ),
        ];
        let found = ports(&config);
        let states: Vec<State> = found.iter().map(|found| found.state).collect();
        use State::{Fine, Problem};
        assert_eq!(states, [Fine, Fine, Problem, Problem], "{found:?}");
        assert!(found[2].detail.contains("swarm.listen"), "{found:?}");
    }

    #[test]
    fn names_need_a_resolver() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let mut config = Config::default();
        assert!(resolver(&config, &file).is_none());
        config.swarm.bootstrap = vec!["ipfs".to_owned()];
        let state = |config: &Config| resolver(config, &file).unwrap().state;
        assert_eq!(state(&config), State::Problem);
        std::fs::write(&file, "# nothing\n").unwrap();
        assert_eq!(state(&config), State::Problem);
        std::fs::write(&file, "nameserver 192.0.2.53\n").unwrap();
        assert_eq!(state(&config), State::Fine);
    }
}
