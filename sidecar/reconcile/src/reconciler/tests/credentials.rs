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
    let effects = world.step([applied(second)]);
    assert!(effects.iter().any(|it| it.starts_with("start keeper of tcr-other001")), "{effects:?}");
    assert!(!effects.iter().any(|it| it.contains("over: true")), "namespaces have it: {effects:?}");
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
