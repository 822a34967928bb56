//! Provider records between two swarms on loopback.

use cidcast_testkit::Kubo;
use futures::StreamExt;
use multihash_codetable::{Code, MultihashDigest};
use rust_ipfs::DhtMode;

use super::*;
use crate::swarm::SwarmSettings;

/// Far beyond what anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(60);

async fn swarm(folder: &std::path::Path, tasks: &Shutdown) -> Swarm {
    let settings = SwarmSettings {
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ..SwarmSettings::new(folder.join("key"))
    };
    let swarm = Swarm::start(settings, None, tasks).await.unwrap();
    swarm.ipfs().dht_mode(DhtMode::Server).await.unwrap();
    swarm
}

/// Whether `asker` is told that somebody provides `cid`.
async fn is_found(asker: &Swarm, cid: &Cid) -> bool {
    let mut found = asker.ipfs().get_providers(*cid).await.unwrap();
    while let Some(peers) = found.next().await {
        if peers.is_ok_and(|peers| !peers.is_empty()) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cid_is_found_while_it_is_wanted_and_not_said_to_be_here_afterwards() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tasks = Shutdown::new();
    let provider = swarm(here.path(), &tasks).await;
    let asker = swarm(there.path(), &tasks).await;
    let address = provider.listen_addresses().await.remove(0);
    asker.connect(&address, LONG).await.unwrap();
    let cid = |data: &[u8]| Cid::new_v1(0x55, Code::Sha2_256.digest(data));
    let (kept, gone) = (cid(b"kept"), cid(b"gone"));
    let provide = Provider::start(&provider, ProviderSettings::default(), &tasks);
    provide.set(BTreeSet::from([kept, gone]));
    let mut status = provide.status();
    let provided = status.wait_for(|status| status.provided == 2);
    timeout(LONG, provided).await.unwrap().unwrap();
    assert!(timeout(LONG, is_found(&asker, &gone)).await.unwrap());

    // The asker keeps the records that it was sent, so a third one asks the provider alone.
    provide.set(BTreeSet::from([kept]));
    let withdrawn = status.wait_for(|status| status.wanted == 1);
    timeout(LONG, withdrawn).await.unwrap().unwrap();
    asker.stop().await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let third = swarm(elsewhere.path(), &tasks).await;
    third.connect(&address, LONG).await.unwrap();
    // From the moment on when the provider answers it, it would hear of the other too.
    let answered = async { while !is_found(&third, &kept).await {} };
    timeout(LONG, answered).await.unwrap();
    assert!(!timeout(LONG, is_found(&third, &gone)).await.unwrap());
    third.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_says_what_it_provides() {
    let (here, repo) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(kubo) = Kubo::find(&repo.path().join("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    kubo.serve_dht().unwrap();
    let file = repo.path().join("file");
    std::fs::write(&file, "of Kubo").unwrap();
    let theirs = kubo.run(&["add", "-Q", file.to_str().unwrap()]).unwrap();
    let daemon = kubo.online().await.unwrap();
    let tasks = Shutdown::new();
    let node = swarm(here.path(), &tasks).await;
    let address = daemon.address().await.unwrap();
    node.connect(&address, LONG).await.unwrap();

    // It has no server to tell; that it has told itself is enough for who asks it. The other way
    // round needs addresses of the internet: Kubo takes no provider records from this machine.
    let provide = format!("routing/provide?arg={theirs}");
    let theirs: Cid = theirs.parse().unwrap();
    let _ = daemon.rpc(&provide).await;
    // Neither may know the other yet.
    let found = async {
        while !is_found(&node, &theirs).await {
            let _ = daemon.rpc(&provide).await;
        }
    };
    timeout(LONG, found).await.unwrap();
}
