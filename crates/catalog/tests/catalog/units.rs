//! Finished units: found again, shown to playlists, and dropped with their last asset.

use cidcast_catalog::{Catalog, NewInit, NewSegment, NewUnit, Unit, UnitName};
use cidcast_media::plan::PlanKey;
use cidcast_types::{Cid, RenditionName};

use crate::given::{asset, asset_id, at, catalog, cid};
use crate::jobs::planned;

fn rendition(name: &str) -> RenditionName {
    name.parse().unwrap()
}

/// A chunk with two segments for each of two renditions, given in reverse.
fn chunk(index: u32, init: u64) -> NewUnit {
    let n = u64::from(index) * 100;
    let names = ["360p", "720p"];
    let segment = |name: &str, number: u32, salt: u64| NewSegment {
        rendition: rendition(name),
        index: number,
        cid: cid(n + salt),
        bytes: 1_000 + n,
        duration: 96_000,
        timescale: 24_000,
    };
    let mut segments = Vec::new();
    for (name, salt) in names.into_iter().zip([10, 20]) {
        segments.push(segment(name, index * 2 + 1, salt + 1));
        segments.push(segment(name, index * 2, salt));
    }
    NewUnit {
        name: UnitName::Chunk(index),
        root: cid(n + 1),
        bytes: 4_000,
        inits: names
            .map(|name| NewInit {
                rendition: rendition(name),
                cid: cid(init),
                bytes: 700,
                info: r#"{"timescale":24000}"#.to_owned(),
            })
            .to_vec(),
        segments,
    }
}

fn plan_key() -> PlanKey {
    planned().1.key()
}

async fn saved(catalog: &Catalog, source: &Cid, units: &[NewUnit]) {
    for unit in units {
        catalog.save_unit(source, &plan_key(), unit).await.unwrap();
    }
}

#[tokio::test]
async fn a_unit_is_found_by_source_plan_and_name_only() {
    let catalog = catalog().await;
    saved(&catalog, &cid(1), &[chunk(0, 9)]).await;
    let key = plan_key();
    let found = catalog
        .unit(&cid(1), &key, &UnitName::Chunk(0))
        .await
        .unwrap();
    assert_eq!(
        found,
        Some(Unit {
            root: cid(1),
            bytes: 4_000
        })
    );
    let other_key = {
        let (_, mut plan) = planned();
        plan.encoder.push('x');
        plan.key()
    };
    let audio = UnitName::Audio(rendition("audio"));
    assert_eq!(
        catalog
            .unit(&cid(2), &key, &UnitName::Chunk(0))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        catalog
            .unit(&cid(1), &other_key, &UnitName::Chunk(0))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        catalog
            .unit(&cid(1), &key, &UnitName::Chunk(1))
            .await
            .unwrap(),
        None
    );
    assert_eq!(catalog.unit(&cid(1), &key, &audio).await.unwrap(), None);
    let names: Vec<_> = catalog
        .units(&cid(1), &key)
        .await
        .unwrap()
        .into_keys()
        .collect();
    assert_eq!(names, [UnitName::Chunk(0)]);
}

#[tokio::test]
async fn segments_come_in_order_whatever_order_the_chunks_finished_in() {
    let catalog = catalog().await;
    saved(&catalog, &cid(1), &[chunk(2, 9), chunk(0, 9), chunk(1, 9)]).await;
    let found = catalog.segments(&cid(1), &plan_key()).await.unwrap();
    assert_eq!(
        found.keys().map(RenditionName::as_str).collect::<Vec<_>>(),
        ["360p", "720p"]
    );
    for stored in found.values() {
        assert_eq!(
            stored.segments.iter().map(|s| s.index).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5]
        );
        assert_eq!(stored.inits.len(), 1, "the same init of every chunk is one");
    }
    let third = &found[&rendition("720p")].segments[2];
    assert_eq!((third.cid, third.bytes), (cid(120), 1_100));
    assert_eq!((third.duration, third.timescale), (96_000, 24_000));
}

#[tokio::test]
async fn an_init_that_differs_is_not_hidden() {
    let catalog = catalog().await;
    saved(&catalog, &cid(1), &[chunk(1, 8), chunk(0, 9)]).await;
    let found = catalog.segments(&cid(1), &plan_key()).await.unwrap();
    let inits = &found[&rendition("720p")].inits;
    assert_eq!(
        inits.iter().map(|init| init.cid).collect::<Vec<_>>(),
        [cid(9), cid(8)]
    );
    assert_eq!(inits[0].info, r#"{"timescale":24000}"#);
}

#[tokio::test]
async fn saving_a_unit_again_replaces_it_whole() {
    let catalog = catalog().await;
    let mut grown = chunk(0, 9);
    saved(&catalog, &cid(1), &[grown.clone(), grown.clone()]).await;
    grown.segments.truncate(1);
    grown.root = cid(77);
    saved(&catalog, &cid(1), &[grown]).await;
    let found = catalog.segments(&cid(1), &plan_key()).await.unwrap();
    assert_eq!(found[&rendition("360p")].segments.len(), 1);
    assert!(found[&rendition("720p")].segments.is_empty());
    let unit = catalog
        .unit(&cid(1), &plan_key(), &UnitName::Chunk(0))
        .await
        .unwrap();
    assert_eq!(unit.map(|unit| unit.root), Some(cid(77)));
}

#[tokio::test]
async fn a_unit_that_does_not_fit_is_not_saved_in_part() {
    let catalog = catalog().await;
    let mut broken = chunk(0, 9);
    broken.segments[3].timescale = 0;
    catalog
        .save_unit(&cid(1), &plan_key(), &broken)
        .await
        .unwrap_err();
    assert!(
        catalog
            .units(&cid(1), &plan_key())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        catalog
            .segments(&cid(1), &plan_key())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn units_go_with_the_last_asset_that_uses_them() {
    let catalog = catalog().await;
    let (media, plan) = planned();
    let source = cid(1);
    for n in [1, 2] {
        let mut new = asset(n);
        new.source.cid = source;
        catalog.create(&new).await.unwrap();
        catalog
            .save_plan(&new.id, &media, &plan, at(5))
            .await
            .unwrap();
    }
    saved(&catalog, &source, &[chunk(0, 9), chunk(1, 9)]).await;
    saved(&catalog, &cid(2), &[chunk(0, 9)]).await;

    catalog.delete(&asset_id(1)).await.unwrap();
    assert_eq!(
        catalog
            .drop_units_unless_used(&source, &plan.key())
            .await
            .unwrap(),
        []
    );
    assert_eq!(catalog.units(&source, &plan.key()).await.unwrap().len(), 2);

    catalog.delete(&asset_id(2)).await.unwrap();
    let mut dropped = catalog
        .drop_units_unless_used(&source, &plan.key())
        .await
        .unwrap();
    dropped.sort();
    let mut expected = [cid(1), cid(101)];
    expected.sort();
    assert_eq!(dropped, expected);
    assert!(
        catalog
            .segments(&source, &plan.key())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        catalog
            .drop_units_unless_used(&source, &plan.key())
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        catalog.units(&cid(2), &plan.key()).await.unwrap().len(),
        1,
        "another source"
    );
}
