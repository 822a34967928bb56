//! `/ipfs/{cid}` for files: bytes, validators, ranges, types.

use axum::http::StatusCode;
use http_body_util::BodyExt;

use crate::dag::{RAW_HELLO, UNKNOWN_CODEC, identity, unixfs};
use crate::world::{World, get, head, noise};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_file_comes_whole_with_everything_a_cache_needs() {
    let world = World::new().await;
    let bytes = noise(2 * MIB + 500_000);
    let cid = world.file(&bytes);
    let answer = get(format!("/ipfs/{cid}")).send(&world.router()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, bytes);
    assert_eq!(answer.header("etag"), format!("\"{cid}\""));
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=29030400, immutable"
    );
    assert_eq!(answer.header("content-length"), bytes.len().to_string());
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("x-ipfs-path"), format!("/ipfs/{cid}"));
    assert_eq!(answer.header("x-ipfs-roots"), cid.to_string());
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn head_says_what_get_says_without_the_bytes() {
    let world = World::new().await;
    let cid = world.file(&noise(3 * MIB));
    let router = world.router();
    let target = format!("/ipfs/{cid}");
    let (full, bare) = (
        get(&target).send(&router).await,
        head(&target).send(&router).await,
    );
    assert_eq!(bare.status, 200);
    assert_eq!(bare.headers, full.headers);
    assert!(bare.body.is_empty());
    // RFC 9110 §14.2: ranges are for GET.
    assert_eq!(
        head(&target)
            .header("range", "bytes=0-9")
            .send(&router)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn one_range_is_answered_with_exactly_its_bytes() {
    let world = World::new().await;
    let bytes = noise(3 * MIB);
    let (cid, router, total) = (world.file(&bytes), world.router(), bytes.len());
    let cases = [
        ("bytes=0-0", 0..1),
        ("bytes=1048575-1048576", MIB - 1..MIB + 1),
        ("bytes=1000000-", 1_000_000..total),
        ("bytes=-5", total - 5..total),
        ("bytes=-999999999999", 0..total),
        ("bytes=5-99999999999999999999999", 5..total),
        ("bytes=0-", 0..total),
    ];
    for (range, part) in cases {
        let answer = get(format!("/ipfs/{cid}"))
            .header("range", range)
            .send(&router)
            .await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, bytes[part.clone()], "{range}");
        let expected = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), expected);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!(answer.header("etag"), format!("\"{cid}\""));
    }
}

#[tokio::test]
async fn a_range_outside_is_refused_and_one_that_cannot_be_read_is_ignored() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"0123456789"), world.router());
    for range in [
        "bytes=10-",
        "bytes=10-20",
        "bytes=99999999999999999999999-",
        "bytes=-0",
    ] {
        let answer = get(format!("/ipfs/{cid}"))
            .header("range", range)
            .send(&router)
            .await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10");
        assert_eq!(answer.problem(), "range-not-satisfiable");
    }
    for range in [
        "bytes=0-1,4-5",
        "bytes=9-1",
        "bytes=a-b",
        "chars=0-1",
        "bytes=",
    ] {
        let answer = get(format!("/ipfs/{cid}"))
            .header("range", range)
            .send(&router)
            .await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "0123456789"),
            "{range}"
        );
    }
}

