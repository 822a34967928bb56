//! A multivariant playlist with some of its media playlists left out.

use super::attributes::{Quoting, attributes};
use super::{HlsError, parse_master};

const VARIANT: &str = "#EXT-X-STREAM-INF:";
const RENDITION: &str = "#EXT-X-MEDIA:";
const I_FRAMES: &str = "#EXT-X-I-FRAME-STREAM-INF:";

/// Codecs of sound, as `CODECS` begins them (RFC 6381; the rest of the list is pictures).
const SOUND: [&str; 5] = ["mp4a", "opus", "ac-3", "ec-3", "flac"];

/// The playlist with only those media playlists for whose URI `keep` says yes. Everything else of
/// it stays as it is.
///
/// Pictures whose sound is left out play without it. If sound is all that is left, its first
/// rendition becomes the one variant, with the smallest bandwidth of the playlist: that one is an
/// upper bound, which RFC 8216bis §4.4.6.2 asks for.
///
/// # Errors
///
/// [`HlsError`] if it is not a multivariant playlist, or nothing of it is left.
pub fn only_with(playlist: &str, keep: impl Fn(&str) -> bool) -> Result<String, HlsError> {
    let parsed = parse_master(playlist)?;
    let kept = parsed.renditions.iter().filter(|tag| match &tag.uri {
        Some(uri) => keep(uri),
        None => true,
    });
    let sound: Vec<_> = kept.collect();
    let mut cut = Cut {
        text: String::with_capacity(playlist.len()),
        groups: sound.iter().map(|tag| tag.group.as_str()).collect(),
        variants: 0,
    };
    let mut lines = playlist.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let content = line.trim_end();
        if content.starts_with(VARIANT) {
            cut.variant(line, &mut lines, &keep);
        } else if content.starts_with(RENDITION) || content.starts_with(I_FRAMES) {
            if uri(content).is_none_or(&keep) {
                cut.text.push_str(line);
            }
        } else {
            cut.text.push_str(line);
        }
    }
    if cut.variants > 0 {
        return Ok(cut.text);
    }
    let first = sound.iter().find_map(|tag| tag.uri.as_deref());
    let first = first.ok_or(HlsError::Missing {
        tag: "EXT-X-STREAM-INF",
    })?;
    let variants = &parsed.variants;
    let bandwidth = variants.iter().map(|variant| variant.bandwidth).min();
    let codecs = variants.iter().flat_map(|variant| &variant.codecs);
    let mut codecs: Vec<&str> = codecs.map(String::as_str).filter(is_sound).collect();
    codecs.dedup();
    cut.sound_only(first, bandwidth.unwrap_or_default(), &codecs);
    Ok(cut.text)
}

/// A playlist that is being cut down.
struct Cut<'a> {
    text: String,
    /// Groups of sound that are left.
    groups: Vec<&'a str>,
    variants: usize,
}

impl Cut<'_> {
    /// A variant's tag; its URI is the next line that is neither empty nor a tag.
    fn variant<'l>(
        &mut self,
        tag: &'l str,
        lines: &mut impl Iterator<Item = &'l str>,
        keep: impl Fn(&str) -> bool,
    ) {
        let mut between = vec![tag];
        for line in lines {
            let content = line.trim_end();
            if content.is_empty() || content.starts_with('#') {
                between.push(line);
                continue;
            }
            if keep(content) {
                self.variants += 1;
                self.text.push_str(&self.with_sound_that_is_left(tag));
                for line in between.into_iter().skip(1) {
                    self.text.push_str(line);
                }
                self.text.push_str(line);
            }
            return;
        }
    }

    /// The tag, without the group and the codecs of sound that was left out.
    fn with_sound_that_is_left(&self, tag: &str) -> String {
        let content = tag.trim_end();
        let list = content.get(VARIANT.len()..).unwrap_or_default();
        let is_lost = |name: &str, value: &str| name == "AUDIO" && !self.groups.contains(&value);
        let read: Vec<_> = attributes(list).flatten().collect();
        if !read.iter().any(|a| is_lost(a.name, a.value)) {
            return tag.to_owned();
        }
        let left = read.iter().filter(|a| !is_lost(a.name, a.value));
        let left = left.map(|a| match (a.name, a.quoting) {
            ("CODECS", _) => format!("CODECS=\"{}\"", pictures(a.value)),
            (name, Quoting::Quoted) => format!("{name}=\"{}\"", a.value),
            (name, Quoting::Bare) => format!("{name}={}", a.value),
        });
        let left: Vec<String> = left.collect();
        let ending = tag.get(content.len()..).unwrap_or_default();
        format!("{VARIANT}{}{ending}", left.join(","))
    }

    fn sound_only(&mut self, uri: &str, bandwidth: u64, codecs: &[&str]) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text
            .push_str(&format!("{VARIANT}BANDWIDTH={bandwidth}"));
        if !codecs.is_empty() {
            self.text
                .push_str(&format!(",CODECS=\"{}\"", codecs.join(",")));
        }
        if let [group, ..] = self.groups.as_slice() {
            self.text.push_str(&format!(",AUDIO=\"{group}\""));
        }
        self.text.push_str(&format!("\n{uri}\n"));
    }
}

