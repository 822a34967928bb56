//! The router, driven without a socket against a real store and an in-memory catalog.

#[cfg(test)]
#[path = "gateway/access.rs"]
mod access;
#[cfg(test)]
#[path = "gateway/copies.rs"]
mod copies;
#[cfg(test)]
#[path = "gateway/dag.rs"]
mod dag;
#[cfg(test)]
#[path = "gateway/directories.rs"]
mod directories;
#[cfg(test)]
#[path = "gateway/embed.rs"]
mod embed;
#[cfg(test)]
#[path = "gateway/files.rs"]
mod files;
#[cfg(test)]
#[path = "gateway/growing.rs"]
mod growing;
#[cfg(test)]
#[path = "gateway/limits.rs"]
mod limits;
#[cfg(test)]
#[path = "gateway/packaged.rs"]
mod packaged;
#[cfg(test)]
#[path = "gateway/requests.rs"]
mod requests;
#[cfg(test)]
#[path = "gateway/show.rs"]
mod show;
#[cfg(test)]
#[path = "gateway/socket.rs"]
mod socket;
#[cfg(test)]
#[path = "gateway/syndication.rs"]
mod syndication;
#[cfg(test)]
#[path = "gateway/whole.rs"]
mod whole;
#[cfg(test)]
#[path = "gateway/world.rs"]
mod world;
