//! The double, judged by the vendor: Tencent Cloud's own Python SDK is the caller, and what its client or its models do not
//! know, the double says wrong.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tcr_cloud::{
    Account, Cloud, Config, CustomDomain, Fault, Instance, Machine, OidcProvider, Role, Secret, VpcLink,
};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// The demo, whose instance has a link that is built first, one in another region and a domain of its own, and beside it an
/// instance for each of what is refused.
fn config() -> Config {
    let mut config = Config::demo();
    let mut links = [
        VpcLink::running("vpc-demo0001", "subnet-demo0001", "10.0.0.2"),
        VpcLink::running("vpc-hongkong", "subnet-hongkong", "10.1.0.2"),
    ];
    links[0].pending_polls = 1;
    links[1].region = Some("ap-hongkong".to_owned());
    let [demo] = &mut config.instances[..] else { unreachable!("the demo has one instance") };
    demo.links = Some(links.to_vec());
    demo.custom_domains = vec![CustomDomain {
        name: "images.example.com".to_owned(),
        status: "SUCCESS".to_owned(),
        cert_id: "cert1234".to_owned(),
    }];
    let instance = |id: &str| {
        let mut instance = Instance::new(id, &id[4..], "ap-guangzhou");
        instance.namespaces = vec!["team-a".to_owned()];
        instance
    };
    let mut leaving = instance("tcr-leaving1");
    leaving.status = "Deleting".to_owned();
    let mut without = instance("tcr-without1");
    without.service_accounts = false;
    let mut full = instance("tcr-full0001");
    full.service_account_quota = 0;
    config.instances.extend([leaving, without, full]);
    let mut stranger = Account::new("AKIDstranger", "strange", "100000000009");
    stranger.allow = Vec::new();
    let mut session = Account::new("AKIDsession", "session", "100000000008");
    session.token = Some(Secret::new("of-the-session"));
    config.accounts.extend([stranger, session]);
    let mut role = Role::new("tcr-reader", "100000000001", "100000000007");
    let tokens = vec![Secret::new("signed-by-the-provider")];
    role.provider = Some(OidcProvider { id: "cls-demo0001".to_owned(), tokens });
    let mut open = Role::new("open", "100000000001", "100000000005");
    open.trusts = vec!["100000000001".to_owned()];
    let mut lent = Role::new("lent", "100000000001", "100000000006");
    lent.trusts.clone_from(&open.trusts);
    lent.external_id = Some("cluster-1".to_owned());
    config.roles = vec![role, lent, open];
    config.accounts[0].allow.push("sts:AssumeRole".to_owned());
    config.machine = config.machine.map(|machine| Machine { role: Some("tcr-reader".to_owned()), ..machine });
    config.rate_limits.insert("DescribeInstanceStatus".to_owned(), 1);
    config
}

/// Runs a scenario of `tests/vendor/judge.py`, in which nothing is wrong.
fn judge(scenario: &str) {
    let (is_right, said) = judged(scenario, config());
    assert!(is_right, "{scenario}:\n{said}");
}

/// Whether nothing is wrong in a scenario, and what is.
fn judged(scenario: &str, config: Config) -> (bool, String) {
    let account = |at: usize| {
        let Account { secret_id, secret_key, token, .. } = &config.accounts[at];
        json!({
            "secretId": secret_id,
            "secretKey": secret_key.expose(),
            "token": token.as_ref().map(Secret::expose),
        })
    };
    let mut late = Config::demo();
    late.now = Some("2020-01-01T00:00:00Z".parse().unwrap());
    let late = Cloud::start(late).unwrap();
    let accounts = json!({"owner": account(0), "stranger": account(1), "session": account(2)});
    let [arn, lent, open] = [0, 1, 2].map(|at: usize| config.roles[at].arn());
    let owner = config.accounts[0].owner_uin.clone();
    let cloud = Cloud::start(config).unwrap();
    let given = json!({
        "url": cloud.url(),
        "lateUrl": late.url(),
        "accounts": accounts,
        "roleArn": arn,
        "lentArn": lent,
        "openArn": open,
        "ownerUin": owner,
    });
    run(scenario, &given)
}

fn run(scenario: &str, given: &Value) -> (bool, String) {
    let python = Command::new(Path::new(FOLDER).join("../vendor-python")).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let mut child = Command::new(String::from_utf8(python.stdout).unwrap().trim())
        // Isolated: of the environment's Python nothing counts.
        .args(["-I", "-B", &format!("{FOLDER}/tests/vendor/judge.py"), scenario])
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_double_takes_the_fields_that_the_vendor_knows_and_no_others() {
    judge("forms");
}

#[test]
fn the_vendors_client_reads_each_field_of_every_answer() {
    judge("answers");
}

#[test]
fn the_vendors_client_tells_every_refusal_by_its_code() {
    judge("refusals");
}

#[test]
fn the_vendors_own_ways_to_a_temporary_key_lead_to_one_that_signs() {
    judge("credentials");
}

#[test]
fn what_the_vendor_would_not_say_is_told() {
    let mut config = config();
    let regions = json!([{"Alias": "gz", "Nothing": 1}]);
    config.faults = vec![
        Fault::lie("TotalCount", json!("many")).on("DescribeInstances").times(1),
        Fault::lie("Regions", regions).on("DescribeRegions").times(1),
    ];
    let (is_right, said) = judged("answers", config);
    assert!(!is_right, "{said}");
    for words in [
        "DescribeInstances.TotalCount is of str instead of int",
        "DescribeRegions.Regions[0].Nothing is no field that the vendor's model has",
        "DescribeRegions.Regions[0].RegionId is not there",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}