/// The `URI` of a tag.
fn uri(content: &str) -> Option<&str> {
    let (_, list) = content.split_once(':')?;
    let mut read = attributes(list).flatten();
    read.find(|a| a.name == "URI").map(|a| a.value)
}

fn is_sound(codec: &&str) -> bool {
    let codec = codec.trim().to_ascii_lowercase();
    SOUND.iter().any(|sound| codec.starts_with(sound))
}

fn pictures(codecs: &str) -> String {
    let left: Vec<&str> = codecs.split(',').filter(|codec| !is_sound(codec)).collect();
    left.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"en\",DEFAULT=YES,URI=\"audio/en/playlist.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"de\",DEFAULT=NO,URI=\"audio/de/playlist.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.64,mp4a.40.2\",RESOLUTION=1280x720,AUDIO=\"audio\"\n\
        video/720p/playlist.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=400,CODECS=\"avc1.64,mp4a.40.2\",RESOLUTION=854x480,AUDIO=\"audio\"\n\
        video/480p/playlist.m3u8\n";

    fn with(names: &[&str]) -> Result<String, HlsError> {
        only_with(MASTER, |uri| names.iter().any(|name| uri.contains(name)))
    }

    #[test]
    fn what_is_kept_stays_byte_for_byte() {
        assert_eq!(with(&["720p", "480p", "en", "de"]).unwrap(), MASTER);
        let small = with(&["480p", "/en/"]).unwrap();
        let expected: String = MASTER
            .split_inclusive('\n')
            .filter(|line| !line.contains("720") && !line.contains("\"de\""))
            .collect();
        assert_eq!(small, expected);
    }

    #[test]
    fn pictures_without_their_sound_promise_none() {
        let silent = with(&["480p"]).unwrap();
        let parsed = parse_master(&silent).unwrap();
        assert!(parsed.renditions.is_empty());
        assert_eq!(parsed.variants.len(), 1);
        assert_eq!(parsed.variants[0].audio, None);
        assert_eq!(parsed.variants[0].codecs, ["avc1.64"]);
        assert_eq!(parsed.variants[0].resolution, Some((854, 480)));
    }

    #[test]
    fn sound_alone_is_a_variant_of_its_own() {
        let heard = parse_master(&with(&["/de/"]).unwrap()).unwrap();
        assert_eq!(heard.renditions.len(), 1);
        assert_eq!(heard.variants.len(), 1);
        assert_eq!(heard.variants[0].uri, "audio/de/playlist.m3u8");
        assert_eq!(heard.variants[0].bandwidth, 400);
        assert_eq!(heard.variants[0].codecs, ["mp4a.40.2"]);
    }

    #[test]
    fn nothing_left_and_nothing_to_begin_with_are_errors() {
        assert!(matches!(with(&[]), Err(HlsError::Missing { .. })));
        assert_eq!(only_with("", |_| true), Err(HlsError::NotAPlaylist));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(#EXTM3U\n)?(#EXT-X-(STREAM-INF|MEDIA):[A-Z=\",ü0-9]{0,20}\n|[a-z]{0,5}\n){0,6}") {
            let _ = only_with(&text, |uri| uri.len() % 2 == 0);
        }
    }
}