#[tokio::test]
async fn if_range_serves_the_part_only_of_the_same_content() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"0123456789"), world.router());
    let ask = |condition: &str| {
        let ask = get(format!("/ipfs/{cid}")).header("range", "bytes=2-3");
        ask.header("if-range", condition)
    };
    let same = ask(&format!("\"{cid}\"")).send(&router).await;
    assert_eq!((same.status, same.text()), (206, "23"));
    let weak = format!("W/\"{cid}\"");
    for other in ["\"other\"", weak.as_str(), "Sat, 21 Nov 2026 00:00:00 GMT"] {
        let answer = ask(other).send(&router).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "0123456789"),
            "{other}"
        );
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"hello"), world.router());
    let (strong, weak) = (format!("\"{cid}\""), format!("W/\"{cid}\""));
    let list = format!("\"a\", W/\"{cid}\", \"b\"");
    for condition in [strong.as_str(), weak.as_str(), list.as_str(), "*"] {
        let ask = get(format!("/ipfs/{cid}")).header("if-none-match", condition);
        // A condition that holds wins over a range (RFC 9110 §13.2.2).
        let answer = ask.header("range", "bytes=0-0").send(&router).await;
        assert_eq!(answer.status, 304, "{condition}");
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), strong);
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=29030400, immutable"
        );
    }
    let ask = get(format!("/ipfs/{cid}")).header("if-none-match", "\"other\"");
    assert_eq!(ask.send(&router).await.status, 200);
}

#[tokio::test]
async fn media_files_have_their_types_by_name_and_by_content() {
    let world = World::new().await;
    let router = world.router();
    let segment = b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix".as_slice();
    let named = [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("manifest.mpd", "application/dash+xml"),
        ("video/720p/00000.m4s", "video/mp4"),
        ("video/720p/init.mp4", "video/mp4"),
        ("audio/audio/00000.m4s", "audio/mp4"),
        ("captions/en.vtt", "text/vtt; charset=utf-8"),
        ("poster.jpg", "image/jpeg"),
        ("asset.json", "application/json"),
    ];
    let files: Vec<(&str, &[u8])> = named.iter().map(|(name, _)| (*name, segment)).collect();
    let root = world.tree(&files);
    for (name, expected) in named {
        let answer = get(format!("/ipfs/{root}/{name}")).send(&router).await;
        assert_eq!(answer.header("content-type"), expected, "{name}");
    }
    let cid = world.file(segment);
    let answer = get(format!("/ipfs/{cid}")).send(&router).await;
    assert_eq!(answer.header("content-type"), "video/mp4");
    // Also for a part that does not hold the first bytes, from memory the second time.
    let answer = get(format!("/ipfs/{cid}"))
        .header("range", "bytes=9-")
        .send(&router)
        .await;
    assert_eq!(answer.header("content-type"), "video/mp4");
    let answer = get(format!("/ipfs/{cid}?filename=a.vtt"))
        .send(&router)
        .await;
    assert_eq!(answer.header("content-type"), "text/vtt; charset=utf-8");
}

#[tokio::test]
async fn a_download_gets_its_name() {
    let world = World::new().await;
    let (cid, router) = (world.file(b"hello"), world.router());
    let disposition = async |query: &str| {
        let answer = get(format!("/ipfs/{cid}{query}")).send(&router).await;
        answer.header("content-disposition").to_owned()
    };
    assert_eq!(disposition("").await, "");
    let inline = "inline; filename=\"my film.txt\"; filename*=UTF-8''my%20film%2Etxt";
    assert_eq!(disposition("?filename=my%20film.txt").await, inline);
    let attachment = inline.replace("inline", "attachment");
    assert_eq!(
        disposition("?filename=my+film.txt&download=true").await,
        attachment
    );
    assert!(
        disposition("?download=true")
            .await
            .contains(&cid.to_string())
    );
    assert_eq!(disposition("?download=false").await, "");
}

#[tokio::test]
async fn a_block_is_had_raw_whatever_it_means() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[("a.txt", b"hello")]);
    let expected = world.store.get(&root).unwrap();
    let by_query = get(format!("/ipfs/{root}?format=raw")).send(&router).await;
    let accept = "text/html, application/vnd.ipld.raw;q=0.9";
    let by_header = get(format!("/ipfs/{root}"))
        .header("accept", accept)
        .send(&router)
        .await;
    for answer in [by_query, by_header] {
        assert_eq!((answer.status, &answer.body), (200, &expected));
        assert_eq!(answer.header("content-type"), "application/vnd.ipld.raw");
        assert_eq!(answer.header("etag"), format!("\"{root}.raw\""));
        assert!(
            answer
                .header("content-disposition")
                .starts_with("attachment")
        );
    }
    let leaf = get(format!("/ipfs/{root}/a.txt?format=raw"))
        .send(&router)
        .await;
    assert_eq!(leaf.text(), "hello");
    let car = get(format!("/ipfs/{root}?format=car")).send(&router).await;
    assert_eq!(
        (car.status, car.problem().as_str()),
        (406, "unsupported-format")
    );
}

