//! The chain over tables of variables and files in a temporary directory.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::{Expect, expect};
use tcr::sensitive::Sensitive;

use super::*;

/// Variables with a home directory; `~` in a value stands for it.
fn chain(home: &Path, variables: &[(&str, &str)]) -> Chain {
    let home = home.to_str().unwrap().to_owned();
    let mut table: BTreeMap<String, OsString> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.replace('~', &home).into()))
        .collect();
    table.insert("HOME".to_owned(), home.into());
    Chain::over(move |name| table.get(name).cloned())
}

/// What the chain finds, with the temporary directory written as `~`.
#[track_caller]
fn check(variables: &[(&str, &str)], profile: Option<&str>, expected: Expect) {
    let home = tempfile::tempdir().unwrap();
    if let Some(profile) = profile {
        std::fs::create_dir(home.path().join(".tencentcloud")).unwrap();
        std::fs::write(home.path().join(".tencentcloud/credentials"), profile).unwrap();
    }
    let found = match chain(home.path(), variables).find() {
        Ok(Found::Nothing { looked_for }) => {
            format!("error: {}", ApiCredentialError::Absent { looked_for })
        }
        Ok(Found::PodIdentity(identity)) => format!("{identity:?}"),
        Ok(Found::Credential(found)) => format!(
            "{} {} {:?} from {}",
            found.secret_id,
            found.secret_key.expose(),
            found.token.as_ref().map(Sensitive::expose),
            found.origin
        ),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&found.replace(home.path().to_str().unwrap(), "~"));
}

const ID: (&str, &str) = ("TENCENTCLOUD_SECRET_ID", "AKIDexample");
const KEY: (&str, &str) = ("TENCENTCLOUD_SECRET_KEY", "topsecret");
const PROFILE: &str =
    "# mine\n[other]\nsecret_id = x\n[default]\nsecret_id = AKIDfile\nsecret_key=filesecret\n";

#[test]
fn environment_comes_before_the_profile_file() {
    check(&[ID, KEY], Some(PROFILE), expect!["AKIDexample topsecret None from the environment"]);
}

#[test]
fn session_token_has_two_names() {
    for name in environment::TOKENS {
        check(
            &[ID, KEY, (name, "session")],
            None,
            expect![[r#"AKIDexample topsecret Some("session") from the environment"#]],
        );
    }
    check(
        &[ID, KEY, ("TENCENTCLOUD_TOKEN", "one"), ("TENCENTCLOUD_SECURITY_TOKEN", "two")],
        None,
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_TOKEN and TENCENTCLOUD_SECURITY_TOKEN differ; set one of them"
        ],
    );
}

#[test]
fn empty_session_token_is_none() {
    check(
        &[ID, KEY, ("TENCENTCLOUD_TOKEN", "")],
        None,
        expect!["AKIDexample topsecret None from the environment"],
    );
}

#[test]
fn absent_environment_falls_through_to_the_profile_file() {
    check(
        &[],
        Some(PROFILE),
        expect!["AKIDfile filesecret None from profile file ~/.tencentcloud/credentials"],
    );
}

#[test]
fn half_an_environment_is_an_error_and_not_a_fall_through() {
    check(
        &[ID],
        Some(PROFILE),
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_SECRET_ID is set and TENCENTCLOUD_SECRET_KEY is not"
        ],
    );
    check(
        &[KEY],
        Some(PROFILE),
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_SECRET_KEY is set and TENCENTCLOUD_SECRET_ID is not"
        ],
    );
}

#[test]
fn a_value_that_cannot_be_sent_is_an_error_that_does_not_quote_it() {
    check(
        &[ID, ("TENCENTCLOUD_SECRET_KEY", "topsecret\n")],
        None,
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_SECRET_KEY contains blanks or line ends"
        ],
    );
    check(
        &[("TENCENTCLOUD_SECRET_ID", ""), KEY],
        None,
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_SECRET_ID is empty"
        ],
    );
    check(
        &[ID, ("TENCENTCLOUD_SECRET_KEY", "\u{e9}topsecret")],
        None,
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_SECRET_KEY contains characters that no key has"
        ],
    );
}

