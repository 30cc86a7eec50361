//! When an ImagePullSecret is taken up, and when it is let go.

use std::collections::BTreeSet;

use super::*;
use crate::status::Link;

#[test]
fn nothing_is_written_before_every_first_list_is_complete() {
    let mut world = World::new(false);
    world.check([applied(docker("demo", "a")), namespace("shop")], expect![""]);
    for (index, end) in lists().into_iter().enumerate() {
        let effects = world.step([end]);
        assert_eq!(effects.is_empty(), index < 4, "{effects:?}");
        if index == 4 {
            expect![[r#"
                resolve links of []
                watch Pods
                become ready
                in shop: create tcr.ipsdemo
                status of demo: Ready False Progressing"#]]
            .assert_eq(&effects.join("\n"));
        }
    }
}

#[test]
fn a_finalizer_is_put_on_before_anything_is_distributed_and_once() {
    let mut world = World::new(false);
    world.step([applied(docker_with("demo", "a", &json!({"finalizers": []}))), namespace("shop")]);
    world.step(lists());
    assert_eq!(world.step([]), Vec::<String>::new(), "it is under way");
    let (name, resource_version) = ("demo".to_owned(), "1".to_owned());
    world.step([Input::FinalizersWritten { name, resource_version, result: Ok(()) }]);
    let metadata = json!({"resourceVersion": "2"});
    world.check([applied(docker_with("demo", "a", &metadata))], expect!["in shop: create tcr.ipsdemo"]);
}

/// One that is gone and there again while its writes are under way.
#[test]
fn an_object_of_the_same_name_waits_for_the_writes_of_the_one_before_and_takes_none_of_their_answers() {
    let without = |uid: &str, version: &str| {
        let metadata = json!({"uid": uid, "resourceVersion": version, "finalizers": []});
        docker_with("demo", "a", &metadata)
    };
    let finalizers = format!("finalizers of demo: [{FINALIZER:?}]");
    let answers = || {
        let (name, resource_version) = ("demo".to_owned(), "1".to_owned());
        let status = Input::StatusWritten { name: name.clone(), status: Arc::default(), result: Ok(()) };
        [status, Input::FinalizersWritten { name, resource_version, result: Ok(()) }]
    };
    let deleted = || Input::Watch(WatchEvent::ImagePullSecret(Watched::Deleted(without("first", "2"))));
    let applied = || applied(without("second", "3"));
    // Whether its end was told, and what comes first: the end of the writes, or the next one.
    for (told, between) in [(true, false), (true, true), (false, false)] {
        let mut world = World::new(false);
        world.step([super::applied(without("first", "1"))]);
        let effects = world.step(lists());
        assert!(effects.contains(&finalizers) && effects.iter().any(|it| it.starts_with("status of demo")));
        world.pass(Duration::from_secs(10));
        if told {
            world.step([deleted()]);
        }
        if between {
            world.step(answers());
        }
        let mut effects = world.step([applied()]);
        if !between {
            assert!(!effects.iter().any(|it| it.contains("of demo")), "two at a time: {effects:?}");
            world.pass(Duration::from_secs(10));
            effects = world.step(answers());
        }
        assert!(effects.contains(&finalizers), "{told} {between}: {effects:?}");
        assert!(effects.iter().any(|it| it.starts_with("status of demo")), "{told} {between}: {effects:?}");
        assert!(world.reconciler.writes_of_gone.is_empty());
    }
}

#[test]
fn finalizers_that_could_not_be_written_are_written_again_after_a_while() {
    let mut world = World::new(false);
    world.step([applied(docker_with("demo", "a", &json!({"finalizers": []})))]);
    world.step(lists());
    let (name, resource_version) = ("demo".to_owned(), "1".to_owned());
    let failed = Input::FinalizersWritten { name, resource_version, result: Err(Refused::Failed) };
    assert!(!world.step([failed]).iter().any(|it| it.starts_with("finalizers")));
    world.pass(Duration::from_secs(5));
    assert!(world.wake.is_some_and(|at| at <= world.now.monotonic), "nobody would come back to it");
    let effects = world.step([]);
    assert!(effects.contains(&format!("finalizers of demo: [{FINALIZER:?}]")), "{effects:?}");
}

#[test]
fn a_deleted_object_goes_after_its_secrets_its_credential_and_its_hosts_entries() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let key = world.reconciler.items["demo"].object.key().unwrap();
    let event = |event| Input::Credential(key.clone(), event);
    let available = CredentialEvent::Available { held: held("a"), why: None };
    world.check(
        [event(available)],
        expect![[r#"
            resolve links of ["demo"]
            in shop: create tcr.ipsdemo"#]],
    );
    let secret = world.secret("demo");
    let links = world.links(&["demo"]);
    world.check(
        [report("shop", vec![secret], Ended::Done), links],
        expect![[r#"
            list stored credentials
            order keeper of tcr-demo0001, rolled out: true, over: false"#]],
    );
    let deleting =
        instance("demo", &json!({"resourceVersion": "2", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
    world.check(
        [applied(deleting)],
        expect![[r#"
            order keeper of tcr-demo0001, rolled out: true, over: false
            in shop: delete tcr.ipsdemo"#]],
    );
    let gone = Written::Secret { name: "tcr.ipsdemo".to_owned(), seen: None };
    world.check(
        [report("shop", vec![gone], Ended::Done)],
        expect![[r#"
            order keeper of tcr-demo0001, rolled out: true, over: true
            resolve links of []"#]],
    );
    world.check([event(CredentialEvent::Ended)], expect![""]);
    let links = world.links(&[]);
    world.check([links], expect!["finalizers of demo: []"]);
}

#[test]
fn after_a_restart_too_a_deleted_object_goes_after_its_hosts_entries() {
    let deleting = instance("demo", &json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    let mut world = World::new(false);
    let key = deleting.key().unwrap();
    world.step([applied(deleting), namespace("shop")]);
    world.step(lists());
    let effects = world.step([Input::Credential(key, CredentialEvent::Ended)]);
    assert_eq!(effects, Vec::<String>::new(), "nobody knows yet what the nodes have");
    let older = LinkEvent::Links {
        number: world.link_requests - 1,
        links: Vec::new(),
        applied: Some(BTreeSet::from(["demo".to_owned()])),
    };
    let failed = LinkEvent::Links { number: world.link_requests, links: Vec::new(), applied: None };
    assert_eq!(world.step([older, failed].map(Input::Links)), Vec::<String>::new());
    let links = world.links(&[]);
    world.check([links], expect!["finalizers of demo: []"]);
}

/// Its Secret holds a service account of the instance.
fn account(name: &str, generation: i64, namespaces: &str, registry: &str) -> Box<Object> {
    let credential = json!({"type": "serviceAccount", "registryNamespaces": [registry]});
    let tcr = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential, "domains": ["default"],
    });
    object(name, &json!({"generation": generation}), &json!({"namespaces": namespaces, "tcr": tcr}))
}

#[test]
fn service_accounts_that_may_stand_beside_others_are_for_their_own_images_alone() {
    let mut world = World::ready(false, account("one", 1, "*", "team"));
    world.step([applied(account("two", 1, "shop", "base"))]);
    for name in ["one", "two"] {
        let key = world.reconciler.items[name].object.key().unwrap();
        let available = CredentialEvent::Available { held: held(name), why: None };
        world.step([Input::Credential(key, available)]);
    }
    let keys = |world: &World, name: &str| {
        let content = world.reconciler.items[name].content.as_ref().unwrap();
        let logins = tcr::docker_config::DockerConfig::logins(content.bytes()).unwrap();
        logins.into_keys().collect::<Vec<_>>()
    };
    let (host, team, base) = (
        "demo.tencentcloudcr.com".to_owned(),
        "demo.tencentcloudcr.com/team/".to_owned(),
        "demo.tencentcloudcr.com/base/".to_owned(),
    );
    assert_eq!([keys(&world, "one"), keys(&world, "two")], [[team.clone()], [base.clone()]]);
    // Named apart they are for their hosts again, which everything reads.
    world.step([applied(account("one", 2, "other", "team"))]);
    assert_eq!([keys(&world, "one"), keys(&world, "two")], [[host.clone()], [host.clone()]]);
    world.step([applied(account("one", 3, "shop,other", "team"))]);
    assert_eq!([keys(&world, "one"), keys(&world, "two")], [[team], [base]]);
    let gone = WatchEvent::ImagePullSecret(Watched::Deleted(account("one", 3, "shop", "team")));
    world.step([Input::Watch(gone)]);
    assert_eq!(keys(&world, "two"), [host]);
    assert_eq!(world.reconciler.items["two"].overlapping, 0);
}

proptest::proptest! {
    /// However objects come, change and go: the counts are those that comparing all with all gives.
    #[test]
    fn what_overlaps_is_counted_as_by_comparing_all_with_all(
        steps in proptest::collection::vec((0..4_usize, 0..6_usize, proptest::bool::ANY), 0..24),
    ) {
        use crate::overlap::Claim;
        let mut world = World::ready(false, account("one", 1, "*", "team"));
        for (step, (who, selects, goes)) in steps.into_iter().enumerate() {
            let name = ["one", "two", "three", "four"][who];
            let namespaces = ["*", "shop", "other", "shop,other", "s*", "!shop"][selects];
            let object = account(name, i64::try_from(step).unwrap() + 2, namespaces, "team");
            let event = if goes { Watched::Deleted(object) } else { Watched::Applied(object) };
            world.step([Input::Watch(WatchEvent::ImagePullSecret(event))]);
            let items = &world.reconciler.items;
            for (name, item) in items {
                let others = items.iter().filter(|(other, _)| *other != name);
                let claim = Claim::of(&item.object).unwrap();
                let expected = others.filter(|(_, other)| claim.overlaps(&Claim::of(&other.object).unwrap())).count();
                proptest::prop_assert_eq!(item.overlapping, expected, "{}", name);
            }
        }
    }
}

#[test]
fn nodes_keep_what_an_object_gave_them_while_its_spec_cannot_be_carried_out() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let link = Link {
        resolves: true,
        is_up: Some(true),
        reason: ConditionReason::Running,
        message: String::new(),
        vpc_id: None,
        address: None,
        hosts: vec!["demo.tencentcloudcr.com".parse().unwrap()],
        links: Vec::new(),
    };
    let number = world.link_requests;
    let (links, applied_to) =
        (vec![("demo".to_owned(), Some(link))], Some(BTreeSet::from(["demo".to_owned()])));
    world.step([Input::Links(LinkEvent::Links { number, links, applied: applied_to })]);
    let wrong = |metadata: &Value| {
        let mut wrong = instance("demo", metadata);
        wrong.spec = Err("privateNetwork.domains: is empty".to_owned());
        applied(wrong)
    };
    let resolving = |effects: Vec<String>| -> Vec<String> {
        effects.into_iter().filter(|it| it.starts_with("resolve")).collect()
    };
    let effects = world.step([wrong(&json!({"resourceVersion": "2", "generation": 2}))]);
    assert_eq!(resolving(effects), [r#"resolve links of [], keep ["demo.tencentcloudcr.com"] of demo"#]);
    assert!(!world.reconciler.links.is_withdrawn("demo"));
    // Until it is deleted.
    let metadata =
        json!({"resourceVersion": "3", "generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"});
    assert_eq!(resolving(world.step([wrong(&metadata)])), ["resolve links of []"]);
}