#[tokio::test]
async fn scripts_of_content_get_an_origin_of_their_own() {
    let world = World::new().await;
    let router = world.router();
    let root = world.tree(&[
        ("page.html", b"<script>1</script>"),
        ("image.svg", b"<svg/>"),
        ("a.m4s", b"\0\0\0\x18styp"),
    ]);
    for active in ["page.html", "image.svg"] {
        let answer = get(format!("/ipfs/{root}/{active}")).send(&router).await;
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("sandbox"),
            "{active}"
        );
    }
    let cid = world.file(b"<!DOCTYPE html><script>1</script>");
    let answer = get(format!("/ipfs/{cid}")).send(&router).await;
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("sandbox")
    );
    let answer = get(format!("/ipfs/{root}/a.m4s")).send(&router).await;
    assert_eq!(answer.header("content-security-policy"), "");
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let world = World::new().await;
    let cid = world.file(b"");
    let answer = get(format!("/ipfs/{cid}")).send(&world.router()).await;
    assert_eq!((answer.status, answer.header("content-length")), (200, "0"));
}

#[tokio::test]
async fn a_block_that_vanishes_cuts_the_answer_off() {
    let world = World::new().await;
    let bytes = noise(5 * MIB);
    let (cid, router) = (world.file(&bytes), world.router());
    let last = world.add(&bytes[4 * MIB..]);
    let lost = world.store.get(&last).unwrap();
    let response = get(format!("/ipfs/{cid}")).start(&router).await;
    assert_eq!(response.status(), StatusCode::OK);
    delete_block(world.dir.path(), &lost);
    let mut body = response.into_body();
    let (mut received, mut failed) = (0, false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => received += frame.data_ref().map_or(0, |data| data.len()),
            Err(_) => failed = true,
        }
    }
    assert!(failed, "the body ended well after {received} bytes");
    assert_eq!(received, 4 * MIB);
    assert_eq!(world.metrics.aborted_bodies.get(), 1);
}

#[tokio::test]
async fn an_identity_cid_answers_with_the_bytes_in_it() {
    let world = World::new().await;
    let router = world.router();
    let answer = get(format!("/ipfs/{RAW_HELLO}")).send(&router).await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    // UnixFS data of a symbolic link: type 4, then its target.
    let link = identity(&unixfs(&[0x08, 0x04, 0x12, 0x03, b'a', b'/', b'b']));
    let answer = get(format!("/ipfs/{link}")).send(&router).await;
    assert_eq!((answer.status, answer.text()), (200, "a/b"));
    assert_eq!(answer.header("content-type"), "inode/symlink");
}

#[tokio::test]
async fn what_is_not_unixfs_is_had_as_a_block_only() {
    let world = World::new().await;
    let router = world.router();
    let answer = get(format!("/ipfs/{UNKNOWN_CODEC}")).send(&router).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (406, "not-unixfs")
    );
    let answer = get(format!("/ipfs/{UNKNOWN_CODEC}?format=raw"))
        .send(&router)
        .await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    let broken = identity(b"not dag-pb");
    let answer = get(format!("/ipfs/{broken}")).send(&router).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (502, "malformed")
    );
}

/// Removes the block file with these bytes behind the store's back.
pub(crate) fn delete_block(dir: &std::path::Path, bytes: &[u8]) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            delete_block(&path, bytes);
        } else if std::fs::read(&path).unwrap() == bytes {
            std::fs::remove_file(path).unwrap();
        }
    }
}
