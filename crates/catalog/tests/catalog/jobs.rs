//! What jobs may do, and what stays of it.

use cidcast_catalog::{Catalog, ChangeError, Permanence};
use cidcast_media::plan::{LadderSettings, Plan};
use cidcast_media::source::{AudioTrack, SourceMedia};
use cidcast_types::{AssetState, Micros};

use crate::given::{asset, asset_id, at, catalog, failure, root};

const WORKING: [AssetState; 5] = [
    AssetState::Queued,
    AssetState::Probing,
    AssetState::Transcoding,
    AssetState::Packaging,
    AssetState::Pinning,
];

async fn with_assets(count: u64) -> Catalog {
    let catalog = catalog().await;
    for n in 1..=count {
        catalog.create(&asset(n)).await.unwrap();
    }
    catalog
}

#[tokio::test]
async fn jobs_run_in_order_of_arrival_and_settled_ones_do_not() {
    let catalog = with_assets(5).await;
    catalog
        .save_package(&asset_id(1), &root(1), 1, at(9))
        .await
        .unwrap();
    catalog
        .fail(
            &asset_id(3),
            &failure(Permanence::Permanent),
            1,
            None,
            at(9),
        )
        .await
        .unwrap();
    catalog
        .set_state(&asset_id(4), AssetState::Transcoding, at(9))
        .await
        .unwrap();
    let expected = [asset_id(2), asset_id(4), asset_id(5)];
    assert_eq!(catalog.runnable(at(9), 10).await.unwrap(), expected);
    assert_eq!(catalog.runnable(at(9), 2).await.unwrap(), expected[..2]);
    let unsettled = catalog.unsettled(10).await.unwrap();
    assert_eq!(
        unsettled.iter().map(|asset| asset.id).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn a_job_that_waits_runs_when_its_time_has_come() {
    let catalog = with_assets(1).await;
    let why = failure(Permanence::Retryable);
    catalog
        .set_state(&asset_id(1), AssetState::Pinning, at(10))
        .await
        .unwrap();
    catalog
        .fail(&asset_id(1), &why, 2, Some(at(50)), at(11))
        .await
        .unwrap();
    assert_eq!(catalog.runnable(at(49), 10).await.unwrap(), []);
    assert_eq!(catalog.next_attempt().await.unwrap(), Some(at(50)));
    assert_eq!(catalog.runnable(at(50), 10).await.unwrap(), [asset_id(1)]);

    let waiting = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempt), (AssetState::Queued, 2));
    assert_eq!(
        (waiting.failure, waiting.next_attempt_at),
        (Some(why), Some(at(50)))
    );

    catalog
        .set_state(&asset_id(1), AssetState::Probing, at(51))
        .await
        .unwrap();
    let working = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!((working.failure, working.next_attempt_at), (None, None));
    assert_eq!(
        working.attempt, 2,
        "the count goes on until the job settles"
    );
    assert_eq!(catalog.next_attempt().await.unwrap(), None);
}

#[tokio::test]
async fn a_failure_for_good_stays_until_someone_asks_again() {
    let catalog = with_assets(1).await;
    let why = failure(Permanence::Permanent);
    catalog
        .fail(&asset_id(1), &why, 1, None, at(5))
        .await
        .unwrap();
    let failed = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (failed.state, failed.failure),
        (AssetState::Failed, Some(why))
    );

    catalog.requeue(&asset_id(1), at(6)).await.unwrap();
    let queued = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (queued.state, queued.failure, queued.attempt),
        (AssetState::Queued, None, 0)
    );
    assert_eq!(catalog.runnable(at(6), 10).await.unwrap(), [asset_id(1)]);
}

#[tokio::test]
async fn a_waiting_job_can_be_asked_to_run_now() {
    let catalog = with_assets(1).await;
    let why = failure(Permanence::Retryable);
    catalog
        .fail(&asset_id(1), &why, 1, Some(at(1_000)), at(5))
        .await
        .unwrap();
    catalog.requeue(&asset_id(1), at(6)).await.unwrap();
    assert_eq!(catalog.runnable(at(6), 10).await.unwrap(), [asset_id(1)]);
}