#[test]
fn nothing_anywhere_says_what_to_set() {
    check(
        &[],
        None,
        expect![
            "error: no Tencent Cloud API credential: set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write a profile file (looked for ~/.tencentcloud/credentials, /etc/tencentcloud/credentials)"
        ],
    );
}

#[test]
fn named_profile_file_must_exist() {
    check(
        &[("TENCENTCLOUD_CREDENTIALS_FILE", "~/none")],
        Some(PROFILE),
        expect![
            "error: cannot use the Tencent Cloud API credential from profile file ~/none: cannot read it: No such file or directory (os error 2)"
        ],
    );
    check(
        &[("TENCENTCLOUD_CREDENTIALS_FILE", "")],
        Some(PROFILE),
        expect![
            "error: cannot use the Tencent Cloud API credential from the environment: TENCENTCLOUD_CREDENTIALS_FILE is empty; name a file or unset it"
        ],
    );
}

#[test]
fn broken_profile_file_is_an_error() {
    for (profile, reason) in [
        ("[other]\nsecret_id = a\n", "there is no section [default]"),
        ("[default]\nsecret_key = b\n", "section [default] has no secret_id"),
        ("[default]\nsecret_id = a\n", "section [default] has no secret_key"),
        ("[default]\nsecret_id = a\nfilesecret\n", "line 3 is not \"key = value\""),
        ("[default]\nsecret_id = a\nsecret_id = b\n", "line 3 gives secret_id a second time"),
        ("[default]\nsecret_id = a\nsecret_key = \"b\"\n", "secret_key is quoted; write it without quotes"),
        ("[default]\nsecret_id = a\nsecret_key = b c\n", "secret_key contains blanks or line ends"),
    ] {
        let error = super::profile::read(&candidate(profile).1).unwrap_err().to_string();
        assert!(error.ends_with(&format!("credentials: {reason}")), "{error}");
        assert!(!error.contains("filesecret"), "{error}");
    }
}

fn candidate(profile: &str) -> (tempfile::TempDir, super::profile::Candidate) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    std::fs::write(&path, profile).unwrap();
    (folder, super::profile::Candidate { path, named: true })
}

#[test]
fn debug_output_hides_key_and_token() {
    let home = tempfile::tempdir().unwrap();
    let found = chain(home.path(), &[ID, KEY, ("TENCENTCLOUD_TOKEN", "session")]).find().unwrap();
    let debug = format!("{found:?}");
    assert!(!debug.contains("topsecret") && !debug.contains("session\""), "{debug}");
    assert!(debug.contains("AKIDexample"), "{debug}");
}

/// Nobody to ask.
fn web() -> Web {
    // Every test of the process installs the same one; the first wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Web { http: reqwest::Client::new(), sts: None, metadata: None }
}

#[tokio::test]
async fn a_refused_credential_is_renewed_only_when_the_source_has_another() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials");
    std::fs::write(&file, PROFILE).unwrap();
    let chain = chain(home.path(), &[("TENCENTCLOUD_CREDENTIALS_FILE", "~/credentials")]);
    let credentials = keeper::ApiCredentials::new(chain, web());
    let now = Timestamp::now();
    let first = credentials.current(now).await.unwrap();
    assert_eq!(credentials.renewed(&first, now).await, Ok(None));

    std::fs::write(&file, PROFILE.replace("filesecret", "othersecret")).unwrap();
    let second = credentials.renewed(&first, now).await.unwrap().unwrap();
    assert_eq!(second.secret_key.expose(), "othersecret");
    assert_eq!(credentials.current(now).await.unwrap(), second);
}

/// What the chain finds after a folder with these files, of which `None` is a folder.
#[track_caller]
fn check_directory(files: &[(&str, Option<&str>)], expected: Expect) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mounted");
    std::fs::create_dir(&folder).unwrap();
    for (name, content) in files {
        match content {
            Some(content) => std::fs::write(folder.join(name), content).unwrap(),
            None => std::fs::create_dir(folder.join(name)).unwrap(),
        }
    }
    let chain = chain(home.path(), &[ID, KEY]).after_directory(Some(folder));
    let found = match chain.find() {
        Ok(Found::Credential(found)) => {
            format!("{} {} from {}", found.secret_id, found.secret_key.expose(), found.origin)
        }
        other => format!("{other:?}"),
    };
    expected.assert_eq(&found.replace(home.path().to_str().unwrap(), "~"));
}

