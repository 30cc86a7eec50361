//! Whatever it is told, in whatever order.

use proptest::prelude::*;

use super::*;

fn any_input() -> impl Strategy<Value = u64> {
    any::<u64>()
}

/// An input out of a number: what anybody may tell, in any order, also what answers nothing that was asked.
fn input(number: u64) -> Input {
    let name = ["demo", "other"][(number >> 8) as usize % 2];
    let place = ["shop", "team"][(number >> 9) as usize % 2];
    let version = number >> 16 & 0xff;
    let secret = || SeenSecret::Ours {
        uid: Uid::of(["u1", "u2"][(number >> 10) as usize % 2]),
        version: Version(version),
        digest: None,
        labelled: number >> 11 & 1 == 0,
        mendable: true,
        marked: number >> 12 & 1 == 0,
        unread: number >> 13 & 1 == 0,
    };
    let placed = |seen| Placed { namespace: place.into(), name: derived_secret_name(name).into(), seen };
    match number % 20 {
        0..3 => applied(docker(name, "a")),
        3 => applied(docker_with(
            name,
            "b",
            &json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2}),
        )),
        4 => applied(instance(name, &json!({"generation": 3}))),
        5 => Input::Watch(WatchEvent::ImagePullSecret(Watched::Deleted(docker(name, "a")))),
        6 | 7 => namespace(place),
        8 => {
            let seen = SeenNamespace { name: place.into(), terminating: true, labels: Labels::default() };
            Input::Watch(WatchEvent::Namespace(Watched::Deleted(seen)))
        }
        9 => account(&["tcr.ipsdemo"][..version as usize % 2], version),
        10 => Input::Watch(WatchEvent::Secret(Watched::Applied(Some(placed(secret()))))),
        11 => Input::Watch(WatchEvent::Secret(Watched::Deleted(Some(placed(secret()))))),
        12 => {
            let written = Written::Secret { name: derived_secret_name(name), seen: Some(secret()) };
            report(place, vec![written], Ended::Done)
        }
        13 => report(place, vec![foreign()], Ended::Overtaken),
        14 => {
            report(place, vec![Written::Secret { name: derived_secret_name(name), seen: None }], Ended::Done)
        }
        15 => Input::Watch(WatchEvent::Secret(Watched::ListBegan)),
        16 => Input::StatusWritten {
            name: name.to_owned(),
            status: Arc::default(),
            result: Err(Refused::Failed),
        },
        17 => {
            let key = instance(name, &json!({})).key().unwrap();
            let event = match version % 3 {
                0 => CredentialEvent::Available { held: held("a"), why: None },
                1 => CredentialEvent::Failing {
                    reason: ConditionReason::CloudFailed,
                    message: "no".to_owned(),
                },
                _ => CredentialEvent::Ended,
            };
            Input::Credential(key, event)
        }
        _ => {
            let [objects, namespaces, accounts, secrets, passwords] = lists();
            match version % 5 {
                0 => objects,
                1 => namespaces,
                2 => accounts,
                3 => secrets,
                _ => passwords,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_same_inputs_give_the_same_effects_and_none_makes_it_panic_or_stay_awake(
        numbers in prop::collection::vec((any_input(), 0..400_u64), 1..120),
    ) {
        let mut worlds = [World::new(true), World::new(true)];
        worlds[1].started = worlds[0].started;
        worlds[1].now = worlds[0].now;
        for (number, seconds) in numbers {
            let [one, two] = &mut worlds;
            for world in [&mut *one, &mut *two] {
                world.pass(Duration::from_secs(seconds));
            }
            let effects = one.step([input(number)]);
            prop_assert_eq!(&effects, &two.step([input(number)]));
            prop_assert_eq!(one.wake, two.wake);
            // Nothing that was begun has ended, so that a second step has nothing to do.
            let again = one.step([]);
            prop_assert_eq!(&again, &two.step([]));
            prop_assert_eq!(again, Vec::<String>::new());
            prop_assert!(one.wake.is_none_or(|at| at > one.now.monotonic), "it would not sleep after {number}");
        }
    }
}
