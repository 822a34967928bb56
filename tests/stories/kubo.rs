//! A package is plain IPFS: the reference node takes it, agrees about its root CID, and plays it.

use std::path::Path;

use cidcast_testkit::{Kubo, cli, clip, media};

use crate::player;
use crate::stage::{Stage, id, root};

#[tokio::test]
async fn kubo_agrees_about_the_root_cid_and_plays_the_package() {
    let stage = Stage::new();
    let Some(kubo) = Kubo::find(&stage.data_dir("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let node = stage.node("").await;
    let source = clip::shipped();
    let asset = node.upload(&source).await.unwrap();
    let root = root(&node.ready(&id(&asset)).await.unwrap());
    let car = stage.path().join("package.car");
    let car = car.to_str().unwrap();
    let said = cli(node.data_dir(), &["store", "export", &root, "-o", car]).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");

    let folder = stage.path().join("exported");
    export(&kubo, &root, car, &folder);
    let added = kubo.run(&["add", "-r", "--only-hash", "-Q", folder.to_str().unwrap()]);
    assert_eq!(added.unwrap(), root);
    // The files on their own play too: every address in them is relative.
    let pictures = media::pictures(source.to_str().unwrap()).unwrap().len();
    let file = folder.join("master.m3u8");
    assert_eq!(
        media::pictures(file.to_str().unwrap()).unwrap().len(),
        pictures
    );

    let daemon = kubo.daemon().await.unwrap();
    let url = daemon.gateway(&format!("/ipfs/{root}/master.m3u8"));
    let (variants, sound) = player::renditions(&player::master(&node.text(&url).await.unwrap()));
    assert_eq!(media::pictures(&url).unwrap().len(), pictures);
    for uri in variants.iter().chain(&sound) {
        let fetched = player::fetch(&node, &url, uri).await;
        assert!(fetched.playlist.end_list);
    }
    assert_eq!(
        media::streams(&url).unwrap().len(),
        variants.len() + sound.len()
    );
}

/// Imports the CAR file and writes the package as files.
fn export(kubo: &Kubo, root: &str, car: &str, folder: &Path) {
    let imported = kubo
        .run(&["dag", "import", "--pin-roots=true", car])
        .unwrap();
    assert!(imported.contains(root), "{imported}");
    kubo.run(&["get", root, "-o", folder.to_str().unwrap()])
        .unwrap();
    assert!(folder.join("asset.json").is_file());
}
