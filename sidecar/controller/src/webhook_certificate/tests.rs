use super::*;

const SERVICE: &str = "tcr-assistant-webhook-service";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn held() -> Held {
    let (served, ca) = make(SERVICE, at(0)).unwrap();
    Held { served, bundle: ca, next: None }
}

fn staged(since: Timestamp) -> Held {
    let before = held();
    let (next, ca) = make(SERVICE, since).unwrap();
    Held { bundle: bundle(&ca, &before.bundle), next: Some((next, since)), ..before }
}

#[test]
fn one_is_made_when_there_is_none_to_use() {
    assert_eq!(decide(at(0), None, SERVICE, false), Step::Make);
    assert_eq!(decide(at(366 * 24), Some(&held()), SERVICE, true), Step::Make);
    assert_eq!(decide(at(1), Some(&held()), "another-service", true), Step::Make);
    let broken = Held { served: Pair { certificate: "x".to_owned(), key: Sensitive::new("y") }, ..held() };
    assert_eq!(decide(at(1), Some(&broken), SERVICE, true), Step::Make);
    let (_, other_ca) = make(SERVICE, at(5)).unwrap();
    assert_eq!(decide(at(1), Some(&Held { bundle: other_ca, ..held() }), SERVICE, true), Step::Make);
}

#[test]
fn a_new_one_waits_from_two_thirds_of_the_life_on() {
    let due = SignedDuration::from_hours((365 * 24 + 1) * 2 / 3).as_hours() - 1;
    assert!(
        matches!(decide(at(due - 1), Some(&held()), SERVICE, true), Step::Wait(until) if until <= at(due + 1))
    );
    assert_eq!(decide(at(due + 1), Some(&held()), SERVICE, true), Step::Stage);
}

#[test]
fn it_is_served_once_it_is_trusted_and_api_servers_had_time_to_learn_it() {
    let held = staged(at(6000));
    let soon = at(6000).checked_add(SignedDuration::from_secs(5)).unwrap();
    assert!(matches!(decide(soon, Some(&held), SERVICE, true), Step::Wait(_)));
    assert!(matches!(decide(at(6001), Some(&held), SERVICE, false), Step::Wait(_)));
    assert_eq!(decide(at(6001), Some(&held), SERVICE, true), Step::Promote);
}

#[test]
fn both_cas_are_trusted_meanwhile_and_older_ones_no_more() {
    let held = staged(at(6000));
    assert_eq!(pems(&held.bundle).len(), 2);
    let (next, _) = held.next.as_ref().unwrap();
    assert!(is_signed_by_one_of(&held.served.certificate, &held.bundle));
    assert!(is_signed_by_one_of(&next.certificate, &held.bundle));
    let (_, third) = make(SERVICE, at(9000)).unwrap();
    let later = bundle(&third, &held.bundle);
    assert_eq!(pems(&later).len(), 2);
    assert!(
        is_signed_by_one_of(&next.certificate, &later)
            && !is_signed_by_one_of(&held.served.certificate, &later)
    );
}

#[test]
fn it_is_for_the_service_and_signed_by_its_ca() {
    let held = held();
    let life = Life::of(&held.served.certificate).unwrap();
    assert_eq!(life.names[0], "tcr-assistant-webhook-service.tcr-assistant-system.svc");
    let roots: Vec<_> =
        Pem::iter_from_buffer(held.bundle.as_bytes()).map(|pem| pem.unwrap().contents).collect();
    let leaf = Pem::iter_from_buffer(held.served.certificate.as_bytes()).next().unwrap().unwrap().contents;
    let mut store = rustls::RootCertStore::empty();
    store.add(roots[0].clone().into()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(store.into(), provider).build().unwrap();
    let now = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
    let name = life.names[0].clone().try_into().unwrap();
    use rustls::client::danger::ServerCertVerifier as _;
    verifier.verify_server_cert(&leaf.into(), &[], &name, &[], now).unwrap();
}
