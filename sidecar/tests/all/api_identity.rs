//! Identities that are lent for a while: a Pod's role, a machine's role, a mounted Secret that changes.

use std::sync::Arc;
use std::time::Duration;

use tcr_cloud::{Cloud, Config, Fault, FaultKind, Machine, OidcProvider, Role};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::error::{CloudError, Failure};

use crate::setup::*;

const PROVIDER: &str = "cls-demo0001";

/// A cloud with a role that a Pod with the token `projected` may take on, and that is bound to the machine.
fn lending() -> Cloud {
    let mut role = Role::new("puller", "100000000001", "4611686000000000001");
    role.provider = Some(OidcProvider { id: PROVIDER.to_owned(), tokens: vec!["projected".into()] });
    let machine =
        Machine { role: Some("puller".to_owned()), ..Machine::new("ap-guangzhou", "vpc-1", "subnet-1") };
    Cloud::start(Config { roles: vec![role], machine: Some(machine), ..Config::demo() }).unwrap()
}

fn lender(cloud: &Cloud) -> Settings {
    let url = cloud.url();
    Settings {
        sts_endpoint: Some(url.parse().unwrap()),
        metadata: Some(url.parse().unwrap()),
        ..settings(&url)
    }
}

/// A Pod's variables, and the folder with its token.
fn pod() -> (tempfile::TempDir, Chain) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "projected\n").unwrap();
    let variables = [
        ("TKE_REGION", "ap-guangzhou"),
        ("TKE_PROVIDER_ID", PROVIDER),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("TKE_ROLE_ARN", "qcs::cam::uin/100000000001:roleName/puller"),
    ];
    let chain = chain(&variables);
    (folder, chain)
}

async fn call(client: &Client) -> Result<(), CloudError> {
    client.instance(REGION, INSTANCE).await.map(|_| ())
}

fn count(cloud: &Cloud, action: &str) -> usize {
    cloud.calls().iter().filter(|call| call.action == action).count()
}