#[tokio::test]
async fn a_job_that_runs_or_is_ready_is_not_queued_again() {
    let catalog = with_assets(2).await;
    catalog
        .set_state(&asset_id(1), AssetState::Transcoding, at(5))
        .await
        .unwrap();
    catalog
        .save_package(&asset_id(2), &root(1), 1, at(5))
        .await
        .unwrap();
    for (n, state) in [(1, AssetState::Transcoding), (2, AssetState::Ready)] {
        let refused = catalog.requeue(&asset_id(n), at(6)).await;
        assert!(
            matches!(refused, Err(ChangeError::WrongState { state: found, .. }) if found == state),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_working_job_may_go_to_any_working_state() {
    let catalog = with_assets(1).await;
    for from in WORKING {
        for to in WORKING {
            catalog.set_state(&asset_id(1), from, at(5)).await.unwrap();
            catalog
                .set_progress(&asset_id(1), 50.0, Some(1.5))
                .await
                .unwrap();
            catalog.set_state(&asset_id(1), to, at(6)).await.unwrap();
            let asset = catalog.get(&asset_id(1)).await.unwrap().unwrap();
            assert_eq!((asset.state, asset.progress, asset.speed), (to, 0.0, None));
        }
    }
}

#[tokio::test]
async fn a_settled_job_refuses_everything_a_worker_does() {
    let catalog = with_assets(2).await;
    catalog
        .save_package(&asset_id(1), &root(1), 1, at(5))
        .await
        .unwrap();
    catalog
        .fail(
            &asset_id(2),
            &failure(Permanence::Permanent),
            1,
            None,
            at(5),
        )
        .await
        .unwrap();
    let (media, plan) = planned();
    for n in [1, 2] {
        let id = asset_id(n);
        let before = catalog.get(&id).await.unwrap();
        let refused = [
            catalog.set_state(&id, AssetState::Probing, at(6)).await,
            catalog.set_progress(&id, 1.0, None).await,
            catalog.save_plan(&id, &media, &plan, at(6)).await,
            catalog
                .fail(&id, &failure(Permanence::Retryable), 1, Some(at(9)), at(6))
                .await,
            catalog.save_package(&id, &root(2), 2, at(6)).await,
        ];
        for answer in refused {
            assert!(
                matches!(answer, Err(ChangeError::WrongState { .. })),
                "{answer:?}"
            );
        }
        assert_eq!(catalog.get(&id).await.unwrap(), before);
    }
}

#[tokio::test]
async fn ready_and_failed_are_not_set_by_name() {
    let catalog = with_assets(1).await;
    for state in [AssetState::Ready, AssetState::Failed] {
        let refused = catalog.set_state(&asset_id(1), state, at(6)).await;
        assert!(
            matches!(refused, Err(ChangeError::WrongState { .. })),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_worker_learns_that_its_asset_was_deleted() {
    let catalog = with_assets(1).await;
    catalog.delete(&asset_id(1)).await.unwrap();
    let answers = [
        catalog
            .set_state(&asset_id(1), AssetState::Probing, at(6))
            .await,
        catalog.set_progress(&asset_id(1), 1.0, None).await,
        catalog.save_package(&asset_id(1), &root(2), 2, at(6)).await,
        catalog.requeue(&asset_id(1), at(6)).await,
    ];
    for answer in answers {
        assert!(
            matches!(answer, Err(ChangeError::NoSuchAsset(_))),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn progress_is_a_percentage_whatever_is_said() {
    let catalog = with_assets(1).await;
    let cases = [
        (-1.0, 0.0),
        (12.5, 12.5),
        (1e9, 100.0),
        (f32::NAN, 0.0),
        (f32::INFINITY, 100.0),
    ];
    for (said, kept) in cases {
        catalog
            .set_progress(&asset_id(1), said, Some(f32::NAN))
            .await
            .unwrap();
        let asset = catalog.get(&asset_id(1)).await.unwrap().unwrap();
        assert_eq!((asset.progress, asset.speed), (kept, None), "{said}");
    }
}

#[tokio::test]
async fn a_package_makes_the_asset_ready_and_clears_what_went_wrong() {
    let catalog = with_assets(1).await;
    let why = failure(Permanence::Retryable);
    catalog
        .fail(&asset_id(1), &why, 3, Some(at(7)), at(5))
        .await
        .unwrap();
    catalog
        .save_package(&asset_id(1), &root(4), 1 << 40, at(8))
        .await
        .unwrap();
    let ready = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!((ready.state, ready.progress), (AssetState::Ready, 100.0));
    assert_eq!(
        (ready.root, ready.package_bytes),
        (Some(root(4)), Some(1 << 40))
    );
    assert_eq!(
        (ready.failure, ready.attempt, ready.next_attempt_at),
        (None, 0, None)
    );
}

#[tokio::test]
async fn a_plan_reads_back_with_its_key() {
    let catalog = with_assets(1).await;
    let (media, plan) = planned();
    catalog
        .save_plan(&asset_id(1), &media, &plan, at(6))
        .await
        .unwrap();
    let asset = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!(asset.plan_key, Some(plan.key()));
    assert_eq!((asset.media, asset.plan), (Some(media), Some(plan)));
}

#[tokio::test]
async fn a_plan_of_another_version_is_made_anew_but_still_shown_when_ready() {
    let catalog = with_assets(1).await;
    let (media, mut plan) = planned();
    plan.version += 1;
    catalog
        .save_plan(&asset_id(1), &media, &plan, at(6))
        .await
        .unwrap();
    let working = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!((working.plan, working.plan_key), (None, Some(plan.key())));

    catalog
        .save_package(&asset_id(1), &root(1), 1, at(7))
        .await
        .unwrap();
    let ready = catalog.get(&asset_id(1)).await.unwrap().unwrap();
    assert_eq!(ready.plan, Some(plan));
}

pub(crate) fn planned() -> (SourceMedia, Plan) {
    let media = SourceMedia {
        container: "mp3".to_owned(),
        duration: Micros::from_secs(10),
        start: -5,
        bytes: 1_000,
        video: None,
        audio: vec![AudioTrack {
            stream: 0,
            codec: "mp3".to_owned(),
            channels: 2,
            sample_rate: 44_100,
            language: Some("de".to_owned()),
        }],
        cover: None,
    };
    let plan = Plan::new(&media, &LadderSettings::default(), "an encoder").unwrap();
    (media, plan)
}
