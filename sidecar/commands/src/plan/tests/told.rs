//! What a plan says, in each of its forms.

use expect_test::{Expect, expect};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tcr::hosts_entry::HostsEntry;
use tcr::image_pull_secret::{OnDelete, WhenLinkDown};
use tcr::names::FINALIZER;
use tcr::sensitive::Sensitive;

use credential::store::Document;
use credential_plan::Key;
use credential_plan::plan::{Held, Replaced, Stored};
use distribution::{Account, Digest, Observed, SeenSecret, Version};
use reconcile::password::Passwords;

use crate::plan::forecast::Forecast;
use crate::plan::input::{Live, Wanted, as_they_are, overlay};
use crate::plan::known::{Known, Settings};
use crate::plan::report::Plan;
use crate::plan::{diff, text, values::Values};
use crate::reader::{Right, Seen};
use crate::render::input;

fn settings() -> Settings {
    Settings { cluster_id: Some("cls-12345678".to_owned()), is_cluster_id_known: true, ..Settings::default() }
}

fn live(name: &str, spec: Value, status: Value) -> Live {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        uid: Some("u".to_owned()),
        finalizers: Some(vec![FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    Live { metadata, data: json!({"spec": spec, "status": status}) }
}

fn instance(extra: Value) -> Value {
    let mut spec =
        json!({"namespaces": "*", "tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}});
    spec["tcr"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    spec
}

fn held(token: &str) -> Held {
    Held {
        username: "100".to_owned(),
        token: Sensitive::new(token),
        token_id: Some(format!("id-{token}")),
        issued_at: Timestamp::UNIX_EPOCH,
        extended_at: None,
        expires_at: None,
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn stored(stored: Stored) -> Document {
    let Value::Object(tcr) = instance(json!({}))["tcr"].take() else { unreachable!() };
    let key = Key::of("demo", &serde_json::from_value(Value::Object(tcr)).unwrap());
    Document { key, on_delete: OnDelete::Retain, stored }
}

fn current(token: &str) -> Stored {
    Stored { marker: "m".to_owned(), current: Some(held(token)), ..Stored::default() }
}

/// Three namespaces with a ServiceAccount each.
fn namespaces() -> Observed {
    let mut observed = Observed::default();
    for name in ["shop", "team", "web"] {
        let namespace = observed.entry(name);
        namespace.exists = true;
        namespace.accounts.insert("default", Account { resource_version: "1".into(), ..Account::default() });
    }
    observed
}

fn ours(digest: Digest) -> SeenSecret {
    SeenSecret::Ours {
        uid: "u".into(),
        version: Version(1),
        digest: Some(digest),
        labelled: true,
        mendable: true,
        marked: true,
        unread: false,
    }
}

struct Told {
    live: Vec<Live>,
    manifests: &'static str,
    delete: &'static [&'static str],
    stored: Seen<Vec<Document>>,
    entries: Vec<HostsEntry>,
    observed: Observed,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            live: Vec::new(),
            manifests: "",
            delete: &[],
            stored: Seen::Known(Vec::new()),
            entries: Vec::new(),
            observed: namespaces(),
        }
    }
}

impl Told {
    fn plan(self) -> Plan {
        let Self { live, manifests, delete, stored, entries, observed } = self;
        let wanted = match manifests {
            "" => Wanted::Nothing,
            text => Wanted::Manifests(input::documents("demo.yaml", text).unwrap()),
        };
        let (now, delete) =
            (Timestamp::UNIX_EPOCH, delete.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let overlaid = overlay(&live, wanted, &delete, &settings(), now).unwrap();
        let known = Known {
            now,
            settings: settings(),
            before: as_they_are(&live, &settings()),
            after: overlaid.after,
            passwords: Seen::Known(Passwords::default()),
            stored,
            entries: Seen::Known(Some(entries)),
            nodes: vec!["node-a".to_owned(), "node-b".to_owned()],
            nodes_without: vec!["super-1".to_owned()],
            key: Seen::Known(None),
            are_secrets_known: true,
            refused: overlaid.refused,
            notes: overlaid.notes,
            not_known: Vec::new(),
        };
        Forecast::new(known, observed).plan()
    }

    #[track_caller]
    fn check(self, expected: Expect) {
        let plan = self.plan();
        let whole = serde_json::to_string(&plan).unwrap() + &format!("{plan:?}") + &diff::diff(&plan);
        assert!(!whole.contains("p-secret"), "a password is shown");
        expected.assert_eq(&text::text(&plan));
    }
}

const NEW: &str = "
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: demo}
spec:
  namespaces: '*'
  tcr:
    instanceId: tcr-demo0001
    region: ap-guangzhou
    privateNetwork: {resolve: true, vpcId: vpc-demo0001}
";

#[test]
fn a_first_object_leads_to_a_credential_secrets_references_and_entries() {
    Told { manifests: NEW, ..Told::default() }.check(expect![[r#"
        ImagePullSecrets:
          demo is created: 3 namespaces, 3 ServiceAccounts

        Credentials:
          create a longterm credential of tcr-demo0001 (ap-guangzhou), for demo

        Secrets:
          create tcr.ipsdemo in 3 namespaces: shop, team, web

        References of ServiceAccounts:
          add tcr.ipsdemo at 3 ServiceAccounts: shop/default, team/default, web/default

        Entries of nodes' hosts files:
          demo: default, vpc of tcr-demo0001 would resolve to its private link, whose address only the controller can ask for
          on 2 nodes: node-a, node-b
          not on 1 node, where no hosts-updater runs: super-1

        To know:
          demo.yaml: ImagePullSecret "demo": spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there

        Would change: 1 ImagePullSecret, 1 credential, 3 Secrets, 3 ServiceAccounts, 0 hosts entries.
    "#]]);
}

#[test]
fn as_a_diff_each_object_stands_alone_and_no_content_is_shown() {
    let mut observed = Observed::default();
    let namespace = observed.entry("shop");
    namespace.exists = true;
    namespace.accounts.insert("default", Account::default());
    let plan = Told { manifests: NEW, observed, ..Told::default() }.plan();
    expect![[r#"
        --- /dev/null
        +++ b/imagepullsecrets/demo
        +spec: (as asked)
        +finalizers: tcr.tencentcloudcr.com/cleanup
        --- /dev/null
        +++ b/secrets/shop/tcr.ipsdemo
        +data: (the credential)
        +metadata: (labels and mark)
        --- a/serviceaccounts/shop/default
        +++ b/serviceaccounts/shop/default
        +imagePullSecrets: tcr.ipsdemo
    "#]]
    .assert_eq(&diff::diff(&plan));
    expect![[r#"
        {
          "changes": true,
          "imagePullSecrets": [
            {
              "name": "demo",
              "change": "created",
              "namespaces": 1,
              "serviceAccounts": 1
            }
          ],
          "credentials": [
            {
              "action": "create",
              "instanceId": "tcr-demo0001",
              "region": "ap-guangzhou",
              "type": "longterm",
              "imagePullSecrets": [
                "demo"
              ]
            }
          ],
          "writes": [
            {
              "namespace": "shop",
              "kind": "Secret",
              "name": "tcr.ipsdemo",
              "action": "create"
            },
            {
              "namespace": "shop",
              "kind": "ServiceAccount",
              "name": "default",
              "action": "editReferences",
              "adds": [
                "tcr.ipsdemo"
              ]
            }
          ],
          "hosts": {
            "entries": [],
            "pending": [
              {
                "about": "demo",
                "message": "default, vpc of tcr-demo0001 would resolve to its private link, whose address only the controller can ask for"
              }
            ],
            "nodes": [
              "node-a",
              "node-b"
            ],
            "nodesWithout": [
              "super-1"
            ]
          },
          "conflicts": [],
          "refused": [],
          "notes": [
            {
              "about": "demo.yaml: ImagePullSecret \"demo\"",
              "message": "spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there"
            }
          ],
          "notKnown": []
        }"#]].assert_eq(&serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn nothing_is_told_of_what_is_as_it_shall_be() {
    let mut observed = Observed::default();
    let live = vec![live("demo", instance(json!({"domains": ["default"]})), json!({}))];
    let content = as_they_are(&live, &settings())[0].fill(
        &Passwords::default(),
        Some(&held("a")),
        &settings().allowed_roots,
        false,
    );
    let digest = distribution::Content::new(content.unwrap().bytes).digest();
    let namespace = observed.entry("shop");
    namespace.exists = true;
    namespace.secrets.insert("tcr.ipsdemo", ours(digest));
    let stored = Seen::Known(vec![stored(current("a"))]);
    let told = Told { live, stored, observed, ..Told::default() };
    told.check(expect!["Nothing would change.\n"]);
}

#[test]
fn where_credentials_may_not_be_read_what_most_namespaces_have_counts_as_right() {
    let mut observed = namespaces();
    for (name, digest) in [("shop", "one"), ("team", "one"), ("web", "two")] {
        let namespace = observed.entry(name);
        namespace.secrets.insert("tcr.ipsdemo", ours(Digest::of(digest.as_bytes())));
        namespace.accounts = Default::default();
    }
    let status = json!({"hosts": ["demo.tencentcloudcr.com"], "tokenId": "id-a"});
    let live = vec![live("demo", instance(json!({})), status)];
    let denied = Seen::Denied(Right::list("secrets", "tcr-assistant-system"));
    Told { live, stored: denied, observed, ..Told::default() }.check(expect![[r#"
        Secrets:
          update tcr.ipsdemo in 1 namespace: web

        Would change: 0 ImagePullSecrets, 0 credentials, 1 Secret, 0 ServiceAccounts, 0 hosts entries.
    "#]]);
}

#[test]
fn what_is_deleted_takes_along_what_it_led_to_and_its_credential_as_it_says() {
    let told = |on_delete: &str| {
        let mut observed = namespaces();
        observed.entry("shop").secrets.insert("tcr.ipsdemo", ours(Digest::of(b"any")));
        let account = Account {
            resource_version: "7".into(),
            references: ["partner".into(), "tcr.ipsdemo".into()].into(),
            has_list: true,
        };
        observed.entry("shop").accounts.insert("default", account);
        let spec =
            instance(json!({"credential": {"onDelete": on_delete}, "privateNetwork": {"resolve": true}}));
        let entry = HostsEntry::new("demo.tencentcloudcr.com", "10.0.0.2", false).unwrap();
        let before = Stored {
            previous: vec![Replaced { token_id: "id-before".to_owned(), delete_at: Timestamp::MAX }],
            ..current("a")
        };
        Told {
            live: vec![live("demo", spec, json!({"hosts": ["demo.tencentcloudcr.com"]}))],
            delete: &["demo"],
            stored: Seen::Known(vec![stored(before)]),
            entries: vec![entry.of_link(WhenLinkDown::Keep)],
            observed,
            ..Told::default()
        }
    };
    told("Revoke").check(expect![[r#"
        ImagePullSecrets:
          demo is deleted, with what it led to

        Credentials:
          revoke the longterm credential id-a of tcr-demo0001 (ap-guangzhou), for demo: nobody uses it any more
          revoke the longterm credential id-before of tcr-demo0001 (ap-guangzhou), for demo: nobody uses it any more

        Secrets:
          delete tcr.ipsdemo in 1 namespace: shop

        References of ServiceAccounts:
          remove tcr.ipsdemo at 1 ServiceAccount: shop/default

        Entries of nodes' hosts files:
          remove demo.tencentcloudcr.com 10.0.0.2
          on 2 nodes: node-a, node-b
          not on 1 node, where no hosts-updater runs: super-1

        Would change: 1 ImagePullSecret, 2 credentials, 1 Secret, 1 ServiceAccount, 1 hosts entry.
    "#]]);
    told("Retain").check(expect![[r#"
        ImagePullSecrets:
          demo is deleted, with what it led to

        Credentials:
          revoke the longterm credential id-before of tcr-demo0001 (ap-guangzhou), for demo: nobody uses it any more
          leave the longterm credential id-a of tcr-demo0001 (ap-guangzhou), for demo: nobody uses it any more, and spec.tcr.credential.onDelete is Retain: it stays valid at the registry

        Secrets:
          delete tcr.ipsdemo in 1 namespace: shop

        References of ServiceAccounts:
          remove tcr.ipsdemo at 1 ServiceAccount: shop/default

        Entries of nodes' hosts files:
          remove demo.tencentcloudcr.com 10.0.0.2
          on 2 nodes: node-a, node-b
          not on 1 node, where no hosts-updater runs: super-1

        Would change: 1 ImagePullSecret, 2 credentials, 1 Secret, 1 ServiceAccount, 1 hosts entry.
    "#]]);
}

#[test]
fn a_changed_list_of_private_domains_has_the_address_that_nodes_were_told() {
    let status = json!({
        "hosts": ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"],
        "conditions": [{"type": "PrivateLink", "status": "True", "reason": "Running", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    });
    let network = |domains: Value| json!({"privateNetwork": {"resolve": true, "vpcId": "vpc-demo0001", "domains": domains}});
    let own = HostsEntry::new("own.tencentcloudcr.com", "10.0.0.9", false).unwrap();
    let link = HostsEntry::new("demo-vpc.tencentcloudcr.com", "10.0.0.2", false).unwrap();
    Told {
        live: vec![live("demo", instance(network(json!(["vpc"]))), status)],
        manifests: NEW,
        stored: Seen::Known(vec![stored(current("a"))]),
        entries: vec![own, link.of_link(WhenLinkDown::Keep)],
        observed: Observed::default(),
        ..Told::default()
    }
    .check(expect![[r#"
        ImagePullSecrets:
          demo is changed: 0 namespaces, 0 ServiceAccounts

        Entries of nodes' hosts files:
          add demo.tencentcloudcr.com 10.0.0.2
          on 2 nodes: node-a, node-b
          not on 1 node, where no hosts-updater runs: super-1

        To know:
          demo.yaml: ImagePullSecret "demo": spec.tcr.privateNetwork.resolve: while true, the domains lead to the private address on every node and cannot be reached publicly from there

        Would change: 1 ImagePullSecret, 0 credentials, 0 Secrets, 0 ServiceAccounts, 1 hosts entry.
    "#]]);
}

#[test]
fn what_admission_would_refuse_is_told_and_changes_nothing() {
    let manifests = "
apiVersion: tcr.tencentcloudcr.com/v1
kind: ImagePullSecret
metadata: {name: demo}
spec:
  namespaces: 'shop,,team'
  docker: {server: 'https://demo.tencentcloudcr.com', username: a, password: p-secret-1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
";
    Told { manifests, ..Told::default() }.check(expect![[r#"
        Refused at admission:
          demo.yaml: ImagePullSecret "demo": spec.docker.server: "https://demo.tencentcloudcr.com" is not a registry host: leave out the scheme and its ://

        To know:
          manifests: 1 objects of other kinds are not looked at
          demo.yaml: ImagePullSecret "demo": spec.docker.password: is readable by everyone who may read the object; put it into a Secret of tcr-assistant-system and name that in passwordSecretRef

        Nothing would change.
    "#]]);
}

#[test]
fn the_personal_edition_is_allowed_where_the_charts_value_says_so() {
    let roots = |values: &str| {
        let values: Values = serde_json::from_str(values).unwrap();
        values.settings().unwrap().allowed_roots.join(" ")
    };
    assert_eq!(roots("{}"), "tencentcloudcr.com");
    assert_eq!(roots(r#"{"personalEdition": true}"#), "tencentcloudcr.com ccs.tencentyun.com");
    let twice = r#"{"personalEdition": true, "allowedRoots": ["ccs.tencentyun.com", "example.com"]}"#;
    assert_eq!(roots(twice), "ccs.tencentyun.com example.com");
}

#[test]
fn the_charts_values_are_the_objects_that_the_chart_makes() {
    let values = "
global:
  cluster: {longregion: ap-guangzhou, id: cls-12345678}
  hosts: [{domain: own.tencentcloudcr.com, ip: 10.0.0.9}]
  imagePullSecretsCrs:
    - {name: plain, dockerServer: own.tencentcloudcr.com, dockerUsername: 100012345678, dockerPassword: p-secret-1}
allowedAliases: [example.com]
allowedRoles: [{roleArn: 'qcs::cam::uin/100000000002:roleName/reader', externalId: cluster-1}]
instances:
  - {instanceId: tcr-demo0001, namespaces: 'shop', credential: {onDelete: Revoke}, aliases: [cache.example.com]}
  - {instanceId: tcr-other001, roleArn: 'qcs::cam::uin/100000000002:roleName/reader', credential: {type: temp}}
";
    let folder = std::env::temp_dir().join(format!("plan-values-{}.yaml", std::process::id()));
    std::fs::write(&folder, values).unwrap();
    let values = Values::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    expect![[r#"Settings { allowed_roots: ["tencentcloudcr.com"], allowed_aliases: ["example.com"], allowed_roles: ["qcs::cam::uin/100000000002:roleName/reader"], cluster_id: Some("cls-12345678"), is_cluster_id_known: true, region: Some("ap-guangzhou"), static_hosts: Some([HostsEntry { domain: "own.tencentcloudcr.com", ip: 10.0.0.9, disabled: false, vpc_id: None, when_link_down: None }]) }"#]].assert_eq(&format!("{:?}", values.settings().unwrap()));
    let shown: Vec<String> = values.image_pull_secrets().iter().map(ToString::to_string).collect();
    expect![[r#"
        {"apiVersion":"tcr.tencentcloudcr.com/v1","kind":"ImagePullSecret","metadata":{"name":"plain"},"spec":{"docker":{"password":"p-secret-1","server":"own.tencentcloudcr.com","username":"100012345678"},"namespaces":"*","serviceAccounts":"*"}}
        {"apiVersion":"tcr.tencentcloudcr.com/v1","kind":"ImagePullSecret","metadata":{"name":"tcr-demo0001"},"spec":{"namespaces":"shop","serviceAccounts":"*","tcr":{"aliases":["cache.example.com"],"credential":{"onDelete":"Revoke"},"instanceId":"tcr-demo0001","region":"ap-guangzhou"}}}
        {"apiVersion":"tcr.tencentcloudcr.com/v1","kind":"ImagePullSecret","metadata":{"name":"tcr-other001"},"spec":{"namespaces":"*","serviceAccounts":"*","tcr":{"credential":{"type":"temp"},"instanceId":"tcr-other001","region":"ap-guangzhou","roleArn":"qcs::cam::uin/100000000002:roleName/reader"}}}"#]].assert_eq(&shown.join("\n"));
}
