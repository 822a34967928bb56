//! The router behind a real server: what a client sees of an answer that is cut off.

use std::net::SocketAddr;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::files::delete_block;
use crate::world::{World, noise};

const MIB: usize = 1024 * 1024;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// Head and body of one answer, read until the server closes.
async fn ask(address: SocketAddr, method: &str, target: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the last byte is one way to be cut off; what came before it counts.
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let body = answer.split_off(end);
    (
        String::from_utf8(answer).unwrap().to_ascii_lowercase(),
        body,
    )
}

#[tokio::test]
async fn a_cut_off_answer_is_shorter_than_it_promised() {
    let world = World::new().await;
    let bytes = noise(5 * MIB);
    let cid = world.file(&bytes);
    let last = world.store.get(&world.add(&bytes[4 * MIB..])).unwrap();
    let address = serve(world.router()).await;
    let target = format!("/ipfs/{cid}");
    let promise = format!("content-length: {}\r\n", bytes.len());
    let (head, body) = ask(address, "GET", &target).await;
    assert!(
        head.starts_with("http/1.1 200") && head.contains(&promise),
        "{head}"
    );
    assert!(body == bytes);
    let (head, body) = ask(address, "HEAD", &target).await;
    assert!(head.contains(&promise) && body.is_empty(), "{head}");
    delete_block(world.dir.path(), &last);
    let (head, body) = ask(address, "GET", &target).await;
    assert!(head.contains(&promise), "{head}");
    assert!(body.len() < bytes.len(), "{}", body.len());
}

#[tokio::test]
async fn a_peer_on_this_machine_is_trusted() {
    let world = World::new().await;
    let cid = world.add(b"unpinned");
    let address = serve(world.router()).await;
    let (head, body) = ask(address, "GET", &format!("/ipfs/{cid}")).await;
    assert!(
        head.starts_with("http/1.1 200") && body == b"unpinned",
        "{head}"
    );
}
