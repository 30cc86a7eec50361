//! What each action does, on a cloud that behaves.

use std::collections::BTreeSet;

use tcr::image_pull_secret::CredentialKind::{Longterm, Temp};
use tcr_cloud::{Account, Cloud, Config, VpcLink};
use tencent_cloud::error::Class;
use tencent_cloud::instance::Readiness;

use crate::server;
use crate::setup::*;

const DESCRIPTION: &str = "TKE cluster (cls-12345678) dedicated access credential";

#[tokio::test]
async fn a_long_term_credential_opens_the_registry_until_it_is_deleted() {
    let cloud = cloud();
    let client = client(&cloud);
    let issued = client.create_instance_token(REGION, INSTANCE, Longterm, DESCRIPTION).await.unwrap();
    let opens = || cloud.accepts_login(INSTANCE, &issued.username, issued.token.expose());
    assert!(opens());
    assert_eq!(cloud.tokens()[0].description, DESCRIPTION);

    let id = issued.token_id.as_deref().unwrap();
    let listed = client.instance_tokens(REGION, INSTANCE).await.unwrap();
    assert_eq!((listed.len(), listed[0].id.as_str(), listed[0].description.as_str()), (1, id, DESCRIPTION));
    assert!(listed[0].enabled && listed[0].created_at.is_some());
    let milliseconds = |time: Option<jiff::Timestamp>| time.unwrap().as_millisecond();
    assert_eq!(milliseconds(listed[0].expires_at), milliseconds(issued.expires_at));

    client.enable_instance_token(REGION, INSTANCE, id, false).await.unwrap();
    assert!(!opens());
    assert!(!client.instance_tokens(REGION, INSTANCE).await.unwrap()[0].enabled);
    client.enable_instance_token(REGION, INSTANCE, id, true).await.unwrap();
    assert!(opens());

    client.delete_instance_token(REGION, INSTANCE, id).await.unwrap();
    assert!(!opens());
    assert!(client.instance_tokens(REGION, INSTANCE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_temporary_credential_has_an_end_and_no_id() {
    let cloud = cloud();
    let issued = client(&cloud).create_instance_token(REGION, INSTANCE, Temp, "").await.unwrap();
    assert_eq!(issued.token_id, None);
    assert_eq!((issued.expires_at.unwrap() - cloud.now()).total(jiff::Unit::Minute).unwrap().round(), 60.0);
    assert!(cloud.accepts_login(INSTANCE, &issued.username, issued.token.expose()));
}

#[tokio::test]
async fn long_lists_are_read_page_by_page() {
    let mut config = Config::demo();
    config.rate_limits.insert("CreateInstanceToken".to_owned(), 10_000);
    let cloud = Cloud::start(config).unwrap();
    let client = client(&cloud);
    for number in 0..205 {
        client.create_instance_token(REGION, INSTANCE, Longterm, &format!("number {number}")).await.unwrap();
    }
    cloud.clear_calls();
    let listed = client.instance_tokens(REGION, INSTANCE).await.unwrap();
    assert_eq!(calls(&cloud), ["DescribeInstanceToken"; 3]);
    let described: BTreeSet<_> = listed.iter().map(|token| token.description.as_str()).collect();
    assert_eq!((listed.len(), described.len()), (205, 205));
}

#[tokio::test]
async fn an_instance_tells_its_domain_and_state() {
    let cloud = cloud();
    let client = client(&cloud);
    let instance = client.instance(REGION, INSTANCE).await.unwrap().unwrap();
    assert_eq!(instance.public_domain.as_str(), "demo.tencentcloudcr.com");
    assert_eq!(instance.readiness(), Readiness::Ready);

    cloud.update_instance(INSTANCE, |instance| instance.status = "Isolate".to_owned());
    let instance = client.instance(REGION, INSTANCE).await.unwrap().unwrap();
    assert_eq!(instance.readiness(), Readiness::Never);
}

#[tokio::test]
async fn an_instance_elsewhere_is_not_there() {
    let cloud = cloud();
    let client = client(&cloud);
    // The double may answer an unknown id with nothing or with an error; a lie it is not.
    for (region, id) in [("ap-shanghai", INSTANCE), (REGION, "tcr-other001")] {
        match client.instance(region, id).await {
            Ok(found) => assert_eq!(found, None, "{region} {id}"),
            Err(error) => assert_eq!(error.class(), Class::Terminal, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_private_link_is_usable_from_its_vpc_once_it_runs() {
    let cloud = cloud();
    let client = client(&cloud);
    let links = client.internal_endpoints(REGION, INSTANCE).await.unwrap();
    assert_eq!(links[0].usable_from("vpc-demo0001"), "10.0.0.2".parse().ok());
    assert_eq!(links[0].usable_from("vpc-other"), None);

    cloud.update_instance(INSTANCE, |instance| instance.links = None);
    assert!(client.internal_endpoints(REGION, INSTANCE).await.unwrap().is_empty());
    cloud.update_instance(INSTANCE, |instance| {
        instance.links = Some(vec![VpcLink::running("vpc-a", "subnet-a", "10.1.0.2")]);
    });
    let links = client.internal_endpoints(REGION, INSTANCE).await.unwrap();
    assert_eq!(links[0].usable_from("vpc-a"), "10.1.0.2".parse().ok());
}

#[tokio::test]
async fn a_session_token_is_sent_and_checked() {
    let mut config = Config::demo();
    let mut account = Account::new("AKIDtemporary", "temporarykey", "100012345679");
    account.token = Some("session-token".into());
    config.accounts.push(account);
    let cloud = Cloud::start(config).unwrap();
    let with_token = |token: &str| {
        let variables = [
            ("TENCENTCLOUD_SECRET_ID", "AKIDtemporary"),
            ("TENCENTCLOUD_SECRET_KEY", "temporarykey"),
            ("TENCENTCLOUD_TOKEN", token),
        ];
        client_with(settings(&cloud.url()), chain(&variables))
    };
    assert!(with_token("session-token").instance(REGION, INSTANCE).await.unwrap().is_some());
    for wrong in ["other", ""] {
        let error = with_token(wrong).instance(REGION, INSTANCE).await.unwrap_err();
        assert_eq!(
            (error.failure.code(), error.class()),
            ("AuthFailure.TokenFailure", Class::RefreshCredential)
        );
        assert!(error.to_string().contains("get a new session token"), "{error}");
    }
}

#[tokio::test]
async fn a_renewed_profile_file_is_taken_up_without_a_restart() {
    let cloud = cloud();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let write = |id: &str, key: &str| {
        std::fs::write(&file, format!("[default]\nsecret_id = {id}\nsecret_key = {key}\n")).unwrap();
    };
    let (id, key) = demo_key();
    write("AKIDgone", &key);
    let path = file.to_str().unwrap();
    let client = client_with(settings(&cloud.url()), chain(&[("TENCENTCLOUD_CREDENTIALS_FILE", path)]));
    let error = client.instance(REGION, INSTANCE).await.unwrap_err();
    assert_eq!(error.failure.code(), "AuthFailure.SecretIdNotFound");
    assert!(
        error.to_string().contains(&format!("check secret id AKIDgone from profile file {path}")),
        "{error}"
    );

    write(&id, &key);
    cloud.clear_calls();
    assert!(client.instance(REGION, INSTANCE).await.unwrap().is_some());
    assert_eq!(calls(&cloud), ["DescribeInstances AuthFailure.SecretIdNotFound", "DescribeInstances"]);
}

#[tokio::test]
async fn the_request_is_in_the_documented_form() {
    let body = r#"{"Response":{"TotalCount":0,"Registries":[],"RequestId":"r-1"}}"#;
    let (url, requests) = server::canned(server::http("200 OK", "", body));
    let client = client_with(settings(&url), demo_chain());
    assert_eq!(client.instance(REGION, INSTANCE).await.unwrap(), None);

    let request = requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST / HTTP/1.1"));
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")));
        line.map(|line| line.split_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(header("host").as_deref(), url.strip_prefix("http://"));
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert_eq!(header("x-tc-action").as_deref(), Some("DescribeInstances"));
    assert_eq!(header("x-tc-version").as_deref(), Some("2019-09-24"));
    assert_eq!(header("x-tc-region").as_deref(), Some(REGION));
    assert_eq!(header("x-tc-language").as_deref(), Some("en-US"));
    assert_eq!(header("x-tc-token"), None);
    let authorization = header("authorization").unwrap();
    assert!(authorization.contains("SignedHeaders=content-type;host;x-tc-action"), "{authorization}");
    assert_eq!(body, r#"{"Registryids":["tcr-demo0001"]}"#);
}
