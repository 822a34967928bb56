//! Resolution against a name server of our own on loopback.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record};
use hickory_resolver::proto::xfer::Protocol as Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const OTHER: &str = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN";

/// Answers TXT queries from a table; counts them.
struct Server {
    at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn with(records: &[(&str, &[String])]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let table: HashMap<String, Vec<String>> = records
            .iter()
            .map(|(name, texts)| (format!("_dnsaddr.{name}."), texts.to_vec()))
            .collect();
        let table = Arc::new(table);
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&table), Arc::clone(&count)));
            }
        });
        Self { at, asked }
    }

    async fn resolve(&self, address: &str) -> Vec<String> {
        let mut config = ResolverConfig::new();
        config.add_name_server(NameServerConfig::new(self.at, Transport::Tcp));
        let resolver =
            TokioResolver::builder_with_config(config, TokioConnectionProvider::default()).build();
        let (peer, parsed) = address::peer(address).unwrap();
        let names = Names {
            peer,
            txt: Some(resolver),
            lookups: 0,
            found: Vec::new(),
        };
        let found = names.resolve(parsed).await;
        found.iter().map(ToString::to_string).collect()
    }
}

/// DNS over TCP (RFC 7766): answers of any length.
async fn serve(
    mut stream: TcpStream,
    table: Arc<HashMap<String, Vec<String>>>,
    count: Arc<AtomicUsize>,
) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        let answer = answer(&Message::from_vec(&query).unwrap(), &table);
        let answer = answer.to_vec().unwrap();
        let length = u16::try_from(answer.len()).unwrap();
        stream.write_u16(length).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

fn answer(query: &Message, table: &HashMap<String, Vec<String>>) -> Message {
    let mut answer = Message::new();
    answer
        .set_id(query.id())
        .set_message_type(MessageType::Response);
    let asked = query.queries()[0].clone();
    match table.get(&asked.name().to_string()) {
        Some(texts) => {
            for text in texts {
                // A TXT record is made of strings of at most 255 bytes.
                let pieces = text.as_bytes().chunks(255);
                let pieces = pieces.map(|piece| String::from_utf8(piece.to_vec()).unwrap());
                let data = RData::TXT(TXT::new(pieces.collect()));
                answer.add_answer(Record::from_rdata(asked.name().clone(), 60, data));
            }
        }
        None => {
            answer.set_response_code(ResponseCode::NXDomain);
        }
    }
    answer.add_query(asked);
    answer
}

fn record(address: &str) -> String {
    format!("dnsaddr={address}")
}

#[tokio::test]
async fn names_are_looked_up_by_the_system() {
    let found = dialable(&format!("/dns4/localhost/tcp/1/p2p/{PEER}"))
        .await
        .unwrap();
    assert_eq!(
        found[0].to_string(),
        format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}")
    );
    let error = dialable(&format!("/dns4/nobody.invalid/tcp/1/p2p/{PEER}")).await;
    assert!(matches!(error, Err(AddressError::Name { .. })));
}

#[tokio::test]
async fn what_is_no_name_is_dialled_as_it_is() {
    for address in [
        format!("/ip4/192.0.2.1/tcp/1/p2p/{PEER}"),
        format!("/ip4/192.0.2.1/tcp/1/p2p/{OTHER}/p2p-circuit/p2p/{PEER}"),
    ] {
        let found = dialable(&address).await.unwrap();
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [address]
        );
    }
}

#[tokio::test]
async fn a_dnsaddr_leads_over_others_to_the_addresses_of_its_peer_only() {
    let (tcp, quic) = (
        format!("/ip4/192.0.2.1/tcp/4001/p2p/{PEER}"),
        format!("/ip6/2001:db8::1/udp/4001/quic-v1/p2p/{PEER}"),
    );
    let top = [
        record(&format!("/dnsaddr/a.example.org/p2p/{PEER}")),
        record(&format!("/dnsaddr/b.example.org/p2p/{OTHER}")),
        "v=spf1 -all".to_owned(),
        record("not an address"),
    ];
    let a = [
        record(&tcp),
        record(&quic),
        record(&tcp),
        record("/ip4/192.0.2.9/tcp/4001"),
        record(&format!(
            "/ip4/192.0.2.1/udp/4001/quic-v1/webtransport/p2p/{PEER}"
        )),
        record(&format!("/dns4/a.example.org/tcp/443/wss/p2p/{PEER}")),
    ];
    let b = [record(&format!("/ip4/192.0.2.2/tcp/4001/p2p/{OTHER}"))];
    let records: [(&str, &[String]); 3] = [
        ("example.org", &top),
        ("a.example.org", &a),
        ("b.example.org", &b),
    ];
    let server = Server::with(&records).await;
    let mut found = server
        .resolve(&format!("/dnsaddr/example.org/p2p/{PEER}"))
        .await;
    found.sort();
    assert_eq!(found, [tcp, quic]);
    assert_eq!(
        server
            .resolve(&format!("/dnsaddr/nobody.example.org/p2p/{PEER}"))
            .await,
        [""; 0]
    );
}

#[tokio::test]
async fn a_dnsaddr_that_leads_in_circles_or_to_crowds_ends() {
    let circle = [record(&format!("/dnsaddr/circle.example.org/p2p/{PEER}"))];
    let many: Vec<String> = (0..40)
        .map(|n| record(&format!("/dnsaddr/n{n}.example.org/p2p/{PEER}")))
        .collect();
    let records: [(&str, &[String]); 2] =
        [("circle.example.org", &circle), ("many.example.org", &many)];
    let server = Server::with(&records).await;
    let found = server
        .resolve(&format!("/dnsaddr/circle.example.org/p2p/{PEER}"))
        .await;
    assert_eq!(found, [""; 0]);
    server.asked.store(0, Ordering::Relaxed);
    let found = server
        .resolve(&format!("/dnsaddr/many.example.org/p2p/{PEER}"))
        .await;
    assert_eq!(found, [""; 0]);
    // A resolver may ask twice for a name that is not there.
    let asked = server.asked.load(Ordering::Relaxed);
    assert!((MAX_LOOKUPS..=2 * MAX_LOOKUPS).contains(&asked), "{asked}");
}
