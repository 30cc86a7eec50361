//! Identities that are lent for a while: a Pod's role, a machine's role, a mounted Secret that changes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tcr::image_pull_secret::CredentialKind;
use tcr_cloud::{Account, Cloud, Config, Fault, FaultKind, Instance, Machine, OidcProvider, Role};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::error::{CloudError, Failure, Refusal};
use tencent_cloud::roles::Clients;
use tencent_cloud::service_account::ServiceAccountSpec;

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

/// The identity's own account lends nothing; the account of the instance `tcr-other001` has a role that trusts it.
fn two_accounts() -> Config {
    let mut config = Config::demo();
    let mut other = Instance::new("tcr-other001", "other", REGION);
    other.owner_uin = Some("100000000002".to_owned());
    other.namespaces = vec!["team-a".to_owned()];
    config.instances.push(other);
    let mut role = Role::new("reader", "100000000002", "4611686000000000002");
    role.trusts = vec!["100000000001".to_owned()];
    role.external_id = Some("cluster-1".to_owned());
    config.roles = vec![role];
    config.accounts[0].allow.push("sts:AssumeRole".to_owned());
    config
}

const READER: &str = "qcs::cam::uin/100000000002:roleName/reader";
const OTHER: &str = "tcr-other001";

fn clouds(cloud: &Cloud, chain: Chain, roles: &[&str]) -> Clients {
    let own = Arc::new(client_with(lender(cloud), chain));
    Clients::new(own, roles.iter().map(|role| role.parse().unwrap()).collect())
}

/// The client of the other account's instance, in its role, by an operator who allows that.
fn in_role(cloud: &Cloud) -> Arc<Client> {
    let role = format!("{READER};external-id=cluster-1");
    clouds(cloud, demo_chain(), &[&role]).of(Some(READER), REGION, OTHER)
}

#[tokio::test]
async fn an_instance_of_another_account_is_reached_in_a_role_that_is_taken_on_again_in_time() {
    let cloud = Cloud::start(two_accounts()).unwrap();
    let role = format!("{READER};external-id=cluster-1");
    let clouds = clouds(&cloud, demo_chain(), &[&role]);
    assert_eq!(clouds.own().instance(REGION, OTHER).await.unwrap(), None);
    for _ in 0..2 {
        // Whoever asks shares its keys.
        let found = clouds.of(Some(READER), REGION, OTHER).instance(REGION, OTHER).await.unwrap().unwrap();
        assert_eq!(found.name, "other");
    }
    assert_eq!(count(&cloud, "AssumeRole"), 1);
    let client = clouds.of(Some(READER), REGION, OTHER);
    let issued = client.create_instance_token(REGION, OTHER, CredentialKind::Temp, "").await.unwrap();
    assert_eq!(issued.username, "4611686000000000002");
    assert!(cloud.accepts_login(OTHER, &issued.username, issued.token.expose()));

    cloud.advance(Duration::from_secs(6600));
    // The first of them learns the time.
    for _ in 0..2 {
        client.instance(REGION, OTHER).await.unwrap().unwrap();
    }
    assert_eq!(count(&cloud, "AssumeRole"), 2, "before the first one's key ends");
}

#[tokio::test]
async fn a_roles_key_makes_service_accounts_and_is_good_for_its_one_instance() {
    let cloud = Cloud::start(two_accounts()).unwrap();
    let client = in_role(&cloud);
    assert!(client.has_namespace(REGION, OTHER, "team-a").await.unwrap());
    let account = ServiceAccountSpec {
        name: "cluster".to_owned(),
        description: String::new(),
        registry_namespaces: vec!["team-a".to_owned()],
        expires_at: cloud.now() + Duration::from_secs(90 * 86_400),
    };
    client.create_service_account(REGION, OTHER, &account).await.unwrap();
    for error in [
        client.instance(REGION, INSTANCE).await.unwrap_err(),
        client.create_instance_token(REGION, INSTANCE, CredentialKind::Temp, "").await.unwrap_err(),
        client.instance_tokens(REGION, OTHER).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("UnauthorizedOperation"), "{error}");
    }
}

