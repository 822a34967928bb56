//! RSS 2.0 with the podcast vocabularies of Apple (`itunes`) and Podcasting 2.0 (`podcast`).
//!
//! An item's `enclosure` is its sound as one file, which every podcast client plays; its
//! `podcast:alternateEnclosure` is the whole adaptive stream, by HTTP and by IPFS.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use cidcast_types::{RootCid, Timestamp};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Links, plain};

/// What HLS enclosures are called in podcast feeds.
const HLS: &str = "application/x-mpegURL";
const ATOM: &str = "http://www.w3.org/2005/Atom";
const ITUNES: &str = "http://www.itunes.com/dtds/podcast-1.0.dtd";
const PODCAST: &str = "https://podcastindex.org/namespace/1.0";

/// A publisher and its newest assets.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// The publisher's key.
    pub(crate) publisher: String,
    /// What it calls itself; may be empty.
    pub(crate) name: String,
    /// What it says about itself; may be empty.
    pub(crate) about: String,
    /// Its page.
    pub(crate) web: Option<String>,
    /// When the feed last changed.
    pub(crate) changed: Option<Timestamp>,
    /// Newest first.
    pub(crate) episodes: Vec<Episode>,
}

/// One asset.
#[derive(Debug, Clone)]
pub(crate) struct Episode {
    /// The asset's id.
    pub(crate) asset: String,
    /// Its package.
    pub(crate) root: RootCid,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    /// When it was made.
    pub(crate) created: Timestamp,
    pub(crate) duration: Duration,
    /// Size of the package.
    pub(crate) bytes: u64,
    /// Path of the poster in the package.
    pub(crate) poster: Option<String>,
    /// BCP 47.
    pub(crate) language: Option<String>,
    /// Its sound.
    pub(crate) enclosure: Option<Enclosure>,
}

/// A rendition of sound that is offered as one file.
#[derive(Debug, Clone)]
pub(crate) struct Enclosure {
    /// Its folder in the package: `audio/main`.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
}

type Xml = Writer<Vec<u8>>;

