//! No child is left behind, whatever happens to whom.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cidcast_media::plan::{ChunkSpan, Plan};
use cidcast_media::source::SourceMedia;
use cidcast_transcode::{
    ChunkJob, EncodeError, ProbeLimits, Progress, Sandbox, ToolSettings, Tools,
};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Source, TOOLS, plan};

/// Slow enough to be met while it runs. Made once, and left where the next run replaces it.
static LONG: LazyLock<PathBuf> = LazyLock::new(|| {
    let picture = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=20";
    let codec = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let source = Source::make("a.mp4", &format!("{picture} {codec}"));
    // Never replaced while another process reads it: the sandbox lets a child read this one file.
    let name = if std::env::var_os(PARENT).is_some() {
        "parent.mp4"
    } else {
        "long.mp4"
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let new = path.with_extension(std::process::id().to_string());
    std::fs::copy(&source.path, &new).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
});

async fn probe(path: &Path) -> SourceMedia {
    TOOLS
        .probe(path, &ProbeLimits::default(), &CancellationToken::new())
        .await
        .unwrap()
}

/// Long enough to be caught in the middle.
fn longest(plan: &Plan) -> &ChunkSpan {
    let spans = plan.chunks.iter();
    spans.max_by_key(|span| span.segments).unwrap()
}

fn job<'a>(
    source: &'a Path,
    media: &'a SourceMedia,
    plan: &'a Plan,
    out_dir: &'a Path,
) -> ChunkJob<'a> {
    ChunkJob {
        source,
        media,
        plan,
        span: longest(plan),
        out_dir,
    }
}

/// Processes whose command line names `folder`. Zombies have none.
fn processes(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder)
        })
        .collect()
}

#[tokio::test]
async fn cancelling_leaves_no_child() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let mut seen = Vec::new();
    let on_progress = |_: Progress| {
        seen = processes(out.path());
        cancel.cancel();
    };
    let ended = TOOLS
        .encode_chunk(job(source, &media, &plan, out.path()), on_progress, &cancel)
        .await;
    assert!(matches!(ended, Err(EncodeError::Cancelled)), "{ended:?}");
    assert_eq!(seen.len(), 1, "it ran");
    assert!(processes(out.path()).is_empty());
}

#[tokio::test]
async fn dropping_the_encode_kills_the_child() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    let (running, mut started) = tokio::sync::mpsc::channel(1);
    let cancel = CancellationToken::new();
    let on_progress = move |_: Progress| {
        let _ = running.try_send(());
    };
    let job = job(source, &media, &plan, out.path());
    tokio::select! {
        ended = TOOLS.encode_chunk(job, on_progress, &cancel) => panic!("{ended:?}"),
        _ = started.recv() => {}
    }
    until(|| processes(out.path()).is_empty());
}

/// Waits for what the kernel does in its own time; gives up after a minute.
fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not come"
        );
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn progress_reaches_the_end_of_the_unit() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    let mut reports = Vec::new();
    let span = longest(&plan);
    let job = job(source, &media, &plan, out.path());
    TOOLS
        .encode_chunk(
            job,
            |report| reports.push(report),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert!(
        reports
            .windows(2)
            .all(|pair| pair[0].position <= pair[1].position),
        "{reports:?}"
    );
    let last = reports.last().unwrap();
    let length = span.end.unwrap_or(media.duration).since(span.start);
    assert!(
        last.position.0.abs_diff(length.0) < 100_000,
        "{last:?} of {length:?}"
    );
    assert!(last.speed > 0.0);
}

#[tokio::test]
async fn a_child_that_stands_still_is_killed_and_may_be_tried_again() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    // Nothing makes progress in no time at all.
    let settings = ToolSettings {
        stall_timeout: Duration::ZERO,
        ..ToolSettings::default()
    };
    let impatient = Tools::locate(&settings).unwrap();
    let job = job(source, &media, &plan, out.path());
    let ended = impatient
        .encode_chunk(job, |_| {}, &CancellationToken::new())
        .await;
    let Err(error @ EncodeError::Stalled { .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(!error.is_permanent());
    assert!(processes(out.path()).is_empty());
}

#[tokio::test]
async fn a_child_that_is_killed_may_be_tried_again() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    let on_progress = |_: Progress| {
        for id in processes(out.path()) {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    };
    let job = job(source, &media, &plan, out.path());
    let ended = TOOLS
        .encode_chunk(job, on_progress, &CancellationToken::new())
        .await;
    let Err(error @ EncodeError::Killed { signal: 9, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    for rendition in &plan.video {
        symlink(
            "/dev/full",
            out.path().join(format!("{}.mp4", rendition.name)),
        )
        .unwrap();
    }
    // The sandbox would not let it reach the device that is always full.
    let settings = ToolSettings {
        sandbox: Sandbox::Off,
        ..ToolSettings::default()
    };
    let tools = Tools::locate(&settings).unwrap();
    let job = job(source, &media, &plan, out.path());
    let ended = tools
        .encode_chunk(job, |_| {}, &CancellationToken::new())
        .await;
    assert!(matches!(ended, Err(EncodeError::NoSpace)), "{ended:?}");
}

#[tokio::test]
async fn a_child_cannot_write_outside_of_its_folder() {
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let (out, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outside = secret.path().join("outside.mp4");
    symlink(
        &outside,
        out.path().join(format!("{}.mp4", plan.video[0].name)),
    )
    .unwrap();
    let job = job(source, &media, &plan, out.path());
    let ended = TOOLS
        .encode_chunk(job, |_| {}, &CancellationToken::new())
        .await;
    if !TOOLS.is_sandboxed() {
        eprintln!("skipped: this kernel has no landlock");
        return;
    }
    assert!(
        matches!(ended, Err(EncodeError::Failed { .. })),
        "{ended:?}"
    );
    assert!(!outside.exists());
}

#[tokio::test]
async fn a_damaged_source_says_what_ffmpeg_said() {
    let media = probe(&LONG).await;
    let plan = plan(&media, 1, 20);
    let out = tempfile::tempdir().unwrap();
    let source = Source::of_bytes("a.mp4", b"no longer what it was");
    let source = &source.path;
    let job = job(source, &media, &plan, out.path());
    let ended = TOOLS
        .encode_chunk(job, |_| {}, &CancellationToken::new())
        .await;
    let Err(error) = ended else {
        panic!("{ended:?}")
    };
    assert!(
        error.is_permanent() && error.to_string().contains("Invalid data"),
        "{error}"
    );
}

const PARENT: &str = "CIDCAST_TEST_PARENT";

/// Not a test of its own: what [`killing_the_parent_kills_the_child`] runs in another process.
#[tokio::test]
async fn parent_that_is_killed() {
    let Some(folder) = std::env::var_os(PARENT) else {
        return;
    };
    let folder = Path::new(&folder);
    let source = LONG.as_path();
    let media = probe(source).await;
    let plan = plan(&media, 1, 20);
    let ready = folder.join("ready");
    let on_progress = move |_: Progress| std::fs::write(&ready, b"").unwrap();
    let job = job(source, &media, &plan, folder);
    let _ = TOOLS
        .encode_chunk(job, on_progress, &CancellationToken::new())
        .await;
}

#[test]
fn killing_the_parent_kills_the_child() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "children::parent_that_is_killed"])
        .env(PARENT, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(|| folder.path().join("ready").exists());
    let ids = processes(folder.path());
    assert_eq!(ids.len(), 1, "it runs");
    parent.kill().unwrap();
    parent.wait().unwrap();
    until(|| processes(folder.path()).is_empty());
}
