//! The poster.

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Source, TOOLS, tool};

async fn poster(source: &Source, width: u32) -> Option<Bytes> {
    let media = source.probe().await;
    TOOLS
        .poster(&source.path, &media, width, &CancellationToken::new())
        .await
        .unwrap()
}

fn size(jpeg: &Bytes) -> String {
    let picture = Source::of_bytes("a.jpg", jpeg);
    let question = "-show_entries stream=codec_name,width,height -of csv=p=0 a.jpg";
    tool("ffprobe", question, picture.folder.path())
        .trim()
        .to_owned()
}

#[tokio::test]
async fn a_film_has_a_frame_and_always_the_same() {
    let command = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=6 -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let source = Source::make("a.mp4", command);
    let picture = poster(&source, 200).await.unwrap();
    assert_eq!(size(&picture), "mjpeg,200,112");
    assert_eq!(poster(&source, 200).await.unwrap(), picture);
    assert_eq!(
        size(&poster(&source, 1280).await.unwrap()),
        "mjpeg,320,180",
        "never scaled up"
    );
}

#[tokio::test]
async fn a_single_frame_is_its_own_poster() {
    let command = "-f lavfi -i testsrc2=size=64x64:rate=1:duration=1 -c:v libx264 -pix_fmt yuv420p";
    assert!(poster(&Source::make("a.mp4", command), 640).await.is_some());
}

#[tokio::test]
async fn sound_has_its_cover_or_nothing() {
    let sound = "-f lavfi -i sine=duration=2";
    let cover = "-f lavfi -i color=red:size=64x48:duration=1 -map 0 -map 1 -frames:v 1 -c:v mjpeg -disposition:v attached_pic -c:a aac";
    let with = Source::make("a.m4a", &format!("{sound} {cover}"));
    assert_eq!(size(&poster(&with, 640).await.unwrap()), "mjpeg,64,48");
    assert!(
        poster(&Source::make("a.m4a", &format!("{sound} -c:a aac")), 640)
            .await
            .is_none()
    );
}