impl Channel {
    /// The document.
    pub(crate) fn to_rss(&self, links: &Links) -> String {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing into a `Vec` cannot fail, and what is written is UTF-8.
        let _ = self.write(&mut xml, links);
        let mut text = String::from_utf8(xml.into_inner()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn write(&self, xml: &mut Xml, links: &Links) -> io::Result<()> {
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("rss")
            .with_attributes([
                ("version", "2.0"),
                ("xmlns:atom", ATOM),
                ("xmlns:itunes", ITUNES),
                ("xmlns:podcast", PODCAST),
            ])
            .write_inner_content(|xml| {
                xml.create_element("channel")
                    .write_inner_content(|xml| self.channel(xml, links))?;
                Ok(())
            })?;
        Ok(())
    }

    fn channel(&self, xml: &mut Xml, links: &Links) -> io::Result<()> {
        let name = match self.name.as_str() {
            "" => self.publisher.as_str(),
            name => name,
        };
        let about = match self.about.as_str() {
            "" => name,
            about => about,
        };
        element(xml, "title", name)?;
        element(xml, "link", self.web.as_deref().unwrap_or(links.base()))?;
        element(xml, "description", about)?;
        xml.create_element("atom:link")
            .with_attributes([
                ("href", links.rss(&self.publisher).as_str()),
                ("rel", "self"),
                ("type", "application/rss+xml"),
            ])
            .write_empty()?;
        element(xml, "generator", "cidcast")?;
        if let Some(changed) = self.changed {
            element(xml, "lastBuildDate", &date(changed))?;
        }
        element(xml, "itunes:author", name)?;
        element(xml, "itunes:type", "episodic")?;
        // Apple refuses a feed without these two. Nothing that is announced says more.
        element(xml, "itunes:explicit", "false")?;
        xml.create_element("itunes:category")
            .with_attribute(("text", "TV & Film"))
            .write_empty()?;
        let newest = self.episodes.iter().find_map(|episode| {
            let poster = episode.poster.as_ref()?;
            Some(links.file(&episode.root, poster))
        });
        if let Some(image) = newest {
            image_of(xml, &image)?;
        }
        self.episodes
            .iter()
            .try_for_each(|episode| self.episode(xml, links, episode))
    }

    fn episode(&self, xml: &mut Xml, links: &Links, episode: &Episode) -> io::Result<()> {
        xml.create_element("item").write_inner_content(|xml| {
            let root = episode.root.to_string();
            element(xml, "title", &episode.title)?;
            element(xml, "link", &links.embed(&root))?;
            element(xml, "description", &episode.description)?;
            element(xml, "pubDate", &date(episode.created))?;
            let guid = format!("urn:cidcast:{}:{}", self.publisher, episode.asset);
            xml.create_element("guid")
                .with_attribute(("isPermaLink", "false"))
                .write_text_content(BytesText::new(&guid))?;
            for tag in &episode.tags {
                element(xml, "category", tag)?;
            }
            if let Some(sound) = &episode.enclosure {
                xml.create_element("enclosure")
                    .with_attributes([
                        ("url", links.whole(&episode.root, &sound.path).as_str()),
                        ("type", "audio/mp4"),
                        ("length", sound.bytes.to_string().as_str()),
                    ])
                    .write_empty()?;
            }
            let seconds = episode.duration.as_secs().to_string();
            element(xml, "itunes:duration", &seconds)?;
            if let Some(poster) = &episode.poster {
                image_of(xml, &links.file(&episode.root, poster))?;
            }
            stream(xml, links, episode)
        })?;
        Ok(())
    }
}

/// The adaptive stream: <https://podcasting2.org/docs/podcast-namespace/tags/alternate-enclosure>.
fn stream(xml: &mut Xml, links: &Links, episode: &Episode) -> io::Result<()> {
    let root = episode.root.to_string();
    let sources = [
        links.play(&root),
        format!("ipfs://{root}/{}", cidcast_media::layout::MASTER),
    ];
    let length = episode.bytes.to_string();
    let mut alternate = xml
        .create_element("podcast:alternateEnclosure")
        .with_attributes([
            ("type", HLS),
            ("length", length.as_str()),
            ("title", "Adaptive stream"),
            ("rel", "alternate"),
        ]);
    if let Some(language) = &episode.language {
        alternate = alternate.with_attribute(("lang", language.as_str()));
    }
    alternate.write_inner_content(|xml| {
        for uri in &sources {
            xml.create_element("podcast:source")
                .with_attribute(("uri", uri.as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn image_of(xml: &mut Xml, href: &str) -> io::Result<()> {
    xml.create_element("itunes:image")
        .with_attribute(("href", href))
        .write_empty()?;
    Ok(())
}

fn element(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name)
        .write_text_content(BytesText::new(&plain(text)))?;
    Ok(())
}

/// RFC 822 §5, as RSS wants it; the form of HTTP (RFC 9110 §5.6.7) is one of those.
fn date(at: Timestamp) -> String {
    // The year 9999 is the last that the form can write.
    const LAST: u64 = 253_402_300_799_000;
    let time = UNIX_EPOCH + Duration::from_millis(at.as_millis().min(LAST));
    httpdate::fmt_http_date(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::Reader;

    fn channel() -> Channel {
        let root = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        Channel {
            publisher: "k51qzi5uqu5djmw2yvf8kk5cdjc1ddc00o4d5sjwi6f79xzcay9j3gkddw5uu4".into(),
            name: "Rabbit & friends".into(),
            about: "Films <about> a rabbit".into(),
            web: Some("https://rabbit.example/".into()),
            changed: Some(Timestamp::from_millis(1_700_000_000_000)),
            episodes: vec![Episode {
                asset: "01j9z3k5v8q2w4e6r7t9y0a1b2".into(),
                root: RootCid::new(root.parse().unwrap()),
                title: "The \"first\" one\u{b}".into(),
                description: "Two\nlines & more".into(),
                tags: vec!["animation".into()],
                created: Timestamp::from_millis(1_699_999_000_000),
                duration: Duration::from_millis(61_900),
                bytes: 12_345_678,
                poster: Some("poster.jpg".into()),
                language: Some("en".into()),
                enclosure: Some(Enclosure {
                    path: "audio/main".into(),
                    bytes: 987_654,
                }),
            }],
        }
    }

    #[test]
    fn a_feed_is_written_as_the_golden_file_says() {
        let text = channel().to_rss(&Links::new("https://media.example".into()));
        assert_eq!(text, include_str!("rss/golden.rss"));
    }

    #[test]
    fn a_feed_is_well_formed_and_means_what_went_in() {
        let text = channel().to_rss(&Links::new("https://media.example".into()));
        let mut reader = Reader::from_str(&text);
        let mut open = Vec::new();
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    let name = tag.name().as_ref().to_owned();
                    names.push(name.clone());
                    open.push(name);
                }
                Event::Empty(tag) => {
                    names.push(tag.name().as_ref().to_owned());
                }
                Event::End(_) => drop(open.pop()),
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        for needed in ["channel", "item", "enclosure", "podcast:source"] {
            assert!(
                names.iter().any(|name| name == needed),
                "{needed}: {names:?}"
            );
        }
    }

    #[test]
    fn a_publisher_without_a_name_is_called_by_its_key() {
        let nameless = Channel {
            name: String::new(),
            about: String::new(),
            web: None,
            episodes: Vec::new(),
            ..channel()
        };
        let text = nameless.to_rss(&Links::new("https://media.example".into()));
        assert!(text.contains(&format!("<title>{}</title>", nameless.publisher)));
        assert!(
            text.contains("<link>https://media.example</link>"),
            "{text}"
        );
    }

    #[test]
    fn a_time_beyond_the_calendar_is_written_all_the_same() {
        let text = date(Timestamp::from_millis(u64::MAX));
        assert_eq!(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
