use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::{
    Config, Role,
    machine::Machine,
    signed::{NOW, cloud},
};

fn config() -> Config {
    let machine =
        Machine { role: Some("puller".to_owned()), ..Machine::new("ap-guangzhou", "vpc-1", "subnet-1") };
    let role = Role::new("puller", "100000000001", "4611686000000000001");
    Config { machine: Some(machine), roles: vec![role], ..Config::demo() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

#[test]
fn a_machine_tells_where_it_is() {
    let mut gateway = cloud(config());
    let mut get = |path: &str| gateway.metadata(path, at(0));
    assert_eq!(get("placement/region").as_deref(), Some("ap-guangzhou"));
    let mac = get("mac").unwrap();
    assert_eq!(get("network/interfaces/macs/"), Some(format!("{mac}/\n")));
    assert_eq!(get(&format!("network/interfaces/macs/{mac}/vpc-id")).as_deref(), Some("vpc-1"));
    assert_eq!(get(&format!("network/interfaces/macs/{mac}/subnet-id")).as_deref(), Some("subnet-1"));
    assert_eq!(get("network/interfaces/macs/other/vpc-id"), None);
    assert_eq!(get("cam/security-credentials/"), Some("puller".to_owned()));
    assert_eq!(get("cam/security-credentials/other"), None);
}

#[test]
fn without_a_role_or_a_machine_there_is_no_key() {
    let mut gateway = cloud(Config::demo());
    assert_eq!(gateway.metadata("cam/security-credentials/", at(0)), None);
    gateway.world.machine = None;
    assert_eq!(gateway.metadata("placement/region", at(0)), None);
}

#[test]
fn the_key_of_a_role_changes_at_half_its_life() {
    let mut gateway = cloud(config());
    let mut key = |seconds: i64| -> Value {
        serde_json::from_str(&gateway.metadata("cam/security-credentials/puller", at(seconds)).unwrap())
            .unwrap()
    };
    let first = key(0);
    assert_eq!((&first["Code"], &first["ExpiredTime"]), (&"Success".into(), &(NOW + LIFE).into()));
    assert_eq!(key(LIFE / 2 - 1), first);
    let second = key(LIFE / 2);
    assert_ne!(second["TmpSecretId"], first["TmpSecretId"]);
}
