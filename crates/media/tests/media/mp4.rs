//! Splitting and reading what ffmpeg wrote.

use bytes::Bytes;
use cidcast_media::mp4::{
    FourCC, InitInfo, InitMedia, Mp4Error, Part, SegmentInfo, Splitter, number_segment,
};
use proptest::prelude::*;

use crate::sample::{AUDIO, VIDEO_0, VIDEO_1, split};

fn boxes(bytes: &[u8]) -> Vec<String> {
    let mut kinds = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        kinds.push(String::from_utf8(rest[4..8].to_vec()).unwrap());
        rest = &rest[size..];
    }
    kinds
}

#[test]
fn a_file_is_cut_into_its_init_and_its_segments() {
    let (init, segments) = split(VIDEO_1);
    assert_eq!(boxes(&init), ["ftyp", "moov"]);
    assert_eq!(segments.len(), 2);
    for segment in &segments {
        assert_eq!(boxes(segment), ["moof", "mdat"]);
    }
}

#[test]
fn both_chunks_have_the_same_init_segment() {
    assert_eq!(split(VIDEO_0).0, split(VIDEO_1).0);
}

#[test]
fn an_init_segment_tells_codec_size_and_edit_list() {
    let video = InitInfo::parse(&split(VIDEO_0).0).unwrap();
    assert_eq!(video.codec, "avc1.64000a");
    assert_eq!(
        video.media,
        InitMedia::Video {
            width: 64,
            height: 48
        }
    );
    assert_eq!(
        (video.timescale, video.edit_media_time, video.edit_delay),
        (12_800, 1_024, 0)
    );
    let audio = InitInfo::parse(&split(AUDIO).0).unwrap();
    assert_eq!(audio.codec, "mp4a.40.2");
    assert_eq!(
        audio.media,
        InitMedia::Audio {
            channels: 1,
            sample_rate: 48_000
        }
    );
    assert_eq!(
        (audio.timescale, audio.edit_media_time, audio.edit_delay),
        (48_000, 1_024, 0)
    );
}

#[test]
fn segments_follow_each_other_across_chunks_without_a_gap() {
    let (init, mut segments) = split(VIDEO_0);
    let init = InitInfo::parse(&init).unwrap();
    segments.extend(split(VIDEO_1).1);
    let mut decode_time = 0;
    for segment in &segments {
        let info = SegmentInfo::parse(segment, &init).unwrap();
        assert_eq!(info.base_decode_time, decode_time);
        assert_eq!((info.duration, info.samples), (25_600, 50));
        assert!(info.starts_with_sync);
        assert_eq!(
            info.earliest_presentation,
            i64::try_from(decode_time).unwrap()
        );
        decode_time += info.duration;
    }
    assert_eq!(decode_time, 6 * 12_800);
}

#[test]
fn priming_is_presented_before_zero() {
    let (init, segments) = split(AUDIO);
    let init = InitInfo::parse(&init).unwrap();
    let infos: Vec<_> = segments
        .iter()
        .map(|segment| SegmentInfo::parse(segment, &init).unwrap())
        .collect();
    assert_eq!(infos[0].earliest_presentation, -1_024);
    assert_eq!(infos[1].earliest_presentation, 94 * 1_024 - 1_024);
    assert_eq!(infos.iter().map(|info| info.samples).sum::<u32>(), 283);
}

#[test]
fn a_numbered_segment_does_not_tell_its_chunk() {
    let (init, segments) = split(VIDEO_1);
    let init = InitInfo::parse(&init).unwrap();
    let numbered = number_segment(&segments[1], 2).unwrap();
    assert_eq!(boxes(&numbered), ["styp", "moof", "mdat"]);
    // styp, header of moof, header of mfhd, version and flags
    let at = 28 + 8 + 8 + 4;
    assert_eq!(numbered[at..at + 4], 3u32.to_be_bytes());
    assert_eq!(
        SegmentInfo::parse(&numbered, &init).unwrap(),
        SegmentInfo::parse(&segments[1], &init).unwrap()
    );
    assert_eq!(number_segment(&numbered, 2).unwrap(), numbered);
}

#[test]
fn a_negative_decode_time_is_refused_with_the_remedy() {
    let (init, segments) = split(AUDIO);
    let init = InitInfo::parse(&init).unwrap();
    let mut segment = segments[0].to_vec();
    let tfdt = segment
        .windows(4)
        .position(|window| window == b"tfdt")
        .unwrap();
    segment[tfdt + 8..tfdt + 16].copy_from_slice(&(-1_024i64).to_be_bytes());
    let error = SegmentInfo::parse(&segment, &init).unwrap_err();
    assert!(matches!(error, Mp4Error::DecodeTime));
    assert!(error.to_string().contains("frag_discont"));
}

#[test]
fn a_segment_that_lost_samples_is_refused() {
    let (init, segments) = split(VIDEO_0);
    let init = InitInfo::parse(&init).unwrap();
    let mut segment = segments[0].to_vec();
    let mdat = segment
        .windows(4)
        .position(|window| window == b"mdat")
        .unwrap();
    segment.truncate(segment.len() - 10);
    let size = u32::try_from(segment.len() - (mdat - 4)).unwrap();
    segment[mdat - 4..mdat].copy_from_slice(&size.to_be_bytes());
    assert!(matches!(
        SegmentInfo::parse(&segment, &init),
        Err(Mp4Error::SampleData)
    ));
}

