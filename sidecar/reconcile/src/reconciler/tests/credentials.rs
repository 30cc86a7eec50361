//! Credentials, stored ones, and logins that registries are asked about.

use super::*;

#[test]
fn stored_credentials_that_cannot_be_listed_are_listed_again_later_and_not_at_once() {
    let mut world = World::ready(false, docker("demo", "a"));
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done)]);
    assert_eq!(world.step([Input::StoredCredentials(None)]), Vec::<String>::new());
    world.pass(Duration::from_secs(5));
    assert!(world.wake.is_some_and(|at| at <= world.now.monotonic));
    assert_eq!(world.step([]), ["list stored credentials"]);
    assert_eq!(world.step([Input::StoredCredentials(Some(Vec::new()))]), Vec::<String>::new());
    world.pass(Duration::from_secs(500));
    assert_eq!(world.step([]), Vec::<String>::new(), "once is enough");
}

#[test]
fn a_credential_is_rolled_out_once_no_namespace_has_the_one_before() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let key = world.reconciler.items["demo"].object.key().unwrap();
    let available = |token: &str| {
        Input::Credential(key.clone(), CredentialEvent::Available { held: held(token), why: None })
    };
    world.step([available("a")]);
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.iter().any(|it| it.contains("rolled out: true")), "{effects:?}");
    world.check(
        [available("b")],
        expect![[r#"
            order keeper of tcr-demo0001, rolled out: false, over: false
            in shop: update tcr.ipsdemo"#]],
    );
    let secret = world.secret("demo");
    let effects = world.step([report("shop", vec![secret], Ended::Done)]);
    assert!(effects.iter().any(|it| it.contains("rolled out: true")), "{effects:?}");
}

#[test]
fn a_spec_that_moves_to_another_instance_needs_the_credential_before_until_there_is_the_next() {
    let mut world = World::ready(false, instance("demo", &json!({})));
    let available = |object: &Object| {
        Input::Credential(object.key().unwrap(), CredentialEvent::Available { held: held("a"), why: None })
    };
    let first = instance("demo", &json!({}));
    world.step([available(&first)]);
    let secret = world.secret("demo");
    world.step([report("shop", vec![secret], Ended::Done)]);
    let mut second = instance("demo", &json!({"generation": 2}));
    if let Ok(spec) = &mut second.spec {
        spec.tcr.as_mut().unwrap().instance_id = "tcr-other001".to_owned();
    }
    let moved = available(&second);
    let effects = world.effects([applied(second)]);
    let is_given_up =
        |it: &Effect| matches!(it, Effect::OrderKeeper { order, .. } if order.is_over || !order.is_needed);
    assert!(!effects.iter().any(is_given_up), "namespaces have it, and the next one may never come");
    let effects: Vec<String> = effects.iter().map(shown).collect();
    assert!(effects.iter().any(|it| it.starts_with("start keeper of tcr-other001")), "{effects:?}");
    let effects = world.step([moved]);
    let over = "order keeper of tcr-demo0001, rolled out: true, over: true";
    assert!(effects.contains(&over.to_owned()), "{effects:?}");
}

#[test]
fn registries_are_asked_by_a_few_questions_at_a_time() {
    let mut world = World::new(true);
    world.step((0..40).map(|index| applied(docker(&format!("demo-{index}"), "a"))));
    let asks = |effects: &[Effect]| -> Vec<(String, distribution::Digest)> {
        let check = |effect: &Effect| match effect {
            Effect::CheckLogin { name, digest, .. } => Some((name.clone(), *digest)),
            _ => None,
        };
        effects.iter().filter_map(check).collect()
    };
    let effects = world.effects(lists());
    let first = asks(&effects);
    assert_eq!(first.len(), 32);
    let (name, digest) = first[0].clone();
    let verdict = Verdict::Refused { reason: "HTTP 401".to_owned() };
    let effects = world.effects([Input::LoginChecked { name: name.clone(), digest, verdict }]);
    assert_eq!(asks(&effects).len(), 1, "the next one's turn");
    let event = format!("Event on {name}: CredentialRefused HTTP 401");
    assert!(effects.iter().map(shown).any(|it| it.starts_with(&event)));
}

#[test]
fn what_is_being_deleted_needs_no_new_credential_whatever_another_spec_says() {
    let gone = || instance("demo", &json!({"deletionTimestamp": "2027-01-15T08:00:00Z"}));
    let mut broken = docker("broken", "a");
    broken.spec = Err("it says something impossible".to_owned());
    let orders = |effects: Vec<Effect>| -> Vec<(bool, bool)> {
        let order = |effect| match effect {
            Effect::StartKeeper { order, .. } | Effect::OrderKeeper { order, .. } => {
                Some((order.is_needed, order.is_over))
            }
            _ => None,
        };
        effects.into_iter().filter_map(order).collect()
    };
    let mut world = World::new(false);
    let mut effects = world.effects([applied(broken), applied(gone())]);
    effects.extend(world.effects(lists()));
    // The other one may use what there is.
    assert_eq!(orders(effects), [(false, false)]);
    let mut world = World::new(false);
    let mut effects = world.effects([applied(gone())]);
    effects.extend(world.effects(lists()));
    assert_eq!(orders(effects), [(false, false), (false, true)]);
    let mut world = World::new(false);
    assert_eq!(
        orders(world.effects([applied(gone()), applied(instance("stays", &json!({})))])),
        [(false, false), (true, false)]
    );
}

#[test]
fn after_a_restart_a_credential_is_not_over_while_copies_of_it_may_be_in_use() {
    // Before the restart it moved from one credential of the instance to another, which is not there yet.
    let mut moved = instance("demo", &json!({}));
    if let Ok(spec) = &mut moved.spec {
        spec.tcr.as_mut().unwrap().credential.kind = tcr::image_pull_secret::CredentialKind::Temp;
    }
    let moved_key = moved.key().unwrap();
    let before = instance("other", &json!({"deletionTimestamp": "2027-01-15T08:00:00Z"}));
    let before_key = before.key().unwrap();
    let seen = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: Some(distribution::Digest::of(b"of before")),
        labelled: true,
        mendable: true,
        marked: true,
        unread: false,
    };
    let copy = Placed { namespace: "shop".into(), name: "tcr.ipsdemo".into(), seen };
    let mut world = World::new(false);
    let is_over = |effects: &[Effect]| {
        let ends = |effect: &Effect| matches!(effect, Effect::OrderKeeper { key, order } if *key == before_key && order.is_over);
        effects.iter().any(ends)
    };
    world.step([applied(moved), applied(before), namespace("shop")]);
    world.step([Input::Watch(WatchEvent::Secret(Watched::Applied(Some(copy))))]);
    let mut effects = world.effects(lists());
    effects.extend(world.effects([]));
    assert!(!is_over(&effects), "its copy is in shop: {effects:?}");
    let available = CredentialEvent::Available { held: held("new"), why: None };
    assert!(!is_over(&world.effects([Input::Credential(moved_key, available)])));
    let secret = world.secret("demo");
    assert!(is_over(&world.effects([report("shop", vec![secret], Ended::Done)])));
}
