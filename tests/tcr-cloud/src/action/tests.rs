//! What each action answers.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::{
    Account, Config, CustomDomain, Instance, PrivateDns, Tag, VpcLink,
    gateway::Gateway,
    signed::{self, NOW, ask, cloud, demo, response, send, verdict},
};

const DEMO: &str = "tcr-demo0001";

/// Shows what `action` answers, without what differs from run to run.
#[track_caller]
fn check(gateway: &mut Gateway, action: &str, body: Value, expected: Expect) {
    let mut response = ask(gateway, action, body);
    response["RequestId"] = "..".into();
    expected.assert_eq(&response.to_string());
}

fn mint(gateway: &mut Gateway, body: Value) -> Value {
    let token = ask(gateway, "CreateInstanceToken", body);
    assert_eq!(verdict(&token), "ok");
    token
}

fn part(token: &Value, index: usize) -> Value {
    let text = token["Token"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_token_is_temporary_by_default_and_lives_an_hour() {
    let mut gateway = demo();
    let token = mint(&mut gateway, json!({"RegistryId": DEMO, "Desc": "ignored"}));
    assert_eq!(token["Username"], "100012345678");
    assert_eq!(token["TokenId"], "");
    assert_eq!(token["ExpTime"], (NOW + 3600) * 1000);
    assert_eq!(part(&token, 0)["alg"], "RS256");
    let claims = json!({"ownerUin": "100000000001", "operatorUin": "100012345678", "exp": NOW + 3600, "nbf": NOW, "iat": NOW});
    assert_eq!(part(&token, 1), claims);
    assert_eq!(token["Token"].as_str().unwrap().split('.').count(), 3);
    check(
        &mut gateway,
        "DescribeInstanceToken",
        json!({"RegistryId": DEMO}),
        expect![[r#"{"RequestId":"..","Tokens":[],"TotalCount":0}"#]],
    );
}

#[test]
fn a_longterm_token_has_an_id_and_lives_ten_years() {
    let mut gateway = demo();
    let token =
        mint(&mut gateway, json!({"RegistryId": DEMO, "TokenType": "longterm", "Desc": "for a cluster"}));
    let id = token["TokenId"].as_str().unwrap();
    assert_eq!(id.len(), 20);
    assert_eq!(token["ExpTime"], (NOW + 3650 * 86400) * 1000);
    assert_eq!(part(&token, 1)["tokenId"], id);
    let listed = ask(&mut gateway, "DescribeInstanceToken", json!({"RegistryId": DEMO}));
    assert_eq!(
        listed["Tokens"],
        json!([{
            "Id": id,
            "Desc": "for a cluster",
            "RegistryId": DEMO,
            "Enabled": true,
            "CreatedAt": "2023-11-15T06:13:20+08:00",
            "ExpiredAt": (NOW + 3650 * 86400) * 1000,
        }])
    );
}

#[test]
fn other_token_types_are_refused() {
    let response = ask(&mut demo(), "CreateInstanceToken", json!({"RegistryId": DEMO, "TokenType": "long"}));
    expect!["InvalidParameter: The value `long` of parameter `TokenType` is neither `longterm` nor `temp`."]
        .assert_eq(&verdict(&response));
}

#[test]
fn the_instance_must_exist_and_run() {
    let mut config = Config::demo();
    config.instances[0].status = "Isolate".to_owned();
    let mut gateway = cloud(config);
    let mut codes = String::new();
    for (action, id) in [
        ("CreateInstanceToken", DEMO),
        ("CreateInstanceToken", "tcr-nothing"),
        ("DescribeInstanceToken", "tcr-nothing"),
        ("DescribeInternalEndpoints", "tcr-nothing"),
        ("DescribeInstanceCustomizedDomain", "tcr-nothing"),
    ] {
        let refusal = verdict(&ask(&mut gateway, action, json!({"RegistryId": id})));
        codes += &format!("{action} {refusal}\n");
    }
    expect![[r#"
        CreateInstanceToken ResourceInsufficient.ErrorInstanceNotRunning: The registry instance `tcr-demo0001` is `Isolate`, not `Running`.
        CreateInstanceToken ResourceNotFound.TcrResourceNotFound: The registry instance `tcr-nothing` is not found in `ap-guangzhou`.
        DescribeInstanceToken ResourceNotFound.TcrResourceNotFound: The registry instance `tcr-nothing` is not found in `ap-guangzhou`.
        DescribeInternalEndpoints InternalError: An internal error has occurred.
        DescribeInstanceCustomizedDomain ResourceNotFound.TcrResourceNotFound: The registry instance `tcr-nothing` is not found in `ap-guangzhou`.
    "#]]
    .assert_eq(&codes);
}

#[test]
fn tokens_are_listed_by_the_page_newest_first() {
    let mut gateway = demo();
    for number in 0..5 {
        mint(
            &mut gateway,
            json!({"RegistryId": DEMO, "TokenType": "longterm", "Desc": format!("number {number}")}),
        );
    }
    let mut page = |body: Value| {
        let response = ask(&mut gateway, "DescribeInstanceToken", body);
        assert_eq!(response["TotalCount"], 5);
        let tokens = response["Tokens"].as_array().unwrap();
        tokens.iter().map(|token| token["Desc"].as_str().unwrap().replace("number ", "")).collect::<String>()
    };
    assert_eq!(page(json!({"RegistryId": DEMO})), "43210");
    assert_eq!(page(json!({"RegistryId": DEMO, "Limit": 2, "Offset": 1})), "32");
    assert_eq!(page(json!({"RegistryId": DEMO, "Offset": 5})), "");
    let negative = ask(&mut gateway, "DescribeInstanceToken", json!({"RegistryId": DEMO, "Offset": -1}));
    expect!["InvalidParameter: The value `-1` of parameter `Offset` must not be negative."]
        .assert_eq(&verdict(&negative));
}

#[test]
fn a_token_can_be_described_switched_off_and_deleted() {
    let mut gateway = demo();
    let token = mint(&mut gateway, json!({"RegistryId": DEMO, "TokenType": "longterm"}));
    let (id, password) = (token["TokenId"].clone(), token["Token"].as_str().unwrap().to_owned());
    let login = |gateway: &Gateway| gateway.world.login(DEMO, "100012345678", &password, gateway.clock.now());
    assert!(login(&gateway));
    let modify = |gateway: &mut Gateway, what: Value| {
        let mut body = json!({"RegistryId": DEMO, "TokenId": id});
        body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        verdict(&ask(gateway, "ModifyInstanceToken", body))
    };

    // One call does one thing: with the default flag a description is not looked at.
    assert_eq!(modify(&mut gateway, json!({"Enable": false, "Desc": "new"})), "ok");
    assert!(!login(&gateway));
    assert_eq!(gateway.world.tokens[0].description, "");
    assert_eq!(modify(&mut gateway, json!({"Desc": "new", "ModifyFlag": 1})), "ok");
    assert_eq!(gateway.world.tokens[0].description, "new");
    assert_eq!(modify(&mut gateway, json!({"Enable": true, "ModifyFlag": 2})), "ok");
    assert!(login(&gateway));
    assert!(modify(&mut gateway, json!({})).starts_with("MissingParameter: "));
    assert!(modify(&mut gateway, json!({"Enable": true, "ModifyFlag": 3})).starts_with("InvalidParameter: "));

    let delete = json!({"RegistryId": DEMO, "TokenId": id});
    assert_eq!(verdict(&ask(&mut gateway, "DeleteInstanceToken", delete.clone())), "ok");
    assert!(!login(&gateway));
    assert_eq!(ask(&mut gateway, "DescribeInstanceToken", json!({"RegistryId": DEMO}))["TotalCount"], 0);
    let again = verdict(&ask(&mut gateway, "DeleteInstanceToken", delete));
    assert!(again.starts_with("InternalError.Unknown: "), "{again}");
}

#[test]
fn others_tokens_are_not_to_be_seen_or_touched() {
    let mut config = Config::demo();
    let other = Account::new("AKIDother", "another key", "100099999999");
    config.accounts.push(other.clone());
    let mut gateway = cloud(config);
    let token = mint(&mut gateway, json!({"RegistryId": DEMO, "TokenType": "longterm"}));
    let mut as_other = |action: &str, body: Value| {
        response(&send(&mut gateway, &signed::sign(signed::request(action, body), &other)))
    };
    assert_eq!(as_other("DescribeInstanceToken", json!({"RegistryId": DEMO}))["TotalCount"], 0);
    let delete = as_other("DeleteInstanceToken", json!({"RegistryId": DEMO, "TokenId": token["TokenId"]}));
    assert!(verdict(&delete).starts_with("InternalError.Unknown: "));
    assert!(gateway.world.tokens[0].deleted_at.is_none());
}

#[test]
fn tokens_end_with_their_time() {
    let mut gateway = demo();
    let token = mint(&mut gateway, json!({"RegistryId": DEMO}));
    let login = |gateway: &Gateway, registry: &str, user: &str| {
        gateway.world.login(registry, user, token["Token"].as_str().unwrap(), gateway.clock.now())
    };
    assert!(!login(&gateway, DEMO, "someone"));
    assert!(!login(&gateway, "tcr-other", "100012345678"));
    gateway.clock.advance(Duration::from_secs(3599));
    assert!(login(&gateway, DEMO, "100012345678"));
    gateway.clock.advance(Duration::from_secs(1));
    assert!(!login(&gateway, DEMO, "100012345678"));
}

/// Three instances in two regions, two of them tagged.
fn three() -> Gateway {
    let mut config = Config::demo();
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
    config.instances[0].tags = vec![tag("env", "prod"), tag("team", "a")];
    let mut second = Instance::new("tcr-second01", "second", "ap-guangzhou");
    second.tags = vec![tag("env", "test"), tag("team", "a")];
    config.instances.push(second);
    config.instances.push(Instance::new("tcr-third001", "third", "ap-nanjing"));
    cloud(config)
}

#[test]
fn instances_are_found_by_region_id_and_tag() {
    let mut gateway = three();
    let mut ids = |body: Value| {
        let response = ask(&mut gateway, "DescribeInstances", body);
        let found = response["Registries"].as_array().unwrap();
        let names: Vec<_> = found.iter().map(|entry| entry["RegistryName"].as_str().unwrap()).collect();
        format!("{} of {}", names.join(" "), response["TotalCount"])
    };
    let filter = |values: &[&str]| json!({"Name": "Tags", "Values": values});
    assert_eq!(ids(json!({})), "demo second of 2");
    assert_eq!(ids(json!({"AllRegion": true})), "demo second third of 3");
    assert_eq!(ids(json!({"Limit": 1, "Offset": 1})), "second of 2");
    assert_eq!(ids(json!({"Registryids": ["tcr-second01", "tcr-nothing"]})), "second of 1");
    assert_eq!(ids(json!({"Filters": [filter(&["env:prod", "env:test"])]})), "demo second of 2");
    assert_eq!(ids(json!({"Filters": [filter(&["env:prod"]), filter(&["team:a"])]})), "demo of 1");
}

#[test]
fn an_instance_tells_its_domain_and_address() {
    let entry = ask(&mut demo(), "DescribeInstances", json!({}))["Registries"][0].take();
    assert_eq!(entry["Status"], "Running");
    assert_eq!(entry["PublicDomain"], "demo.tencentcloudcr.com");
    assert_eq!(entry["InternalEndpoint"], "10.0.0.2");
    assert_eq!(entry["RegionId"], 1);
    assert_eq!(entry["CreatedAt"], "1970-01-01T08:00:00+08:00");
}

#[test]
fn instance_lists_have_their_rules() {
    let mut refusals = String::new();
    for body in [
        json!({"Limit": 101}),
        json!({"RegistryIds": ["tcr-demo0001"]}),
        json!({"Filters": [{"Name": "RegistryName", "Values": ["demo"]}]}),
        json!({"Filters": [{"Name": "Tags"}]}),
        json!({"Registryids": "tcr-demo0001"}),
        json!({"Registryids": [1]}),
        json!({"AllRegion": "true"}),
        json!({"Limit": 1.5}),
    ] {
        refusals += &verdict(&ask(&mut demo(), "DescribeInstances", body));
        refusals += "\n";
    }
    expect![[r#"
        InvalidParameter: The value `101` of parameter `Limit` exceeds 100.
        UnknownParameter: The parameter `RegistryIds` is not recognized.
        InvalidParameter: The filter `RegistryName` is not supported: `Tags` is.
        MissingParameter: The request is missing a required parameter `Filters.0.Values`.
        InvalidParameter: The value type of parameter `Registryids` is not valid: it must be a list.
        InvalidParameter: The value type of parameter `Registryids.0` is not valid: it must be a string.
        InvalidParameter: The value type of parameter `AllRegion` is not valid: it must be a boolean.
        InvalidParameter: The value type of parameter `Limit` is not valid: it must be an integer.
    "#]]
    .assert_eq(&refusals);
}

#[test]
fn instance_status_is_told_for_each_id() {
    check(
        &mut three(),
        "DescribeInstanceStatus",
        json!({"RegistryIds": ["tcr-second01", DEMO]}),
        expect![[
            r#"{"RegistryStatusSet":[{"Conditions":[],"RegistryId":"tcr-second01","Status":"Running"},{"Conditions":[],"RegistryId":"tcr-demo0001","Status":"Running"}],"RequestId":".."}"#
        ]],
    );
}

#[test]
fn a_link_has_no_address_while_it_is_being_built() {
    let mut config = Config::demo();
    let mut link = VpcLink::running("vpc-new", "subnet-new", "10.1.0.9");
    link.pending_polls = 2;
    config.instances[0].links = Some(vec![link]);
    let mut gateway = cloud(config);
    for expected in [
        expect![[
            r#"{"AccessVpcSet":[{"AccessIp":"","Status":"Pending","SubnetId":"subnet-new","VpcId":"vpc-new"}],"RequestId":"..","TotalCount":1}"#
        ]],
        expect![[
            r#"{"AccessVpcSet":[{"AccessIp":"","Status":"Pending","SubnetId":"subnet-new","VpcId":"vpc-new"}],"RequestId":"..","TotalCount":1}"#
        ]],
        expect![[
            r#"{"AccessVpcSet":[{"AccessIp":"10.1.0.9","Status":"Running","SubnetId":"subnet-new","VpcId":"vpc-new"}],"RequestId":"..","TotalCount":1}"#
        ]],
    ] {
        check(&mut gateway, "DescribeInternalEndpoints", json!({"RegistryId": DEMO}), expected);
    }
}

#[test]
fn no_links_are_null_or_an_empty_list() {
    let mut config = Config::demo();
    config.instances[0].links = None;
    let mut gateway = cloud(config);
    let ask_links = json!({"RegistryId": DEMO});
    check(
        &mut gateway,
        "DescribeInternalEndpoints",
        ask_links.clone(),
        expect![[r#"{"AccessVpcSet":null,"RequestId":"..","TotalCount":0}"#]],
    );
    gateway.world.instances[0].links = Some(Vec::new());
    check(
        &mut gateway,
        "DescribeInternalEndpoints",
        ask_links,
        expect![[r#"{"AccessVpcSet":[],"RequestId":"..","TotalCount":0}"#]],
    );
}

#[test]
fn private_dns_is_told_by_kind_of_domain() {
    let mut config = Config::demo();
    config.instances[0].private_dns = vec![PrivateDns {
        vpc_id: "vpc-demo0001".to_owned(),
        use_public_domain: true,
        status: "ENABLED".to_owned(),
    }];
    let mut gateway = cloud(config);
    let vpc = |public: bool| json!({"VpcSet": [{"InstanceId": DEMO, "VpcId": "vpc-demo0001", "EniLBIp": "10.0.0.2", "UsePublicDomain": public}]});
    check(
        &mut gateway,
        "DescribeInternalEndpointDnsStatus",
        vpc(true),
        expect![[
            r#"{"RequestId":"..","VpcSet":[{"Region":"ap-guangzhou","Status":"ENABLED","VpcId":"vpc-demo0001"}]}"#
        ]],
    );
    check(
        &mut gateway,
        "DescribeInternalEndpointDnsStatus",
        vpc(false),
        expect![[
            r#"{"RequestId":"..","VpcSet":[{"Region":"ap-guangzhou","Status":"DISABLED","VpcId":"vpc-demo0001"}]}"#
        ]],
    );
}

#[test]
fn private_dns_is_asked_with_the_region_of_the_vpc() {
    let mut config = Config::demo();
    let private_dns = PrivateDns {
        vpc_id: "vpc-away0001".to_owned(),
        use_public_domain: true,
        status: "ENABLED".to_owned(),
    };
    let away = VpcLink::running("vpc-away0001", "subnet-away0001", "10.1.0.2");
    config.instances[0].links = Some(vec![VpcLink { region: Some("ap-nanjing".to_owned()), ..away }]);
    config.instances[0].private_dns = vec![private_dns];
    let mut gateway = cloud(config);
    let vpc = |region: Option<&str>| {
        let mut vpc = json!({"InstanceId": DEMO, "VpcId": "vpc-away0001", "EniLBIp": "10.1.0.2", "UsePublicDomain": true});
        if let Some(region) = region {
            vpc["RegionName"] = region.into();
        }
        json!({ "VpcSet": [vpc] })
    };
    let action = "DescribeInternalEndpointDnsStatus";
    check(
        &mut gateway,
        action,
        vpc(Some("ap-nanjing")),
        expect![[
            r#"{"RequestId":"..","VpcSet":[{"Region":"ap-nanjing","Status":"ENABLED","VpcId":"vpc-away0001"}]}"#
        ]],
    );
    for wrong in [None, Some("ap-guangzhou"), Some("gz")] {
        assert_eq!(ask(&mut gateway, action, vpc(wrong))["Error"]["Code"], "InvalidParameter", "{wrong:?}");
    }
}

#[test]
fn custom_domains_are_listed_by_the_page() {
    let mut config = Config::demo();
    let domain = |name: &str, status: &str| CustomDomain {
        name: name.to_owned(),
        status: status.to_owned(),
        cert_id: "cert".to_owned(),
    };
    config.instances[0].custom_domains =
        vec![domain("img.example.com", "SUCCESS"), domain("b.example.com", "creating")];
    check(
        &mut cloud(config),
        "DescribeInstanceCustomizedDomain",
        json!({"RegistryId": DEMO, "Offset": 1}),
        expect![[
            r#"{"DomainInfoList":[{"CertId":"cert","DomainName":"b.example.com","RegistryId":"tcr-demo0001","Status":"creating"}],"RequestId":"..","TotalCount":2}"#
        ]],
    );
}

#[test]
fn regions_are_listed() {
    let response = ask(&mut demo(), "DescribeRegions", json!({}));
    assert_eq!(response["TotalCount"], 23);
    assert_eq!(response["Regions"][0]["RegionName"], "ap-guangzhou");
    assert_eq!(response["Regions"][0]["Alias"], "gz");
}

/// What CreateServiceAccount answers, in a word, or its refusal.
fn make_account(gateway: &mut Gateway, changes: Value) -> String {
    let mut body = json!({
        "RegistryId": DEMO, "Name": "cluster", "Description": "d", "ExpiresAt": (NOW + 86_400) * 1000,
        "Permissions": [{"Resource": "team-a", "Actions": ["tcr:PullRepository"]}],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value.clone(),
        }
    }
    let answer = ask(gateway, "CreateServiceAccount", body);
    answer["Name"].as_str().map_or_else(|| verdict(&answer), str::to_owned)
}

#[test]
fn a_service_account_has_a_prefix_and_a_password_that_is_told_once() {
    let mut gateway = demo();
    let body = json!({
        "RegistryId": DEMO, "Name": "cluster", "Description": "d", "Duration": 1, "ExpiresAt": 1,
        "Permissions": [{"Resource": "team-a", "Actions": ["tcr:PullRepository"]}],
    });
    let made = ask(&mut gateway, "CreateServiceAccount", body);
    assert_eq!(made["Name"], "tcr$cluster");
    assert_eq!(made["ExpiresAt"], (NOW + 86_400) * 1000, "days win over milliseconds");
    assert_eq!(made["Password"].as_str().unwrap().len(), 32);
    check(
        &mut gateway,
        "DescribeServiceAccounts",
        json!({"RegistryId": DEMO}),
        expect![[
            r#"{"RequestId":"..","ServiceAccounts":[{"CreateTime":"2023-11-15T06:13:20+08:00","Description":"d","Disable":false,"ExpiresAt":1700086400000,"Name":"tcr$cluster","Permissions":[],"UpdateTime":"2023-11-15T06:13:20+08:00"}],"TotalCount":1}"#
        ]],
    );
    let embedded = json!({"RegistryId": DEMO, "EmbedPermission": true});
    let listed = ask(&mut gateway, "DescribeServiceAccounts", embedded.clone());
    let permissions = json!([{"Resource": "team-a", "Actions": ["tcr:PullRepository"]}]);
    assert_eq!(listed["ServiceAccounts"][0]["Permissions"], permissions);

    let change =
        json!({"RegistryId": DEMO, "Name": "cluster", "Disable": true, "ExpiresAt": (NOW + 7) * 1000});
    assert_eq!(verdict(&ask(&mut gateway, "ModifyServiceAccount", change)), "ok");
    let listed = ask(&mut gateway, "DescribeServiceAccounts", embedded);
    assert_eq!(listed["ServiceAccounts"][0]["Disable"], true);
    assert_eq!(listed["ServiceAccounts"][0]["ExpiresAt"], (NOW + 7) * 1000);
    assert_eq!(listed["ServiceAccounts"][0]["Permissions"], permissions, "what is not given stays");

    let other = json!({"RegistryId": DEMO, "Name": "tcr$cluster", "Random": true});
    let changed = ask(&mut gateway, "ModifyServiceAccountPassword", other);
    assert_ne!(changed["Password"], made["Password"]);
    let weak = json!({"RegistryId": DEMO, "Name": "tcr$cluster", "Random": false, "Password": "abc"});
    let weak = verdict(&ask(&mut gateway, "ModifyServiceAccountPassword", weak));
    assert_eq!(weak, "InvalidParameter: The value of parameter `Password` is not valid.");

    let gone = json!({"RegistryId": DEMO, "Name": "tcr$cluster"});
    assert_eq!(verdict(&ask(&mut gateway, "DeleteServiceAccount", gone.clone())), "ok");
    let again = verdict(&ask(&mut gateway, "DeleteServiceAccount", gone));
    assert_eq!(again, "OperationDenied: The service account `tcr$cluster` is not there.");
    assert_eq!(ask(&mut gateway, "DescribeServiceAccounts", json!({"RegistryId": DEMO}))["TotalCount"], 0);
    assert_eq!(make_account(&mut gateway, json!({})), "tcr$cluster", "the name is free again");
}

#[test]
fn a_service_account_is_refused_what_no_account_may_have() {
    let mut gateway = demo();
    assert_eq!(make_account(&mut gateway, json!({})), "tcr$cluster");
    let permissions = |resource: &str, action: &str| json!({"Name": "x", "Permissions": [{"Resource": resource, "Actions": [action]}]});
    let answers: Vec<String> = [
        json!({}),
        json!({"Name": "A b"}),
        json!({"Name": "x".repeat(300)}),
        json!({"Name": "x", "Permissions": []}),
        permissions("*", "tcr:PullRepository"),
        permissions("nowhere", "tcr:PullRepository"),
        permissions("team-a", "tcr:*"),
        json!({"Name": "x", "ExpiresAt": 1}),
        json!({"Name": "x", "Duration": 0}),
        json!({"Name": null}),
    ]
    .into_iter()
    .map(|changes| make_account(&mut gateway, changes))
    .collect();
    expect![[r#"
        OperationDenied: The service account `tcr$cluster` already exists.
        InvalidParameter: The value of parameter `Name` is not valid.
        InvalidParameter: The value of parameter `Name` is not valid.
        InvalidParameter: custom account's permission can not be empty
        InvalidParameter: The namespace `*` is not found.
        InvalidParameter: The namespace `nowhere` is not found.
        InvalidParameter: not support action: tcr:*
        InvalidParameter: The value of parameter `ExpiresAt` is in the past.
        InvalidParameter: The value of parameter `Duration` must be positive.
        MissingParameter: The request is missing a required parameter `Name`."#]]
    .assert_eq(&answers.join("\n"));
}

#[test]
fn service_accounts_have_a_quota_and_a_switch() {
    let mut config = Config::demo();
    config.instances[0].service_account_quota = 1;
    let mut gateway = cloud(config);
    assert_eq!(make_account(&mut gateway, json!({})), "tcr$cluster");
    assert_eq!(
        make_account(&mut gateway, json!({"Name": "x"})),
        "OperationDenied.QuotaOverLimit: The number of service accounts exceeds the quota."
    );
    let mut config = Config::demo();
    config.instances[0].service_accounts = false;
    let mut gateway = cloud(config);
    let off = "UnsupportedOperation: The feature is in beta and not enabled.";
    assert_eq!(make_account(&mut gateway, json!({})), off);
    let listed = ask(&mut gateway, "DescribeServiceAccounts", json!({"RegistryId": DEMO}));
    assert_eq!(verdict(&listed), off);
}

#[test]
fn service_accounts_of_all_makers_are_listed_in_pages() {
    let mut gateway = demo();
    for number in 0..5 {
        make_account(&mut gateway, json!({"Name": format!("a{number}")}));
    }
    let names = |gateway: &mut Gateway, more: Value| {
        let mut body = json!({"RegistryId": DEMO});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let listed = ask(gateway, "DescribeServiceAccounts", body);
        let names = listed["ServiceAccounts"].as_array().unwrap().iter();
        names.map(|it| it["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&mut gateway, json!({"Limit": 2})), "tcr$a4 tcr$a3");
    assert_eq!(names(&mut gateway, json!({"Limit": 2, "Offset": 4})), "tcr$a0");
    assert_eq!(names(&mut gateway, json!({"All": true, "Limit": 1})).split(' ').count(), 5);
    let filter = json!({"Filters": [{"Name": "ServiceAccountName", "Values": ["a1"]}]});
    assert_eq!(names(&mut gateway, filter), "tcr$a1");
}

#[test]
fn namespaces_come_by_page_and_by_a_part_of_their_name() {
    let mut gateway = demo();
    let mut names = |more: Value| {
        let mut body = json!({"RegistryId": DEMO});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let listed = ask(&mut gateway, "DescribeNamespaces", body);
        let names = listed["NamespaceList"].as_array().unwrap().iter();
        names.map(|it| it["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(json!({})), "team team-a team-b base");
    assert_eq!(names(json!({"NamespaceName": "team"})), "team team-a team-b");
    assert_eq!(names(json!({"NamespaceName": "nowhere"})), "");
    assert_eq!(names(json!({"Limit": 3, "Offset": 0})), "team team-a team-b");
    assert_eq!(names(json!({"Limit": 3, "Offset": 2})), "base");
}