/// What is told of a role that cannot be taken on, and whether it is the role that stands in the way.
async fn told(cloud: &Cloud) -> (String, bool) {
    let error = in_role(cloud).instance(REGION, OTHER).await.unwrap_err();
    (error.to_string(), error.refusal() == Some(Refusal::Role))
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_caller_is_an_error_with_the_statement_to_add() {
    let cloud = Cloud::start(two_accounts()).unwrap();
    cloud.update_role("reader", |role| role.trusts.clear());
    let (said, is_of_role) = told(&cloud).await;
    assert!(is_of_role && said.contains("UnauthorizedOperation"), "{said}");
    let statement = r#"{"action":"name/sts:AssumeRole","condition":{"string_equal":{"sts:external_id":"cluster-1"}},"effect":"allow","principal":{"qcs":["qcs::cam::uin/100000000001:root"]}}"#;
    assert!(said.contains(statement), "{said}");

    cloud.update_role("reader", |role| role.name = "another".to_owned());
    let (said, is_of_role) = told(&cloud).await;
    assert!(
        is_of_role && said.contains("ResourceNotFound.RoleNotFound") && !said.contains("trust"),
        "{said}"
    );
}

#[tokio::test]
async fn a_pod_takes_on_a_role_of_another_account_by_its_own_token() {
    let mut config = two_accounts();
    config.roles[0].trusts.clear();
    config.roles[0].provider =
        Some(OidcProvider { id: "cls-of-theirs".to_owned(), tokens: vec!["projected".into()] });
    let cloud = Cloud::start(config).unwrap();
    let (folder, chain) = pod();
    let role = format!("{READER};provider-id=cls-of-theirs");
    let client = clouds(&cloud, chain, &[&role]).of(Some(READER), REGION, OTHER);
    for _ in 0..2 {
        client.instance(REGION, OTHER).await.unwrap().unwrap();
    }
    assert_eq!(calls(&cloud), ["AssumeRoleWithWebIdentity", "DescribeInstances", "DescribeInstances"]);

    // Not trusted any more.
    cloud.update_role("reader", |role| role.provider = None);
    let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":["sts.cloud.tencent.com"]}"#);
    let token = format!("e30.{claims}.c2ln");
    std::fs::write(folder.path().join("token"), &token).unwrap();
    cloud.advance(Duration::from_secs(7200));
    let error = client.instance(REGION, OTHER).await.unwrap_err();
    let said = error.to_string();
    let statement = r#"{"action":"name/sts:AssumeRoleWithWebIdentity","condition":{"string_equal":{"oidc:aud":["sts.cloud.tencent.com"]}},"effect":"allow","principal":{"federated":["qcs::cam::uin/100000000002:oidc-provider/cls-of-theirs"]}}"#;
    assert!(
        error.refusal() == Some(Refusal::Role) && said.contains(statement) && !said.contains(&token),
        "{said}"
    );

    // No Pod's identity at all.
    let client = clouds(&cloud, demo_chain(), &[&role]).of(Some(READER), REGION, OTHER);
    let error = client.instance(REGION, OTHER).await.unwrap_err();
    assert!(error.refusal().is_none() && error.to_string().contains("the Pod has none"), "{error}");
}

#[tokio::test]
async fn a_role_that_is_not_allowed_is_not_asked_for() {
    let cloud = Cloud::start(two_accounts()).unwrap();
    let other = "qcs::cam::uin/100000000002:roleName/other";
    let client = clouds(&cloud, demo_chain(), &[other]).of(Some(READER), REGION, OTHER);
    let error = client.instance(REGION, OTHER).await.unwrap_err();
    assert!(
        error.refusal() == Some(Refusal::Role) && error.to_string().contains("(allowedRoles)"),
        "{error}"
    );
    assert!(calls(&cloud).is_empty());
}

#[tokio::test]
async fn what_stands_in_the_way_to_a_role_is_not_the_roles_fault() {
    // The service, for a while and for long.
    let cloud = Cloud::start(two_accounts()).unwrap();
    cloud.inject(Fault::error("InternalError.DbError").on("AssumeRole").times(1));
    in_role(&cloud).instance(REGION, OTHER).await.unwrap().unwrap();
    assert_eq!(count(&cloud, "AssumeRole"), 2);
    cloud.inject(Fault::status(503).on("AssumeRole"));
    let (said, is_of_role) = told(&cloud).await;
    assert!(!is_of_role && said.contains("HTTP status 503"), "{said}");

    // The key that signs.
    let cloud = Cloud::start(two_accounts()).unwrap();
    assert!(cloud.delete_user("100012345678"));
    let (said, is_of_role) = told(&cloud).await;
    assert!(
        !is_of_role && said.contains("from the environment") && said.contains("SecretIdNotFound"),
        "{said}"
    );

    // The clock, which is corrected.
    let late = Config { now: Some(Timestamp::now() + Duration::from_secs(3600)), ..two_accounts() };
    let cloud = Cloud::start(late).unwrap();
    in_role(&cloud).instance(REGION, OTHER).await.unwrap().unwrap();
    assert_eq!(calls(&cloud)[..2], ["AssumeRole AuthFailure.SignatureExpire", "AssumeRole"]);
}

#[tokio::test]
async fn a_role_is_taken_on_with_the_next_key_of_a_secret_that_changed() {
    let mut config = two_accounts();
    let mut next = Account::new("AKIDnext", "next", "100012345679");
    next.owner_uin = Some("100000000001".to_owned());
    next.allow.push("sts:AssumeRole".to_owned());
    config.accounts.push(next);
    let cloud = Cloud::start(config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |id: &str, key: &str| {
        std::fs::write(folder.path().join("TENCENTCLOUD_SECRET_ID"), id).unwrap();
        std::fs::write(folder.path().join("TENCENTCLOUD_SECRET_KEY"), key).unwrap();
    };
    let (id, key) = demo_key();
    write(&id, &key);
    let chain = chain(&[]).after_directory(Some(folder.path().to_owned()));
    let role = format!("{READER};external-id=cluster-1");
    let client = clouds(&cloud, chain, &[&role]).of(Some(READER), REGION, OTHER);
    client.instance(REGION, OTHER).await.unwrap().unwrap();
    write("AKIDnext", "next");
    assert!(cloud.delete_user("100012345678"));
    cloud.advance(Duration::from_secs(7200));
    client.instance(REGION, OTHER).await.unwrap().unwrap();
}
