//! What was dropped is looked for in all of this process's memory. The texts are made anew for each look, so that the
//! test's own program does not hold them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::*;
use crate::docker_config::DockerConfig;

/// A text that is nowhere in the program: long, so that what an allocator writes over its beginning hides little.
fn secret(seed: u8) -> String {
    (0..400u32)
        .map(|index| char::from(b'a' + ((index * 7 + u32::from(seed) * 11 + index * index) % 26) as u8))
        .collect()
}

/// Whether a piece from the middle of the secret of `seed` is in memory that this process may write to. It is compared
/// letter by letter, so that the look itself leaves no copy.
fn is_in_memory(seed: u8) -> bool {
    let letter = |index: u32| b'a' + ((index * 7 + u32::from(seed) * 11 + index * index) % 26) as u8;
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut page = vec![0; 1 << 16];
    let mut found = false;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut at = start;
        while at < end {
            let length = page.len().min((end - at) as usize);
            let Ok(length) = memory.read_at(&mut page[..length], at) else { break };
            let is_it = |piece: &[u8]| (200..260).zip(piece).all(|(index, byte)| letter(index) == *byte);
            let hits = page[..length].windows(60).enumerate().filter(|(_, piece)| is_it(piece));
            // The page itself holds copies of what is looked at.
            let own = page.as_ptr() as u64..page.as_ptr() as u64 + page.len() as u64;
            found |= hits.map(|(offset, _)| at + offset as u64).any(|hit| !own.contains(&hit));
            // Pages overlap by the length of a piece.
            at += if length == page.len() { length as u64 - 60 } else { length as u64 };
        }
    }
    page.fill(0);
    found
}

#[test]
fn a_text_that_nobody_wipes_is_found_so_the_look_is_worth_something() {
    let text = secret(1);
    assert!(is_in_memory(1));
    drop(text);
}

#[test]
fn a_sensitive_text_is_in_memory_until_it_is_dropped() {
    let sensitive = Sensitive::new(secret(2));
    assert!(is_in_memory(2));
    let copy = sensitive.clone();
    drop(sensitive);
    assert!(is_in_memory(2));
    drop(copy);
    assert!(!is_in_memory(2));
}

#[test]
fn bytes_that_grow_leave_nothing_behind() {
    let mut bytes = SensitiveBytes::default();
    let text = Sensitive::new(secret(3));
    for piece in text.expose().as_bytes().chunks(60) {
        bytes.extend_from_slice(piece);
    }
    assert_eq!(bytes.expose(), text.expose().as_bytes());
    bytes.extend_from_slice(&[b'.'; 10_000]);
    assert_eq!(bytes.clone().into_text().map(|text| text.expose().len()), Some(10_400));
    drop((text, bytes));
    assert!(!is_in_memory(3));
    let mut broken = SensitiveBytes::from(secret(4).into_bytes());
    broken.extend_from_slice(&[0xff]);
    assert_eq!(broken.into_text(), None);
    assert!(!is_in_memory(4));
}

#[test]
fn a_docker_configuration_is_written_and_read_without_leaving_a_password_behind() {
    let hosts = ["a.tencentcloudcr.com", "b.tencentcloudcr.com"].map(|host| host.parse().unwrap());
    let password = Sensitive::new(secret(5));
    let bytes = DockerConfig::new(hosts, "100", &password).to_bytes();
    let logins = DockerConfig::logins(bytes.expose()).unwrap();
    assert!(logins.values().all(|login| login.password == password));
    drop((password, bytes, logins));
    assert!(!is_in_memory(5));
}

#[test]
fn the_texts_of_a_json_value_are_wiped() {
    let mut value = serde_json::json!({"spec": {"docker": [{}]}, "n": 1});
    value["spec"]["docker"][0]["password"] = serde_json::Value::String(secret(6));
    wipe_json(&mut value);
    assert!(!is_in_memory(6));
    assert_eq!(value["n"], 1);
}

#[test]
fn a_line_end_is_cut_off_in_place() {
    for (text, expected) in
        [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("\n", ""), ("", "")]
    {
        assert_eq!(Sensitive::new(text).without_line_end().expose(), expected);
    }
}
