//! Plans of whatever a person may upload.

use cidcast_media::plan::{LadderSettings, Plan, PlanError, PlanJsonError};
use cidcast_media::source::{Rational, SourceMedia};
use cidcast_types::Micros;
use proptest::prelude::*;

use crate::golden::assert_golden;
use crate::sample::source;

const ENCODER: &str = "ffmpeg 5.1.6 x264 164";

fn plan(source: &SourceMedia) -> Plan {
    Plan::new(source, &LadderSettings::default(), ENCODER).unwrap()
}

fn film() -> SourceMedia {
    source(
        1280,
        720,
        Rational {
            num: 24_000,
            den: 1_001,
        },
        Micros(55_055_000),
    )
}

#[test]
fn the_plan_and_its_key_are_those_of_the_golden_file() {
    let plan = plan(&film());
    assert_golden("plan-720p.json", &format!("{}\n", plan.to_json()));
    assert_golden("plan-720p.key", &format!("{}\n", plan.key()));
}

#[test]
fn a_plan_reads_back_and_keeps_its_key() {
    let plan = plan(&film());
    let read = Plan::from_json(&plan.to_json()).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.key(), plan.key());
}

#[test]
fn a_plan_of_another_version_is_not_used() {
    let json = plan(&film())
        .to_json()
        .replace("\"version\":1", "\"version\":2");
    assert!(matches!(
        Plan::from_json(&json),
        Err(PlanJsonError::Version { found: 2, known: 1 })
    ));
    assert!(matches!(
        Plan::from_json("{}"),
        Err(PlanJsonError::Malformed(_))
    ));
}

#[test]
fn whatever_changes_bytes_changes_the_key() {
    let base = plan(&film());
    let other_encoder = Plan::new(&film(), &LadderSettings::default(), "ffmpeg 6").unwrap();
    let other_crf = LadderSettings {
        crf: 24,
        ..LadderSettings::default()
    };
    let other_crf = Plan::new(&film(), &other_crf, ENCODER).unwrap();
    let mut longer = film();
    longer.duration = Micros(60_000_000);
    longer.video.as_mut().unwrap().duration = None;
    let keys = [&base, &other_encoder, &other_crf, &plan(&longer)].map(Plan::key);
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn what_does_not_change_bytes_does_not_change_the_key() {
    let mut renamed = film();
    renamed.container = "matroska,webm".to_owned();
    renamed.bytes = 7;
    assert_eq!(plan(&renamed).key(), plan(&film()).key());
}

#[test]
fn sound_alone_gives_no_picture_work() {
    let mut song = film();
    song.video = None;
    let plan = plan(&song);
    assert!(plan.video.is_empty() && plan.chunks.is_empty());
    assert_eq!(plan.audio.len(), 1);
    assert_eq!(plan.segments.duration, Micros::from_secs(4));
}

#[test]
fn neither_pictures_nor_sound_is_an_error() {
    let mut empty = film();
    empty.video = None;
    empty.audio.clear();
    assert_eq!(
        Plan::new(&empty, &LadderSettings::default(), ENCODER),
        Err(PlanError::NoTracks)
    );
}

#[test]
fn bad_settings_are_refused_before_anything_is_planned() {
    let settings = LadderSettings {
        max_renditions: 0,
        ..LadderSettings::default()
    };
    assert!(matches!(
        Plan::new(&film(), &settings, ENCODER),
        Err(PlanError::Settings(_))
    ));
}

fn rates() -> impl Strategy<Value = Rational> {
    prop_oneof![
        (1u32..=240).prop_map(|num| Rational { num, den: 1 }),
        (1u32..=120).prop_map(|fps| Rational {
            num: fps * 1_000,
            den: 1_001
        }),
        (1u32.., 1u32..).prop_map(|(num, den)| Rational { num, den }),
    ]
}

proptest! {
    #[test]
    fn any_source_gets_a_plan_without_gaps(
        millis in 40u64..48 * 3_600_000,
        rate in rates(),
        width in 2u32..9_000,
        height in 2u32..9_000,
        variable: bool,
        late in 0u64..2_000_000,
        known_length: bool,
    ) {
        let duration = Micros(millis * 1_000);
        let mut media = source(width, height, rate, duration);
        let video = media.video.as_mut().unwrap();
        video.variable_frame_rate = variable;
        video.start = Micros(late);
        video.duration = known_length.then_some(duration);
        let plan = match Plan::new(&media, &LadderSettings::default(), ENCODER) {
            Err(PlanError::PictureTooNarrow { .. }) => return Ok(()),
            plan => plan.unwrap(),
        };
        prop_assert!((1..=4).contains(&plan.video.len()));
        prop_assert!(plan.segments.duration > Micros::ZERO);
        let (first, last) = (plan.chunks.first().unwrap(), plan.chunks.last().unwrap());
        prop_assert_eq!((first.start, first.first_segment), (Micros::ZERO, 0));
        prop_assert_eq!(last.end, None);
        for (index, chunk) in plan.chunks.iter().enumerate() {
            prop_assert_eq!(chunk.index as usize, index);
            prop_assert!(chunk.segments > 0 && chunk.threads > 0);
            let alone = plan.chunks.len() == 1;
            let long = plan.segments.duration.0 > 20_000_000;
            let at_an_end = index == 0 || index + 1 == plan.chunks.len();
            prop_assert!(at_an_end || alone || long || chunk.segments >= 2);
        }
        for pair in plan.chunks.windows(2) {
            prop_assert_eq!(pair[0].end, Some(pair[1].start));
            prop_assert!(pair[0].start < pair[1].start);
            prop_assert_eq!(pair[0].first_segment + pair[0].segments, pair[1].first_segment);
        }
        let expected: u64 = plan.chunks.iter().map(|chunk| u64::from(chunk.segments)).sum();
        let planned = u128::from(expected) * u128::from(plan.segments.duration.0);
        prop_assert!(planned + 2_000_000 >= u128::from(duration.0.saturating_sub(late)) * 99 / 100);
        prop_assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
    }
}
