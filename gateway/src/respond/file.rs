//! Files: names, content types, downloads.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, Kind};
use cidcast_types::Cid;
use futures::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Content, Freshness, Representation};
use crate::Gateway;
use crate::content_type::{self, SNIFF_BYTES};
use crate::problem::Problem;
use crate::query;
use crate::resolve::Resolved;

/// Scripts of content run in an origin of their own (HTML, `Content-Security-Policy: sandbox`).
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox allow-scripts allow-forms allow-popups allow-downloads");

/// What IANA calls a bare block.
pub(crate) const RAW_BLOCK: &str = "application/vnd.ipld.raw";

/// A file that is about to be answered.
pub(crate) struct FileAnswer<'a> {
    /// What the path means.
    pub(crate) resolved: &'a Resolved,
    /// The path below the root, decoded; empty if the root itself is the file.
    pub(crate) path: &'a str,
    /// What caches may do.
    pub(crate) freshness: Freshness,
    /// Whatever else the route sends.
    pub(crate) headers: HeaderMap,
}

impl Gateway {
    /// Answers with a UnixFS file, a raw block, or a symbolic link's target.
    pub(crate) async fn file(
        &self,
        request: &Parts,
        answer: FileAnswer<'_>,
    ) -> Result<Response, Problem> {
        let FileAnswer {
            resolved,
            path,
            freshness,
            mut headers,
        } = answer;
        let cid = resolved.node.cid;
        let asked_name = query::value(&request.uri, "filename").filter(|name| !name.is_empty());
        let name = asked_name.as_deref().unwrap_or(path);
        let (content, content_type) = match &resolved.node.kind {
            Kind::File { bytes } | Kind::Raw { bytes } => {
                let content_type = match content_type::by_path(name) {
                    Some(known) => known,
                    None => self.sniffed(&resolved.blocks, &cid, *bytes).await?,
                };
                let content = Content::File {
                    cid,
                    bytes: *bytes,
                    blocks: resolved.blocks.clone(),
                };
                (content, content_type)
            }
            Kind::Symlink { target } => {
                let target = Bytes::from(target.clone());
                (
                    Content::Bytes(target),
                    HeaderValue::from_static("inode/symlink"),
                )
            }
            Kind::Directory { .. } | Kind::Other { .. } => return Err(Problem::NotUnixfs { cid }),
        };
        let wants_download = query::value(&request.uri, "download").as_deref() == Some("true");
        if wants_download || asked_name.is_some() {
            let kind = if wants_download {
                "attachment"
            } else {
                "inline"
            };
            let name = name.rsplit('/').next().filter(|name| !name.is_empty());
            let name = name.map_or_else(|| cid.to_string(), str::to_owned);
            headers.insert(header::CONTENT_DISPOSITION, disposition(kind, &name));
        }
        if content_type::is_active(&content_type) {
            headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
        }
        let representation = Representation {
            etag: format!("\"{cid}\""),
            content_type,
            freshness,
            openness: resolved.openness,
            content,
            headers,
        };
        Ok(self.answer(request, representation))
    }

    /// Answers with the bytes of one block, whatever its codec.
    pub(crate) async fn raw_block(
        &self,
        request: &Parts,
        resolved: &Resolved,
        mut headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let (cid, openness) = (&resolved.node.cid, resolved.openness);
        let block = self.in_time(resolved.blocks.get(cid)).await?;
        let block = block.map_err(|error| crate::resolve::block_problem(&error))?;
        let name = query::value(&request.uri, "filename").filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("{cid}.bin"));
        headers.insert(
            header::CONTENT_DISPOSITION,
            disposition("attachment", &name),
        );
        let representation = Representation {
            etag: format!("\"{cid}.raw\""),
            content_type: HeaderValue::from_static(RAW_BLOCK),
            freshness: Freshness::Immutable,
            openness,
            content: Content::Bytes(block),
            headers,
        };
        Ok(self.answer(request, representation))
    }

    /// Content type by the first bytes, remembered: a CID's bytes never change.
    async fn sniffed(
        &self,
        blocks: &Blocks,
        cid: &Cid,
        bytes: u64,
    ) -> Result<HeaderValue, Problem> {
        if let Some(known) = self.types.get(cid) {
            return Ok(known);
        }
        let mut head = Vec::new();
        let mut blocks = Box::pin(read::stream(blocks, cid, Some(0..SNIFF_BYTES.min(bytes))));
        while let Some(bytes) = self.in_time(blocks.next()).await? {
            let bytes = bytes.map_err(|error| crate::resolve::read_problem(cid, &error))?;
            head.extend_from_slice(&bytes);
        }
        let found = content_type::by_content(&head);
        self.types.insert(*cid, found.clone(), 1);
        Ok(found)
    }
}

/// `Content-Disposition` with a name in both spellings of RFC 6266 §4.3.
fn disposition(kind: &str, name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let text = format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// `X-Ipfs-Path` and `X-Ipfs-Roots` (IPFS path gateway specification, §3.2).
pub(crate) fn ipfs_headers(content_path: &str, roots: &[Cid]) -> HeaderMap {
    let roots: Vec<String> = roots.iter().map(Cid::to_string).collect();
    let mut headers = HeaderMap::new();
    let named = [
        ("x-ipfs-path", content_path.to_owned()),
        ("x-ipfs-roots", roots.join(",")),
    ];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_name_cannot_break_its_header() {
        let value = disposition("attachment", "a\"b\\\r\nü.mp4");
        let text = value.to_str().unwrap();
        assert_eq!(
            text,
            "attachment; filename=\"a_b____.mp4\"; filename*=UTF-8''a%22b%5C%0D%0A%C3%BC%2Emp4"
        );
    }
}
