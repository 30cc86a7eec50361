//! No token, key or password in anything the program prints, at the most talkative log level, in
//! success and in every failure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;
use tcr_cloud::{Cloud, Fault, FaultKind};

use crate::cli::{DEMO, Place, Run, STATIC};
use crate::setup::{cloud, demo_key};

const PASSWORD: &str = "tcr.jwt.token";

/// The secret as it is and in every form that decodes to it, at each of the three ways in which
/// base64 can cut a longer text that holds it.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for before in ["", "x", "xx"] {
        let text = format!("{before}{secret}");
        for encoded in [STANDARD.encode(&text), STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]
        {
            // The first and last characters depend on the neighbours.
            let inner = encoded.trim_end_matches('=');
            forms.push(inner[4..inner.len() - 4].to_owned());
        }
    }
    forms
}

#[track_caller]
fn assert_silent(what: &str, run: &Run, secrets: &[String]) {
    for secret in secrets {
        for form in forms(secret) {
            for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
                assert!(!text.contains(&form), "{what}: {name} holds a secret");
            }
        }
    }
}

fn place(cloud: &Cloud) -> Place {
    Place::at(cloud).set("RUST_LOG", "trace").file("all.yaml", &format!("{DEMO}---\n{STATIC}"))
}

fn secrets(cloud: &Cloud) -> Vec<String> {
    let tokens = cloud.tokens().into_iter().map(|token| token.secret.expose().to_owned());
    tokens.chain([demo_key().1, PASSWORD.to_owned()]).collect()
}

const ARGS: [&str; 9] =
    ["render", "-f", "all.yaml", "--cluster-id", "cls-1", "--mask", "--timeout", "1s", "--revoke"];

#[test]
fn the_forms_find_a_secret_in_a_docker_configuration() {
    // The test of the test: without the mask every one of them is found.
    let run = Place::new().file("static.yaml", STATIC).run(&["render", "-f", "static.yaml"]);
    assert!(forms(PASSWORD).iter().any(|form| run.stdout.contains(form)));
}

#[test]
fn success_prints_no_secret() {
    let cloud = cloud();
    let run = place(&cloud).run(&ARGS);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("DEBUG") && run.stderr.contains("TRACE"), "the log is on");
    assert_eq!(cloud.tokens().len(), 1);
    assert_silent("success", &run, &secrets(&cloud));
}

#[test]
fn no_failure_prints_a_secret() {
    let (_, key) = demo_key();
    for fault in [
        Fault::error("InternalError").after_effect(),
        Fault::error("AuthFailure.SignatureFailure"),
        Fault::error("AuthFailure.SignatureExpire"),
        Fault::error("UnauthorizedOperation"),
        Fault::new(FaultKind::Error {
            code: "InvalidParameter".to_owned(),
            message: format!("your key {key}"),
        }),
        Fault::new(FaultKind::LegacyError { code: 4000, message: "bad".to_owned() }),
        Fault::status(502).after_effect(),
        Fault::new(FaultKind::Drop).after_effect(),
        Fault::new(FaultKind::CutOff),
        Fault::new(FaultKind::Garbage),
        Fault::new(FaultKind::EmptyBody),
        Fault::new(FaultKind::TruncatedJson),
        Fault::lie("Username", json!("")),
        Fault::lie("ExpTime", json!(1)),
        Fault::lie("TokenId", json!("other")),
        Fault::lie("Token", json!(["not a string"])),
        Fault::delay(Duration::from_secs(60)),
    ] {
        let cloud = cloud();
        cloud.inject(fault.clone().on("CreateInstanceToken"));
        let run = place(&cloud).run(&ARGS);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{fault}: {}", run.stderr);
        assert_silent(&fault.to_string(), &run, &secrets(&cloud));
    }
}

#[test]
fn wrong_credentials_are_not_printed_either() {
    let cloud = cloud();
    for (name, value) in [
        ("TENCENTCLOUD_SECRET_KEY", "a-wrong-secret-key"),
        ("TENCENTCLOUD_SECRET_KEY", "a-wrong-secret-key\n"),
        ("TENCENTCLOUD_TOKEN", "a-wrong-secret-key"),
    ] {
        let run = place(&cloud).set(name, value).run(&ARGS);
        assert_eq!(run.code, Some(1), "{name}");
        assert_silent(name, &run, &["a-wrong-secret-key".to_owned(), demo_key().1]);
    }
}

#[test]
fn a_refused_manifest_does_not_show_its_password() {
    for (from, to) in [
        ("server: demo", "server: https://demo"),
        ("password: tcr.jwt.token", "password: [tcr.jwt.token]"),
        ("password: tcr.jwt.token", "passwort: tcr.jwt.token"),
        ("password: tcr.jwt.token, server", "password: tcr.jwt.token server"),
        ("password: tcr.jwt.token", "password: tcr.jwt.token, password: tcr.jwt.token"),
        ("docker: {", "docker: {{"),
    ] {
        assert!(STATIC.contains(from));
        let manifest = STATIC.replace(from, to);
        let run = Place::new().set("RUST_LOG", "trace").run_with(&["render", "-f", "-", "--mask"], &manifest);
        assert_eq!(run.code, Some(1), "{to}: {}", run.stdout);
        assert_silent(to, &run, &[PASSWORD.to_owned()]);
    }
}
