//! Root CIDs that Kubo 0.44.0-dev printed for `ipfs add -r -Q` after
//! `ipfs init --profile=unixfs-v1-2025`.

use cidcast_ipfs::unixfs::add::{InsertError, Tree, cid_of_reader};

use crate::recipes::{Recipe, content};

#[test]
fn files_have_the_cids_of_kubo() {
    for (bytes, cid) in [
        (
            0,
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            1,
            "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
        ),
        (
            1_048_575,
            "bafkreier2yx5dueo7mav2tptofagkmdc5pfv55jeeer76ne36uhaxstila",
        ),
        (
            1_048_576,
            "bafkreigkmbztslxhdw6ruljvnq6kuiz7r6bivyl7r6f2qvyo4nerxyjivm",
        ),
        (
            1_048_577,
            "bafybeicazqphgjf4g4qf4skxzdrp4q4ggibd5eun436hnrf7iftnvy4pde",
        ),
        (
            5_255_225,
            "bafybeiebkxjt4tyaefealrfqsj5jbwhu2v5h73sp3nfv3fh45ahqquwwk4",
        ),
    ] {
        let file = cid_of_reader(&content(bytes)[..]).unwrap();
        assert_eq!(file.cid.to_string(), cid, "{bytes} bytes");
        assert_eq!(file.bytes, bytes as u64);
    }
}

/// Both sides of the 256 KiB at which Kubo shards: 4,946 entries and two letters are exactly that.
#[test]
fn directories_have_the_cids_of_kubo() {
    for (count, padding, cid) in [
        (
            0,
            0,
            "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
        ),
        (
            1,
            0,
            "bafybeiaipki4mbasrhxrwwg77ikpidwui4bczuow7loj2qjyjvjb76mhfe",
        ),
        (
            4946,
            0,
            "bafybeigdbcpkfk6kstzkxgakppv2mozehove4omsc546xt2ujuwzvs7t7q",
        ),
        (
            4946,
            2,
            "bafybeig7edei2hhaji6xrzovo24sjl5xgla2v3em3uqvikqcl3rupggune",
        ),
        (
            4946,
            3,
            "bafybeictl6tsdhwxez5omgajthx6x6o6szciklulhgqm2bs2jvliiesray",
        ),
        (
            4947,
            0,
            "bafybeib7on3m2eaif4wmlxzsmv2utvozfwx5i2xradngl4vy3id2eclww4",
        ),
        (
            20_000,
            0,
            "bafybeickzoqd2wmd43apxb2wgbunn2myceqwfhozor4qhsr3mloanrwj7e",
        ),
    ] {
        let root = Recipe::many(count, padding).root();
        assert_eq!(root.cid.to_string(), cid, "{count} entries + {padding}");
    }
}

#[test]
fn trees_have_the_cids_and_cumulative_sizes_of_kubo() {
    for (recipe, dag_bytes, cid) in [
        (
            Recipe::unicode(),
            605,
            "bafybeigi5azluazpwlwryvz7ua7v6lughlx5p7ltr3ijn7hrd5in4o53l4",
        ),
        (
            Recipe::package(),
            2_231_268,
            "bafybeicd2twayfxvhii5bjhjbawjsb7buee55qyniliignwmpjx3utfbbi",
        ),
        (
            Recipe::sharded_nested(),
            1_775_857,
            "bafybeicok74s4suby4lh3buhklegxyovs4k3c7v2dzlf227yjwolq2vf5m",
        ),
        (
            Recipe::many(20_000, 0),
            1_414_094,
            "bafybeickzoqd2wmd43apxb2wgbunn2myceqwfhozor4qhsr3mloanrwj7e",
        ),
    ] {
        let root = recipe.root();
        assert_eq!(
            (root.cid.to_string().as_str(), root.dag_bytes),
            (cid, dag_bytes)
        );
    }
}

#[test]
fn a_finished_directory_can_be_an_entry_of_another() {
    let whole = Recipe::package().root();
    let mut inner = Tree::new();
    let mut outer = Tree::new();
    for (path, bytes) in Recipe::package().files() {
        let file = cid_of_reader(bytes).unwrap();
        match path.strip_prefix("video/720p/") {
            Some(rest) => inner.insert(rest, file).unwrap(),
            None => outer.insert(path, file).unwrap(),
        }
    }
    outer.insert_directory("captions").unwrap();
    outer
        .insert("video/720p", inner.build().unwrap().1)
        .unwrap();
    assert_eq!(outer.build().unwrap().1, whole);
}

#[test]
fn paths_that_no_directory_can_hold_are_refused() {
    let file = cid_of_reader(&b"x"[..]).unwrap();
    let mut tree = Tree::new();
    tree.insert("a/b", file).unwrap();
    for path in ["", "/a", "c/", "c//d", ".", "c/../d", "c\0", "c/\n"] {
        let refused = tree.insert(path, file);
        assert!(matches!(refused, Err(InsertError::Name { .. })), "{path:?}");
    }
    for path in ["a", "a/b", "a/b/c"] {
        let refused = tree.insert(path, file);
        assert!(
            matches!(refused, Err(InsertError::Taken { .. })),
            "{path:?}"
        );
    }
    let deep = vec!["d"; 65].join("/");
    let refused = tree.insert(&deep, file);
    assert!(matches!(refused, Err(InsertError::TooDeep { .. })));
}