#[test]
fn a_file_that_stops_early_is_an_error_and_so_is_an_empty_one() {
    assert!(matches!(Splitter::new().finish(), Err(Mp4Error::Empty)));
    let ends = [4, 100, 776 + 4, 776 + 504, VIDEO_0.len() - 1];
    for end in ends {
        let mut splitter = Splitter::new();
        splitter.push(&VIDEO_0[..end]).unwrap();
        assert!(
            matches!(splitter.finish(), Err(Mp4Error::Truncated)),
            "{end}"
        );
    }
}

#[test]
fn a_box_that_claims_gigabytes_is_refused_before_it_is_held() {
    let moof = 28 + 748;
    let mdat = moof + 504;
    for (at, kind) in [
        (0, b"ftyp"),
        (28, b"moov"),
        (moof, b"moof"),
        (mdat, b"mdat"),
    ] {
        let mut file = VIDEO_0.to_vec();
        file[at..at + 4].copy_from_slice(&0xF000_0000u32.to_be_bytes());
        let mut splitter = Splitter::new();
        match splitter.push(&file) {
            Err(Mp4Error::TooLarge { kind: found, .. }) => assert_eq!(found, FourCC::from(kind)),
            other => panic!("{kind:?}: {other:?}"),
        }
        assert!(matches!(splitter.push(&[0]), Err(Mp4Error::AfterError)));
        assert!(matches!(splitter.finish(), Err(Mp4Error::AfterError)));
    }
}

#[test]
fn a_box_that_nobody_wants_is_not_held_however_large() {
    let mut splitter = Splitter::new();
    splitter.push(&VIDEO_0[..776]).unwrap();
    // A 64-bit size of a terabyte.
    let mut header = vec![0, 0, 0, 1];
    header.extend_from_slice(b"free");
    header.extend_from_slice(&(1u64 << 40).to_be_bytes());
    splitter.push(&header).unwrap();
    for _ in 0..64 {
        assert_eq!(splitter.push(&[0; 65_536]).unwrap(), []);
        assert_eq!(splitter.held(), 0);
    }
    assert!(matches!(splitter.finish(), Err(Mp4Error::Truncated)));
}

#[test]
fn two_files_in_a_row_are_refused() {
    let mut splitter = Splitter::new();
    splitter.push(VIDEO_0).unwrap();
    assert!(matches!(
        splitter.push(VIDEO_1),
        Err(Mp4Error::Unexpected { .. })
    ));
}

#[test]
fn boxes_nested_beyond_reason_do_not_exhaust_the_stack() {
    let depth = 100_000u32;
    let mut nested = Vec::new();
    for level in 0..depth {
        nested.extend_from_slice(&((depth - level) * 8).to_be_bytes());
        nested.extend_from_slice(b"moov");
    }
    assert!(InitInfo::parse(&nested).is_err());
}

/// Parts as one row of bytes each, however the file arrives.
fn split_in(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<Part> {
    let mut splitter = Splitter::new();
    let mut parts = Vec::new();
    for piece in pieces {
        parts.extend(splitter.push(&piece).unwrap());
    }
    parts.extend(splitter.finish().unwrap());
    parts
}

fn read_everything(bytes: &[u8], init: &InitInfo) {
    let mut splitter = Splitter::new();
    let parts = splitter.push(bytes).unwrap_or_default();
    let _ = splitter.finish();
    for part in parts {
        match part {
            Part::Init(bytes) => drop(InitInfo::parse(&bytes)),
            Part::Segment(bytes) => {
                let _ = SegmentInfo::parse(&bytes, init);
                let _ = number_segment(&bytes, 7);
            }
        }
    }
    let _ = InitInfo::parse(bytes);
    let _ = SegmentInfo::parse(bytes, init);
    let _ = number_segment(bytes, u32::MAX);
}

proptest! {
    #[test]
    fn parts_do_not_depend_on_how_the_bytes_arrive(
        sizes in proptest::collection::vec(1usize..3_000, 1..40),
    ) {
        let whole = split_in(std::iter::once(VIDEO_1.to_vec()));
        let mut rest = VIDEO_1;
        let mut sizes = sizes.into_iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            let (piece, after) = rest.split_at(size);
            rest = after;
            (!piece.is_empty()).then(|| piece.to_vec())
        });
        prop_assert_eq!(split_in(pieces), whole);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        let init = InitInfo::parse(&split(VIDEO_0).0).unwrap();
        read_everything(&bytes, &init);
    }

    #[test]
    fn damaged_files_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        sound in any::<bool>(),
    ) {
        let file = if sound { AUDIO } else { VIDEO_1 };
        let init = InitInfo::parse(&split(file).0).unwrap();
        let mut bytes = file.to_vec();
        // Damage to the samples themselves is invisible here, so it goes where the boxes are.
        let headers = 1_400;
        for (index, value) in damage {
            bytes[index.index(headers)] = value;
        }
        read_everything(&bytes, &init);
        bytes.truncate(cut.index(bytes.len()));
        read_everything(&bytes, &init);
    }

    #[test]
    fn damaged_init_segments_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sound in any::<bool>(),
    ) {
        let init: Bytes = split(if sound { AUDIO } else { VIDEO_0 }).0;
        let mut bytes = init.to_vec();
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let _ = InitInfo::parse(&bytes);
    }
}
