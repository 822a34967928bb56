//! `/ipfs/{cid}/…` for directories and the names in them.

use crate::world::{World, get};

#[tokio::test]
async fn a_directory_is_listed_with_links_that_work() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("a b#?.txt", b"1"), ("<b>&\".txt", b"22"), ("sub/c", b"3")]);
    let answer = get(format!("/ipfs/{root}/")).send(&router).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(answer.header("etag").contains(&root.to_string()));
    let page = answer.text();
    assert!(
        page.contains("href=\"./a%20b%23%3F.txt\">a b#?.txt</a>"),
        "{page}"
    );
    assert!(
        page.contains("href=\"./%3Cb%3E&amp;%22.txt\">&lt;b&gt;&amp;&quot;.txt</a>"),
        "{page}"
    );
    assert_eq!(
        get(format!("/ipfs/{root}/a%20b%23%3F.txt"))
            .send(&router)
            .await
            .text(),
        "1"
    );
    assert_eq!(
        get(format!("/ipfs/{root}/%3Cb%3E&%22.txt"))
            .send(&router)
            .await
            .text(),
        "22"
    );
    assert_eq!(
        get(format!("/ipfs/{root}/sub/c"))
            .send(&router)
            .await
            .text(),
        "3"
    );
    let etag = answer.header("etag");
    let again = get(format!("/ipfs/{root}/"))
        .header("if-none-match", etag)
        .send(&router)
        .await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn a_directory_without_slash_is_redirected_and_keeps_its_query() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("sub/index.html", b"<p>hi"), ("file", b"x")]);
    let answer = get(format!("/ipfs/{root}")).send(&router).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, &*format!("/ipfs/{root}/"))
    );
    let answer = get(format!("/ipfs/{root}/sub?a=1")).send(&router).await;
    assert_eq!(answer.header("location"), format!("/ipfs/{root}/sub/?a=1"));
    let answer = get(format!("/ipfs/{root}/file/")).send(&router).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, &*format!("/ipfs/{root}/file"))
    );
}

#[tokio::test]
async fn a_directory_with_an_index_shows_it() {
    let world = World::new().await;
    let root = world.tree(&[("index.html", b"<p>hi"), ("file", b"x")]);
    let answer = get(format!("/ipfs/{root}/")).send(&world.router()).await;
    assert_eq!((answer.status, answer.text()), (200, "<p>hi"));
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=29030400, immutable"
    );
}

#[tokio::test]
async fn every_cid_on_the_way_is_named() {
    let world = World::new().await;
    let root = world.tree(&[("a/b.txt", b"x")]);
    let leaf = world.add(b"x");
    let answer = get(format!("/ipfs/{root}/a/b.txt"))
        .send(&world.router())
        .await;
    let roots: Vec<&str> = answer.header("x-ipfs-roots").split(',').collect();
    assert_eq!(roots.len(), 3);
    assert_eq!(
        (roots[0], roots[2]),
        (&*root.to_string(), &*leaf.to_string())
    );
    assert_eq!(
        answer.header("x-ipfs-path"),
        format!("/ipfs/{root}/a/b.txt")
    );
    assert_eq!(answer.header("etag"), format!("\"{leaf}\""));
}

#[tokio::test]
async fn a_missing_name_is_named() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("a/b.txt", b"x")]);
    for (path, missing) in [
        ("nope", "nope"),
        ("a/nope/b.txt", "nope"),
        ("a/b.txt/c", "`c`"),
    ] {
        let answer = get(format!("/ipfs/{root}/{path}")).send(&router).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "no-such-name"),
            "{path}"
        );
        assert!(answer.detail().contains(missing), "{}", answer.detail());
    }
}

#[tokio::test]
async fn a_large_sharded_directory_works() {
    let world = World::new().await;
    let router = world.router();
    let names: Vec<String> = (0..8000)
        .map(|n| format!("a-rather-long-name-{n:05}"))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"x"[..]))
        .collect();
    let root = world.tree(&files);
    let answer = get(format!("/ipfs/{root}/a-rather-long-name-07999"))
        .send(&router)
        .await;
    assert_eq!((answer.status, answer.text()), (200, "x"));
    let listing = get(format!("/ipfs/{root}/")).send(&router).await;
    assert!(listing.text().contains("a-rather-long-name-00000"));
}
