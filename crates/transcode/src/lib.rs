//! ffprobe and ffmpeg processes, sandboxed.
//!
//! The only crate that starts a process. It looks into a source ([`Tools::probe`]), encodes one
//! chunk into all picture renditions at once ([`Tools::encode_chunk`]), encodes a whole sound
//! track ([`Tools::encode_audio`]) and takes a picture ([`Tools::poster`]).
//!
//! It never decides what is encoded (that is `cidcast_media::plan`), never splits or reads the
//! encoded bytes for meaning (`cidcast_media::mp4`), keeps no state between calls, and never
//! opens a network connection.
//!
//! Invariants:
//! - A unit's bytes are a function of source, plan, span and encoder alone, so all chunks of one
//!   rendition share one initialisation segment, byte for byte.
//! - No child outlives its call: it is killed with its whole process group on cancel, on drop and
//!   on a stall, and by the kernel when this process dies.
//! - A child reads the source and the system's libraries, writes its output folder, and reaches
//!   no network, as far as the kernel can enforce it.
//! - Everything a child says is read with a bound; every wait has a deadline.

mod audio;
mod chunk;
mod encode_error;
mod poster;
mod probe;
mod process;
mod progress;
mod timeline;
mod tools;

pub use audio::AudioJob;
pub use chunk::ChunkJob;
pub use encode_error::EncodeError;
pub use probe::{ProbeError, ProbeLimits};
pub use progress::Progress;
pub use tools::{MissingTool, Sandbox, ToolSettings, Tools};
