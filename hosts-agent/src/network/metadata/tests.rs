use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;

use expect_test::expect;
use proptest::prelude::*;

use super::*;

/// Metadata that answers these paths, each with a text after its status.
fn serve(answers: &[(&str, &str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: BTreeMap<String, String> =
        answers.iter().map(|(path, answer)| (format!("{PATH}{path}"), (*answer).to_owned())).collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert!(head.contains(&format!("Host: {HOST}")), "metadata is asked by its name");
            let path = first.split(' ').nth(1).unwrap_or_default();
            let answer = answers.get(path).map_or("404 Not Found\r\n\r\n", String::as_str);
            let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes());
        }
    });
    address
}

fn shown(answers: &[(&str, &str)]) -> String {
    let address = serve(answers);
    match vpc_ids(address) {
        Ok(vpc_ids) => format!("{vpc_ids:?}"),
        Err(error) => error.to_string().replace(&address.to_string(), "ADDRESS"),
    }
}

const MACS: &str = "network/interfaces/macs/";

#[test]
fn every_interface_tells_its_vpc() {
    let one = ("network/interfaces/macs/52:54:00:00:00:01/vpc-id", "200 OK\r\n\r\nvpc-a1\n");
    let two = ("network/interfaces/macs/52:54:00:00:00:02/vpc-id", "200 OK\r\n\r\nvpc-b2");
    let macs = (MACS, "200 OK\r\nContent-Type: text/plain\r\n\r\n52:54:00:00:00:01/\n52:54:00:00:00:02/\n");
    assert_eq!(shown(&[macs, one, two]), r#"{"vpc-a1", "vpc-b2"}"#);
    assert_eq!(shown(&[macs, one]), r#"{"vpc-a1"}"#, "an interface that is in none");
    let mac = ("mac", "200 OK\r\n\r\n52:54:00:00:00:01");
    assert_eq!(shown(&[mac, one]), r#"{"vpc-a1"}"#, "where there is no list of them");
    // Something else than metadata answers there.
    expect![
        "instance metadata at ADDRESS: its answer to network/interfaces/macs/ is not what metadata answers"
    ]
    .assert_eq(&shown(&[]));
}

#[test]
fn what_does_not_answer_as_metadata_does_is_named() {
    let macs = (MACS, "200 OK\r\n\r\n52:54:00:00:00:01/");
    let of_first = "network/interfaces/macs/52:54:00:00:00:01/vpc-id";
    let large = format!("200 OK\r\n\r\n{}", "x".repeat(20_000));
    let errors = [
        shown(&[(MACS, "200 OK\r\n\r\n<html>please log in</html>")]),
        shown(&[(MACS, "200 OK\r\n\r\n../../../latest/")]),
        shown(&[(MACS, "302 Found\r\nLocation: http://elsewhere/\r\n\r\n")]),
        shown(&[(MACS, "nonsense")]),
        shown(&[(MACS, &large)]),
        shown(&[macs, (of_first, "200 OK\r\n\r\nsubnet-1")]),
        shown(&[macs, (of_first, "500 Internal Server Error\r\n\r\n")]),
    ];
    expect![[r#"
        instance metadata at ADDRESS: its answer to network/interfaces/macs/ is not what metadata answers
        instance metadata at ADDRESS: its answer to network/interfaces/macs/ is not what metadata answers
        instance metadata at ADDRESS: it answers "HTTP/1.1 302 Found"
        instance metadata at ADDRESS: its answer to network/interfaces/macs/ is not what metadata answers
        instance metadata at ADDRESS: its answer to network/interfaces/macs/ is not what metadata answers
        instance metadata at ADDRESS: its answer to network/interfaces/macs/52:54:00:00:00:01/vpc-id is not what metadata answers
        instance metadata at ADDRESS: it answers "HTTP/1.1 500 Internal Server Error""#]]
    .assert_eq(&errors.join("\n"));
}

#[test]
fn who_is_silent_or_slow_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dripping = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = dripping.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = dripping.accept().unwrap();
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    for address in [silent.local_addr().unwrap(), address] {
        assert!(vpc_ids(address).is_err());
    }
}

#[test]
fn an_address_is_ip_and_port_or_none() {
    assert_eq!(MetadataAddress::default().to_string().parse(), Ok(MetadataAddress::default()));
    assert_eq!("none".parse(), Ok(MetadataAddress(None)));
    assert!("metadata.tencentyun.com".parse::<MetadataAddress>().is_err());
}

proptest! {
    #[test]
    fn whatever_is_answered_an_id_is_an_id(macs in "(52:54:00:00:00:0[1-3]/?\n?){0,3}|\\PC{0,30}", vpc_id in "vpc-[a-z0-9]{1,4}|\\PC{0,20}") {
        let get = |path: &str| Ok((path != "mac").then(|| if path == MACS { macs.clone() } else { vpc_id.clone() }));
        if let Ok(ids) = all(get) {
            prop_assert!(ids.iter().all(|id| is_vpc_id(id)));
        }
    }
}
