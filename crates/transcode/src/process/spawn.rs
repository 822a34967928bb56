//! Starting children so that none is ever left behind.
//!
//! Every child is started by one thread that lives as long as any child: the kernel sends the
//! parent-death signal when the *thread* that forked ends, and tokio's own threads come and go.
//!
//! Owns: that thread. It ends when the last [`Spawner`] and the last [`Running`] are dropped.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, kill_process_group, nice,
    set_parent_process_death_signal, setrlimit,
};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::sandbox;
use crate::tools::Sandbox;

/// Starts that may wait for the thread; a start takes about a millisecond.
const QUEUE: usize = 64;

/// How long a killed child may take to be gone. SIGKILL cannot be refused; only a disk that does
/// not answer can hold it up.
const GONE: Duration = Duration::from_secs(10);

/// One child to start.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The one file that it reads.
    pub reads: PathBuf,
    /// The folder that it may write, if it writes files.
    pub writes: Option<PathBuf>,
    /// 0 to 19.
    pub niceness: u8,
    /// Whether it is confined.
    pub sandbox: Sandbox,
}

type Started = io::Result<Running>;
type Start = (Launch, Handle, oneshot::Sender<Started>);

/// Starts children. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    starts: SyncSender<Start>,
}

impl Spawner {
    /// Starts the thread that starts children.
    pub(crate) fn new() -> io::Result<Self> {
        let (starts, queue) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("cidcast-spawn".to_owned())
            .spawn(move || serve(&queue))?;
        Ok(Self { starts })
    }

    /// Starts a child. Must be called inside a tokio runtime.
    pub(crate) async fn spawn(&self, launch: Launch) -> Started {
        let (reply, started) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.starts
            .try_send((launch, Handle::current(), reply))
            .map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        let mut running = started.await.map_err(|_| gone())??;
        running.keeper = Some(self.clone());
        Ok(running)
    }
}

fn serve(queue: &Receiver<Start>) {
    while let Ok((launch, runtime, reply)) = queue.recv() {
        let _inside = runtime.enter();
        // A caller that has gone away drops the child, which kills it.
        let _ = reply.send(start(&launch));
    }
}

/// A child that runs. Dropping it kills its process group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    group: Option<Pid>,
    keeper: Option<Spawner>,
}

impl Running {
    /// Its standard output and standard error, once.
    pub(crate) fn streams(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // The id may belong to someone else from now on.
        self.group = None;
        Ok(status)
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.signal();
        match tokio::time::timeout(GONE, self.ended()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a killed process could not be waited for"),
            Err(_) => tracing::warn!("a killed process is not gone yet"),
        }
    }

    fn signal(&self) {
        if let Some(group) = self.group {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts processes"
)]
fn start(launch: &Launch) -> Started {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(
            ["PATH", "LD_LIBRARY_PATH"]
                .into_iter()
                .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
        )
        // Messages are matched (a full disk), so they must be in one language.
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    before_exec(&mut command, launch);
    let child = command.spawn()?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    Ok(Running {
        child,
        group,
        keeper: None,
    })
}

/// Arranges what the child does to itself between fork and exec.
#[allow(unsafe_code)]
fn before_exec(command: &mut Command, launch: &Launch) {
    let parent = getpid();
    let niceness = i32::from(launch.niceness.min(19));
    let mut rules = confinement(launch);
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            // The parent died before the line above took effect.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // Being less nice than asked is no reason not to work.
        let _ = nice(niceness);
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
        match rules.take().map(landlock::RulesetCreated::restrict_self) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(_)) => Err(io::ErrorKind::PermissionDenied.into()),
        }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `prepare` makes plain
    // system calls on values that were built before the fork (prctl, getppid, setpriority,
    // setrlimit, landlock_restrict_self, close); it takes no lock and allocates nothing unless
    // restrict_self fails, after which the child exits without running anything else.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Rules for the child; `None`, with a line in the log, where they cannot be had.
fn confinement(launch: &Launch) -> Option<landlock::RulesetCreated> {
    if launch.sandbox == Sandbox::Off {
        return None;
    }
    sandbox::rules(&launch.program, &launch.reads, launch.writes.as_deref())
        .inspect_err(|error| tracing::warn!(%error, "a process starts without its sandbox"))
        .ok()
}
