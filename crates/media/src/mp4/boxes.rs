//! Walking over sibling boxes.

use mp4_atom::{Atom, DecodeMaybe, FourCC, Header};

use super::Mp4Error;

/// One box of a row of siblings.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxView<'a> {
    pub(super) kind: FourCC,
    /// Without the header.
    pub(super) body: &'a [u8],
    /// Position of `body` within the row.
    pub(super) body_offset: usize,
}

/// Splits `row` into its boxes. A rest too short for a header is padding.
pub(super) fn boxes(row: &[u8]) -> Boxes<'_> {
    Boxes { row, offset: 0 }
}

pub(super) struct Boxes<'a> {
    row: &'a [u8],
    offset: usize,
}

impl<'a> Boxes<'a> {
    fn read(&mut self) -> Result<Option<BoxView<'a>>, Mp4Error> {
        let Some(mut rest) = self.row.get(self.offset..) else {
            return Ok(None);
        };
        let before = rest.len();
        let Some(header) = Header::decode_maybe(&mut rest).map_err(|_| Mp4Error::BoxSize)? else {
            return Ok(None);
        };
        let body_offset = self.offset + (before - rest.len());
        let size = header.size.ok_or(Mp4Error::BoxSize)?;
        let body = rest.get(..size).ok_or(Mp4Error::BoxSize)?;
        self.offset = body_offset + size;
        Ok(Some(BoxView {
            kind: header.kind,
            body,
            body_offset,
        }))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<BoxView<'a>, Mp4Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().transpose();
        if matches!(item, Some(Err(_))) {
            self.offset = self.row.len();
        }
        item
    }
}

/// The first box of a type, if there is one.
pub(super) fn find(row: &[u8], kind: FourCC) -> Result<Option<BoxView<'_>>, Mp4Error> {
    for item in boxes(row) {
        let view = item?;
        if view.kind == kind {
            return Ok(Some(view));
        }
    }
    Ok(None)
}

/// The first box of a type.
pub(super) fn require(row: &[u8], kind: FourCC) -> Result<BoxView<'_>, Mp4Error> {
    find(row, kind)?.ok_or(Mp4Error::Missing { kind })
}

/// The body at the end of a path of boxes.
pub(super) fn descend<'a>(row: &'a [u8], path: &[&[u8; 4]]) -> Result<&'a [u8], Mp4Error> {
    path.iter().try_fold(row, |row, &kind| {
        require(row, kind.into()).map(|view| view.body)
    })
}

/// Decodes a box that holds no other boxes.
pub(super) fn leaf<T: Atom>(row: &[u8]) -> Result<T, Mp4Error> {
    decode(require(row, T::KIND)?.body)
}

pub(super) fn decode<T: Atom>(mut body: &[u8]) -> Result<T, Mp4Error> {
    T::decode_body(&mut body).map_err(|source| Mp4Error::Malformed {
        kind: T::KIND,
        source,
    })
}