#[test]
fn a_mounted_secret_comes_before_the_environment() {
    check_directory(
        &[
            ("TENCENTCLOUD_SECRET_ID", Some("AKIDmounted\n")),
            ("TENCENTCLOUD_SECRET_KEY", Some("mountedsecret")),
        ],
        expect!["AKIDmounted mountedsecret from the Secret at ~/mounted"],
    );
    // An optional Secret that is not there.
    check_directory(&[], expect!["AKIDexample topsecret from the environment"]);
}

#[test]
fn half_a_mounted_secret_is_an_error_that_names_it() {
    check_directory(
        &[("TENCENTCLOUD_SECRET_ID", Some("AKIDmounted"))],
        expect![[
            r#"Err(Broken { origin: Directory("~/mounted"), reason: "TENCENTCLOUD_SECRET_ID is set and TENCENTCLOUD_SECRET_KEY is not" })"#
        ]],
    );
    check_directory(
        &[("TENCENTCLOUD_SECRET_ID", Some("AKIDmounted")), ("TENCENTCLOUD_SECRET_KEY", None)],
        expect![[
            r#"Err(Broken { origin: Directory("~/mounted"), reason: "cannot read TENCENTCLOUD_SECRET_KEY: Is a directory (os error 21)" })"#
        ]],
    );
}

const POD: [(&str, &str); 4] = [
    ("TKE_REGION", "ap-guangzhou"),
    ("TKE_PROVIDER_ID", "cls-demo"),
    ("TKE_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/tke/token"),
    ("TKE_ROLE_ARN", "qcs::cam::uin/1:roleName/puller"),
];

#[test]
fn the_identity_of_the_pod_comes_before_the_profile_file() {
    check(
        &POD,
        Some(PROFILE),
        expect![[
            r#"PodIdentity { region: "ap-guangzhou", provider_id: "cls-demo", token_file: "/var/run/secrets/tke/token", role_arn: "qcs::cam::uin/1:roleName/puller" }"#
        ]],
    );
    // A region alone says nothing about an identity.
    check(
        &POD[..1],
        Some(PROFILE),
        expect!["AKIDfile filesecret None from profile file ~/.tencentcloud/credentials"],
    );
    check(
        &POD[1..],
        Some(PROFILE),
        expect![[
            r#"error: cannot use the Tencent Cloud API credential from the Pod's TKE identity: TKE_REGION is not set: it takes all of TKE_REGION, TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE and TKE_ROLE_ARN"#
        ]],
    );
}

#[test]
fn the_key_of_a_machines_role_is_read_and_what_is_wrong_with_it_told_without_it() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let said = |text: &str| match machine_role::parse("puller", text, now) {
        Ok(found) => format!("{} until {} from {}", found.secret_id, found.expires_at.unwrap(), found.origin),
        Err(reason) => {
            assert!(!reason.contains("topsecret"), "{reason}");
            reason
        }
    };
    let good = r#"{"TmpSecretId":"AKIDm","TmpSecretKey":"topsecret","ExpiredTime":1800007200,"Token":"t","Code":"Success"}"#;
    expect![[r#"AKIDm until 2027-01-15T10:00:00Z from the machine's role puller"#]].assert_eq(&said(good));
    expect![[r#"its Code is "Failed" and not "Success""#]]
        .assert_eq(&said(&good.replace("Success", "Failed")));
    expect![[r#"the key expired at 2027-01-15T08:00:00Z"#]]
        .assert_eq(&said(&good.replace("1800007200", "1800000000")));
    expect![[r#"TmpSecretKey contains blanks or line ends"#]]
        .assert_eq(&said(&good.replace("topsecret", "top secret")));
    expect![[r#"the answer is not a JSON object"#]].assert_eq(&said("topsecret"));
}
