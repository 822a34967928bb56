//! Pins at remote services: who wants them, when they are due, and what may be noted.

use cidcast_catalog::{Catalog, RemoteAudience, RemoteNote, RemotePin, WantedRemote};
use cidcast_types::PinState;

use crate::given::{asset_id, at, catalog, cid};

fn by_hand(n: u64) -> WantedRemote {
    WantedRemote {
        service: "there".to_owned(),
        cid: cid(n),
        name: format!("Pin {n}"),
        audience: RemoteAudience::Anyone,
        asset: None,
    }
}

fn of_asset(n: u64) -> WantedRemote {
    WantedRemote {
        asset: Some(asset_id(n)),
        ..by_hand(n)
    }
}

fn note(state: PinState, next_at: Option<u64>) -> RemoteNote {
    RemoteNote {
        state,
        request: Some("r1".to_owned()),
        error: (state == PinState::Error).then(|| "full".to_owned()),
        failures: u32::from(state == PinState::Error),
        since: at(1),
        next_at: next_at.map(at),
    }
}

async fn pins(catalog: &Catalog) -> Vec<RemotePin> {
    catalog.remote_pins(Some("there"), None, 9).await.unwrap()
}

async fn only(catalog: &Catalog) -> RemotePin {
    let mut pins = pins(catalog).await;
    assert_eq!(pins.len(), 1, "{pins:?}");
    pins.remove(0)
}

#[tokio::test]
async fn the_longest_due_comes_first_and_other_services_have_their_own() {
    let catalog = catalog().await;
    let elsewhere = WantedRemote {
        service: "elsewhere".to_owned(),
        ..by_hand(1)
    };
    catalog
        .want_remote_pins(&[by_hand(2)], at(20))
        .await
        .unwrap();
    let two = [by_hand(1), elsewhere];
    catalog.want_remote_pins(&two, at(10)).await.unwrap();
    let due = |now| catalog.remote_pins_due("there", at(now), 9);
    let roots = |pins: Vec<RemotePin>| pins.iter().map(|pin| pin.cid).collect::<Vec<_>>();
    assert_eq!(roots(due(9).await.unwrap()), []);
    assert_eq!(roots(due(10).await.unwrap()), [cid(1)]);
    assert_eq!(roots(due(20).await.unwrap()), [cid(1), cid(2)]);
    assert_eq!(catalog.next_remote_at("there").await.unwrap(), Some(at(10)));
    assert_eq!(catalog.next_remote_at("nowhere").await.unwrap(), None);
    let counts = catalog.remote_pin_counts().await.unwrap();
    let counts: Vec<_> = counts
        .iter()
        .map(|count| (count.service.as_str(), count.state, count.pins))
        .collect();
    assert_eq!(
        counts,
        [
            ("elsewhere", PinState::Queued, 1),
            ("there", PinState::Queued, 2)
        ]
    );
}

#[tokio::test]
async fn what_an_asset_wants_no_longer_goes_unless_a_person_wants_it_too() {
    let catalog = catalog().await;
    let wanted = [of_asset(1), of_asset(2), of_asset(3)];
    catalog.want_remote_pins(&wanted, at(1)).await.unwrap();
    catalog
        .want_remote_pins(&[by_hand(2)], at(2))
        .await
        .unwrap();
    let kept = [("there".to_owned(), cid(3))];
    let gone = catalog.keep_remote_pins_of_assets(&kept, at(3)).await;
    assert_eq!(gone.unwrap(), 2);
    let states: Vec<_> = pins(&catalog)
        .await
        .into_iter()
        .map(|pin| (pin.cid, pin.state, pin.asset))
        .collect();
    assert_eq!(
        states,
        [
            (cid(3), PinState::Queued, Some(asset_id(3))),
            (cid(2), PinState::Queued, None),
            (cid(1), PinState::Unpinning, None),
        ]
    );
    let by_hand = catalog.remote_pins_by_hand().await.unwrap();
    assert_eq!(
        by_hand.iter().map(|pin| pin.cid).collect::<Vec<_>>(),
        [cid(2)]
    );
    let of_assets = catalog.remote_pins_of_assets().await.unwrap();
    assert_eq!(of_assets.len(), 1);
}

