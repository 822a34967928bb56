//! oEmbed 1.0 (<https://oembed.com>): how a page shows a player for a URL.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::{Value, json};

use super::{Links, plain};

/// The player's size where nobody asks for less.
const WIDTH: u32 = 960;

/// How large the frame may be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FramedSize {
    /// `maxwidth`.
    pub(crate) most_width: Option<u32>,
    /// `maxheight`.
    pub(crate) most_height: Option<u32>,
}

/// An asset that is to be embedded.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    /// The asset's id or the root CID of its package, as it stands in URLs.
    pub(crate) subject: String,
    pub(crate) title: String,
    /// Who published it; empty if nobody is known.
    pub(crate) author: String,
    /// Where its poster is.
    pub(crate) poster: Option<String>,
    /// Pixels of the picture; `None`: sound only, or not known.
    pub(crate) frame: Option<(u32, u32)>,
}

impl Embedded {
    fn fields(&self, links: &Links, most: FramedSize) -> Vec<(&'static str, Value)> {
        let (width, height) = fitted(self.frame.unwrap_or((16, 9)), most);
        let html = format!(
            "<iframe src=\"{}\" title=\"{}\" width=\"{width}\" height=\"{height}\" \
             style=\"border:0\" allow=\"autoplay; fullscreen; picture-in-picture\" \
             allowfullscreen></iframe>",
            quick_xml::escape::escape(links.embed(&self.subject)),
            quick_xml::escape::escape(&self.title),
        );
        let mut fields = vec![
            ("type", json!("video")),
            ("version", json!("1.0")),
            ("title", json!(self.title)),
            ("provider_name", json!("cidcast")),
            ("provider_url", json!(links.base())),
            ("width", json!(width)),
            ("height", json!(height)),
            ("html", json!(html)),
        ];
        if !self.author.is_empty() {
            fields.push(("author_name", json!(self.author)));
        }
        if let (Some(poster), Some((width, height))) = (&self.poster, self.frame) {
            fields.push(("thumbnail_url", json!(poster)));
            fields.push(("thumbnail_width", json!(width)));
            fields.push(("thumbnail_height", json!(height)));
        }
        fields
    }

    /// `format=json`
    pub(crate) fn to_json(&self, links: &Links, most: FramedSize) -> String {
        let fields = self.fields(links, most).into_iter();
        let object: serde_json::Map<String, Value> = fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Value::Object(object).to_string()
    }

    /// `format=xml`
    pub(crate) fn to_xml(&self, links: &Links, most: FramedSize) -> String {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing into a `Vec` cannot fail, and what is written is UTF-8.
        let _ = xml.write_event(Event::Decl(BytesDecl::new(
            "1.0",
            Some("utf-8"),
            Some("yes"),
        )));
        let _ = xml.create_element("oembed").write_inner_content(|xml| {
            for (name, value) in self.fields(links, most) {
                let text = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                xml.create_element(name)
                    .write_text_content(BytesText::new(&plain(&text)))?;
            }
            Ok(())
        });
        let mut text = String::from_utf8(xml.into_inner()).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The largest frame of the picture's shape within `most`, and no wider than the default.
fn fitted((width, height): (u32, u32), most: FramedSize) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let room = u64::from(most.most_width.unwrap_or(WIDTH).clamp(1, WIDTH));
    let tall = most
        .most_height
        .map_or(u64::MAX, |most| u64::from(most.max(1)));
    let (mut wide, mut high) = (room, room * height / width);
    if high > tall {
        (wide, high) = (tall * width / height, tall);
    }
    let pixels = |length: u64| u32::try_from(length.max(1)).unwrap_or(u32::MAX);
    (pixels(wide), pixels(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rabbit() -> Embedded {
        Embedded {
            subject: "bafyroot".into(),
            title: "Rabbit \"&\" <friends>".into(),
            author: "Meadow".into(),
            poster: Some("https://media.example/ipfs/bafyroot/poster.jpg".into()),
            frame: Some((1280, 720)),
        }
    }

    #[test]
    fn a_frame_keeps_its_shape_within_what_is_allowed() {
        let at_most = |most_width, most_height| FramedSize {
            most_width,
            most_height,
        };
        assert_eq!(fitted((1280, 720), at_most(None, None)), (960, 540));
        assert_eq!(fitted((1280, 720), at_most(Some(320), None)), (320, 180));
        assert_eq!(fitted((720, 1280), at_most(None, Some(400))), (225, 400));
        assert_eq!(fitted((0, 0), at_most(Some(0), Some(0))), (1, 1));
        let odd = fitted((u32::MAX, 1), at_most(Some(u32::MAX), None));
        assert_eq!(odd, (960, 1));
    }

    #[test]
    fn both_forms_say_the_same_as_the_golden_files() {
        let links = Links::new("https://media.example".into());
        let json = rabbit().to_json(&links, FramedSize::default());
        let golden: Value = serde_json::from_str(include_str!("oembed/golden.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), golden);
        let xml = rabbit().to_xml(&links, FramedSize::default());
        assert_eq!(xml, include_str!("oembed/golden.xml"));
    }

    #[test]
    fn a_title_cannot_break_out_of_the_frame() {
        let links = Links::new("https://media.example".into());
        let evil = Embedded {
            title: "\"></iframe><script>alert(1)</script>".into(),
            ..rabbit()
        };
        let json: Value =
            serde_json::from_str(&evil.to_json(&links, FramedSize::default())).unwrap();
        let html = json["html"].as_str().unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert_eq!(html.matches("</iframe>").count(), 1, "{html}");
    }

    #[test]
    fn sound_alone_has_a_frame_but_no_thumbnail() {
        let links = Links::new("https://media.example".into());
        let sound = Embedded {
            frame: None,
            author: String::new(),
            ..rabbit()
        };
        let json: Value =
            serde_json::from_str(&sound.to_json(&links, FramedSize::default())).unwrap();
        assert_eq!(
            (&json["width"], &json["height"]),
            (&json!(960), &json!(540))
        );
        assert_eq!(json.get("thumbnail_url"), None);
        assert_eq!(json.get("author_name"), None);
    }
}