#[tokio::test]
async fn a_pod_signs_with_its_role_looked_up_once_for_all_callers() {
    let cloud = lending();
    let (_folder, chain) = pod();
    cloud.inject(Fault::delay(Duration::from_millis(50)).on("AssumeRoleWithWebIdentity"));
    let client = Arc::new(client_with(lender(&cloud), chain));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { call(&client).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(count(&cloud, "AssumeRoleWithWebIdentity"), 1);
    assert_eq!(count(&cloud, "DescribeInstances"), 8);
}

#[tokio::test]
async fn a_role_is_taken_on_again_in_time_with_the_token_as_it_is_then() {
    let cloud = lending();
    let (folder, chain) = pod();
    let client = client_with(lender(&cloud), chain);
    call(&client).await.unwrap();

    // The kubelet has renewed the token, and the cloud's clock shows that the key's end is near.
    cloud.update_role("puller", |role| role.provider.as_mut().unwrap().tokens = vec!["renewed".into()]);
    std::fs::write(folder.path().join("token"), "renewed").unwrap();
    cloud.advance(Duration::from_secs(7200));
    call(&client).await.unwrap();
    assert_eq!(count(&cloud, "AssumeRoleWithWebIdentity"), 2);
    call(&client).await.unwrap();
    assert_eq!(count(&cloud, "AssumeRoleWithWebIdentity"), 2);
}

#[tokio::test]
async fn a_role_that_cannot_be_taken_on_is_an_error_that_names_it_and_not_the_next_place() {
    let cloud = lending();
    let (folder, chain) = pod();
    std::fs::write(folder.path().join("token"), "forged").unwrap();
    let client = client_with(lender(&cloud), chain);
    let error = call(&client).await.unwrap_err().to_string();
    let wanted = "cannot use the Tencent Cloud API credential from the Pod's TKE identity: AssumeRoleWithWebIdentity of \
                  qcs::cam::uin/100000000001:roleName/puller";
    assert!(error.contains(wanted) && error.contains("InvalidParameter.WebIdentityTokenError"), "{error}");
    assert!(!error.contains("forged"), "{error}");
    assert_eq!(count(&cloud, "metadata"), 0, "the machine's role is another identity");

    std::fs::remove_file(folder.path().join("token")).unwrap();
    let error = call(&client).await.unwrap_err().to_string();
    assert!(error.contains("cannot read TKE_WEB_IDENTITY_TOKEN_FILE"), "{error}");
}

#[tokio::test]
async fn a_security_token_service_that_fails_for_a_moment_is_asked_again() {
    let cloud = lending();
    let (_folder, chain) = pod();
    cloud.inject(Fault::error("InternalError").on("AssumeRoleWithWebIdentity").times(1));
    cloud.inject(Fault::dropped().on("AssumeRoleWithWebIdentity").times(1));
    call(&client_with(lender(&cloud), chain)).await.unwrap();
    assert_eq!(count(&cloud, "AssumeRoleWithWebIdentity"), 3);
}

#[tokio::test]
async fn a_machine_signs_with_the_role_that_is_bound_to_it() {
    let cloud = lending();
    let client = client_with(lender(&cloud), chain(&[]));
    call(&client).await.unwrap();
    let secret_id = cloud.calls().pop().unwrap().secret_id;
    // Its end is near: the machine hands out another key, which is used before the first one ends.
    cloud.advance(Duration::from_secs(7200 - 200));
    call(&client).await.unwrap();
    let calls = cloud.calls();
    let codes: Vec<_> = calls.iter().filter_map(|call| call.code.as_deref()).collect();
    assert_eq!(codes, ["AuthFailure.SignatureExpire"], "but for the clock nothing was refused");
    call(&client).await.unwrap();
    assert_ne!(cloud.calls().pop().unwrap().secret_id, secret_id);
}

#[tokio::test]
async fn a_machine_without_a_role_has_no_credential_and_one_that_stammers_is_an_error() {
    let cloud = lending();
    let client = client_with(lender(&cloud), chain(&[]));
    cloud.set_machine(Some(Machine::new("ap-guangzhou", "vpc-1", "subnet-1")));
    let error = call(&client).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Credential(_)), "{error}");
    assert!(error.to_string().contains(&format!("a role at {}", cloud.url())), "{error}");

    cloud.inject(Fault::new(FaultKind::Status(500)).on("metadata").times(1));
    let error = call(&client).await.unwrap_err().to_string();
    assert!(error.contains("from the machine's metadata: HTTP status 500"), "{error}");
    cloud.set_machine(Some(Machine {
        role: Some("puller".to_owned()),
        ..Machine::new("ap-guangzhou", "v", "s")
    }));
    cloud.inject(Fault::new(FaultKind::Garbage).on("metadata").skip(1).times(1));
    let error = call(&client).await.unwrap_err().to_string();
    assert!(error.contains("from the machine's role puller: "), "{error}");
    call(&client).await.unwrap();
}

#[tokio::test]
async fn a_mounted_secret_that_changes_is_followed() {
    let cloud = cloud();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &str| std::fs::write(folder.path().join(name), value).unwrap();
    let (id, key) = demo_key();
    write("TENCENTCLOUD_SECRET_ID", "AKIDgone");
    write("TENCENTCLOUD_SECRET_KEY", &key);
    let chain = chain(&[]).after_directory(Some(folder.path().to_owned()));
    let client = client_with(settings(&cloud.url()), chain);
    let error = call(&client).await.unwrap_err().to_string();
    assert!(error.contains(&format!("the Secret at {}", folder.path().display())), "{error}");
    write("TENCENTCLOUD_SECRET_ID", &id);
    call(&client).await.unwrap();
}

#[tokio::test]
async fn no_more_calls_are_sent_in_a_second_than_the_cloud_takes() {
    let cloud = cloud();
    let client = Arc::new(client(&cloud));
    let callers: Vec<_> = (0..40)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.instance_tokens(REGION, INSTANCE).await.map(|_| ()) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(calls(&cloud), ["DescribeInstanceToken"; 40], "none was refused");
}
