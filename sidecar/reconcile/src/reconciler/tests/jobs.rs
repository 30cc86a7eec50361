//! Whose turn it is, and what is done again.

use super::*;

#[test]
fn a_foreign_secret_in_the_way_is_told_of_once_and_looked_at_again() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.check(
        [report("shop", vec![foreign()], Ended::Overtaken)],
        expect![[r#"
            Event on demo: Conflict the Secret shop/tcr.ipsdemo is somebody else's and is left alone; delete it, or set spec.conflictPolicy to adopt or overwrite
            watch others: {"tcr.ipsdemo"}
            list stored credentials"#]],
    );
    world.pass(Duration::from_secs(300));
    let effects = world.step([]);
    assert!(effects.contains(&"in shop: read tcr.ipsdemo".to_owned()), "{effects:?}");
}

#[test]
fn a_foreign_secret_that_is_gone_makes_room_for_ours_at_once() {
    let other = |event| Input::Watch(WatchEvent::Other("tcr.ipsdemo".to_owned(), event));
    let secret =
        |uid: &str| Placed { namespace: "shop".into(), name: "tcr.ipsdemo".into(), seen: uid.into() };
    let made = ["in shop: create tcr.ipsdemo", "watch others: {}"];
    let world = || {
        let mut world = World::ready(false, docker("demo", "a"));
        world.step([report("shop", vec![foreign()], Ended::Overtaken)]);
        world
    };
    let mut deleted = world();
    deleted.check([other(Watched::Deleted(secret("one before")))], expect![""]);
    assert_eq!(deleted.step([other(Watched::Deleted(secret("theirs")))]), made);
    let mut unlisted = world();
    unlisted.check([other(Watched::ListBegan), other(Watched::Listed(secret("theirs")))], expect![""]);
    unlisted.check([other(Watched::ListEnded)], expect![""]);
    assert_eq!(unlisted.step([other(Watched::ListBegan), other(Watched::ListEnded)]), made);
}

#[test]
fn a_foreign_secret_whose_image_pull_secret_is_gone_keeps_nobody_busy() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.step([report("shop", vec![foreign()], Ended::Overtaken)]);
    world.step([Input::Watch(WatchEvent::ImagePullSecret(Watched::Deleted(docker("demo", "a"))))]);
    world.pass(Duration::from_secs(301));
    world.check([], expect![""]);
    assert!(world.wake.is_none_or(|at| at > world.now.monotonic), "it would never sleep");
}

#[test]
fn who_changes_something_back_again_and_again_is_searched_and_named() {
    let mut world = World::ready(false, docker("demo", "a"));
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done), account(&["tcr.ipsdemo"], 1)]);
    let mut effects = Vec::new();
    for round in 1..=4 {
        effects = world.step([account(&[], round * 10)]);
        world.step([account(&["tcr.ipsdemo"], round * 10 + 1), report("shop", Vec::new(), Ended::Done)]);
    }
    assert!(effects.contains(&"find the rival at shop/default".to_owned()), "{effects:?}");
    let target = distribution::Target {
        namespace: "shop".into(),
        kind: distribution::TargetKind::ServiceAccount,
        name: "default".into(),
    };
    let effects = world.step([Input::RivalFound { target, rival: Some("argocd".to_owned()) }]);
    let event = "Event on demo: Contested argocd keeps changing ServiceAccount shop/default back";
    assert!(effects.iter().any(|it| it.starts_with(event)), "{effects:?}");
}

#[test]
fn bulk_work_leaves_room_for_what_somebody_waits_for() {
    let mut world = World::new(false);
    let names: Vec<String> = (0..100).map(|index| format!("ns-{index:02}")).collect();
    world.step([applied(docker("demo", "a"))]);
    world.step(names.iter().map(|name| namespace(name)).chain(lists()));
    let jobs = |effects: Vec<String>| effects.into_iter().filter(|it| it.starts_with("in ")).count();
    // A password that changes is bulk work for every namespace.
    world.pass(Duration::from_secs(60));
    let mut running = 0;
    for name in &names {
        let secret = world.secret("demo");
        running = jobs(world.step([report(name, vec![secret], Ended::Done)]));
    }
    assert_eq!(running, 0, "everything is as it shall be");
    let changed = docker_with("demo", "b", &json!({"generation": 2}));
    assert_eq!(jobs(world.step([applied(changed)])), 28);
    world.step([namespace("new")]);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.step([]), ["in new: create tcr.ipsdemo"]);
}

#[test]
fn work_that_may_wait_has_its_turn_without_another_event() {
    let mut world = World::new(false);
    // Of a release that made no marks: it is read, but nobody waits for that.
    let seen = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: None,
        labelled: true,
        mendable: true,
        marked: false,
        unread: true,
    };
    let places: Vec<String> = (0..10).map(|index| format!("ns-{index}")).collect();
    let secret = |place: &String| {
        let placed = Placed { namespace: (**place).into(), name: "tcr.ipsdemo".into(), seen: seen.clone() };
        Input::Watch(WatchEvent::Secret(Watched::Listed(Some(placed))))
    };
    let namespaces = places.iter().map(|place| namespace(place));
    world.step(namespaces.chain(places.iter().map(secret)).chain([applied(docker("demo", "a"))]));
    let reads = |effects: Vec<String>| effects.iter().filter(|it| it.contains(": read ")).count();
    assert_eq!(reads(world.step(lists())), 8, "some at once");
    let wake = world.wake.unwrap();
    assert!(wake > world.now.monotonic);
    world.pass(wake - world.now.monotonic);
    assert_eq!(reads(world.step([])), 2, "and then the rest");
}

#[test]
fn a_namespace_is_worked_on_by_one_job_at_a_time() {
    let mut world = World::ready(false, docker("demo", "a"));
    assert_eq!(world.step([account(&[], 1), account(&["other"], 2)]), Vec::<String>::new());
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.contains(&"in shop: edit default".to_owned()), "{effects:?}");
}

#[test]
fn with_the_most_jobs_there_is_no_wake_for_the_next_one() {
    let mut world = World::new(false);
    world.step([applied(docker("demo", "a"))]);
    world.step(lists());
    let names: Vec<String> = (0..32).map(|index| format!("ns-{index:02}")).collect();
    world.step(names.iter().map(|name| namespace(name)));
    world.pass(Duration::from_millis(10));
    assert_eq!(world.step([]).len(), 32);
    world.step([namespace("late")]);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.step([]), Vec::<String>::new());
    let is_awake = world.wake.is_some_and(|at| at <= world.now.monotonic);
    assert!(!is_awake, "it would not sleep until a job ends");
    let secret = world.secret("demo");
    assert_eq!(world.step([report("ns-00", vec![secret], Ended::Done)]), ["in late: create tcr.ipsdemo"]);
}