#[tokio::test]
async fn an_answer_is_not_noted_for_a_pin_that_has_changed_meanwhile() {
    let catalog = catalog().await;
    catalog
        .want_remote_pins(&[of_asset(1)], at(1))
        .await
        .unwrap();
    let asked = only(&catalog).await;
    let pinned = note(PinState::Pinned, None);

    // It is for others now: the answer is about another pin.
    let members = WantedRemote {
        audience: RemoteAudience::Members,
        ..of_asset(1)
    };
    catalog.want_remote_pins(&[members], at(2)).await.unwrap();
    assert!(!catalog.note_remote_pin(&asked, &pinned).await.unwrap());
    let asked = only(&catalog).await;
    assert_eq!(asked.state, PinState::Queued);
    assert_eq!(asked.request.as_deref(), Some("r1"), "to be replaced there");
    assert!(catalog.note_remote_pin(&asked, &pinned).await.unwrap());

    // It is given up while its service is asked whether it has it still.
    let asked = only(&catalog).await;
    assert_eq!((asked.state, asked.next_at), (PinState::Pinned, None));
    assert!(
        catalog
            .give_up_remote_pin("there", &cid(1), at(3))
            .await
            .unwrap()
    );
    assert!(!catalog.note_remote_pin(&asked, &pinned).await.unwrap());
    assert_eq!(only(&catalog).await.state, PinState::Unpinning);
}

#[tokio::test]
async fn a_pin_that_is_wanted_again_while_it_is_given_up_is_not_forgotten() {
    let catalog = catalog().await;
    catalog
        .want_remote_pins(&[by_hand(1)], at(1))
        .await
        .unwrap();
    let pin = only(&catalog).await;
    let pinned = note(PinState::Pinned, None);
    assert!(catalog.note_remote_pin(&pin, &pinned).await.unwrap());
    assert!(
        catalog
            .give_up_remote_pin("there", &cid(1), at(2))
            .await
            .unwrap()
    );
    catalog
        .want_remote_pins(&[by_hand(1)], at(3))
        .await
        .unwrap();
    catalog.forget_remote_pin(pin.id).await.unwrap();
    let again = only(&catalog).await;
    assert_eq!((again.state, again.request), (PinState::Queued, None));

    assert!(
        catalog
            .give_up_remote_pin("there", &cid(1), at(4))
            .await
            .unwrap()
    );
    catalog.forget_remote_pin(pin.id).await.unwrap();
    assert_eq!(pins(&catalog).await, []);
    assert!(
        !catalog
            .give_up_remote_pin("there", &cid(1), at(5))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn what_has_failed_for_good_is_due_again_when_a_person_says_so() {
    let catalog = catalog().await;
    catalog
        .want_remote_pins(&[of_asset(1)], at(1))
        .await
        .unwrap();
    let pin = only(&catalog).await;
    let failed = note(PinState::Error, None);
    assert!(catalog.note_remote_pin(&pin, &failed).await.unwrap());
    assert_eq!(catalog.next_remote_at("there").await.unwrap(), None);
    catalog
        .retry_remote_pin("there", &cid(1), at(5))
        .await
        .unwrap();
    let retried = only(&catalog).await;
    assert_eq!(
        (retried.state, retried.failures, retried.next_at),
        (PinState::Error, 0, Some(at(5)))
    );
    let by_hand = catalog.remote_pins_by_hand().await.unwrap();
    assert_eq!(by_hand, [], "the asset's pin stays the asset's");

    // What is in order is left alone.
    let pinned = note(PinState::Pinned, Some(90));
    assert!(catalog.note_remote_pin(&retried, &pinned).await.unwrap());
    catalog
        .retry_remote_pin("there", &cid(1), at(6))
        .await
        .unwrap();
    assert_eq!(only(&catalog).await.next_at, Some(at(90)));
}
