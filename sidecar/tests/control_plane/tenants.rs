//! The value `tenants` as the chart's ValidatingAdmissionPolicies, met by the tenants themselves, with no webhook at all.
//! RBAC lets everybody write everything here, so that what refuses is a policy. Everything is a dry run.

use anyhow::{Context, Result, bail, ensure};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use support::{Identity, eventually};
use tcr::names::FINALIZER;

use crate::chart;
use crate::cluster::{Cluster, SOON, identity};

const OBJECTS: &str = "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets";
const TENANTS: &str = "tcr-assistant-tenants";
const LABELS: &str = "tcr-assistant-tenant-labels";

fn values() -> Value {
    json!({"tenants": [
        {"name": "platform", "groups": ["platform"], "namespaces": ["*"], "registryNamespaces": ["*"], "conflictPolicies": ["*"]},
        {"name": "team-a", "users": ["jane"], "groups": ["team-a"], "namespaces": ["team-a", "team-a-*"],
         "registryNamespaces": ["team-a", "base-*"], "instanceIds": ["tcr-1a2b3c4d"], "roleArns": ["qcs::cam::uin/2:*"], "conflictPolicies": ["adopt"]},
        {"name": "labelled", "users": ["lena"], "namespaceLabels": {"tenant": "l", "kubernetes.io/metadata.name": "l"},
         "registryNamespaces": ["team-l"]},
        {"name": "half", "users": ["hal"], "namespaces": ["team-h"], "registryNamespaces": ["team-x"]},
        {"name": "other half", "users": ["hal"], "namespaces": ["team-x"], "registryNamespaces": ["team-h"]},
    ]})
}

/// What the tenant `team-a` may say.
fn own() -> Value {
    json!({"namespaces": "team-a", "tcr": {
        "instanceId": "tcr-1a2b3c4d", "region": "ap-guangzhou",
        "credential": {"type": "serviceAccount", "registryNamespaces": ["team-a"]},
    }})
}

/// That, with this at the pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut spec = own();
    if let Some((parent, key)) = pointer.rsplit_once('/') {
        spec.pointer_mut(parent).expect("it is there")[key] = value;
    }
    spec
}

fn docker() -> Value {
    json!({"namespaces": "team-a", "docker": {"server": "demo.tencentcloudcr.com", "username": "u", "password": "p"}})
}

/// What every namespace gets, with a credential that pulls everything.
fn wide() -> Value {
    json!({"namespaces": "*", "tcr": {"instanceId": "tcr-1a2b3c4d", "region": "ap-guangzhou"}})
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Jane,
    /// In the group `team-a`.
    Deployer,
    Lena,
    Hal,
    /// In the group `platform`.
    Platform,
    /// In no entry.
    Nobody,
    Controller,
    Master,
}

impl Who {
    fn identity(self) -> Identity {
        match self {
            Self::Jane => Identity::user("jane", &["developers"]),
            Self::Deployer => Identity::user("robot", &["developers", "team-a"]),
            Self::Lena => Identity::user("lena", &[]),
            Self::Hal => Identity::user("hal", &[]),
            Self::Platform => Identity::user("paula", &["platform"]),
            Self::Nobody => Identity::user("nobody", &["developers"]),
            Self::Controller => identity(),
            Self::Master => Identity::user("admin", &["system:masters"]),
        }
    }
}

/// What is written: of the objects `own` and `wide`, which are there.
#[derive(Clone, Debug)]
enum Write {
    Create(Value),
    /// The object's spec changes to this.
    Update(&'static str, Value),
    /// The object gets a label.
    Label(&'static str),
    /// The object gets the controller's finalizer.
    Finalize(&'static str),
    /// The object as it is.
    Same(&'static str),
    Delete(&'static str),
}

/// What the policy about tenants refuses, with what its message names.
fn refused() -> Vec<(Who, Write, &'static str)> {
    use Who::{Deployer, Hal, Jane, Lena, Nobody};
    let mut refused = vec![
        (Nobody, Write::Create(own()), "in no entry"),
        (Nobody, Write::Label("own"), "in no entry"),
        (Nobody, Write::Delete("own"), "in no entry"),
        (Deployer, Write::Create(wide()), "spec.namespaces"),
        // What is there counts as much as what comes.
        (Jane, Write::Update("wide", own()), "spec.namespaces"),
        (Jane, Write::Update("own", wide()), "spec.namespaces"),
        (Jane, Write::Label("wide"), "spec.namespaces"),
        (Jane, Write::Delete("wide"), "spec.namespaces"),
        // Each half is in an entry of its own.
        (Hal, Write::Create(with("/namespaces", json!("team-h"))), "spec.tcr.credential"),
        (Jane, Write::Create(docker()), "spec.tcr.credential"),
        (Jane, Write::Create(with("/tcr/credential", json!({"type": "longterm"}))), "spec.tcr.credential"),
        (Jane, Write::Create(with("/tcr/credential", json!({"type": "temp"}))), "spec.tcr.credential"),
        (Jane, Write::Create(with("/tcr/instanceId", json!("tcr-99999999"))), "spec.tcr.instanceId"),
        (Jane, Write::Create(with("/tcr/roleArn", json!("qcs::cam::uin/1:roleName/a"))), "spec.tcr.roleArn"),
        (Jane, Write::Create(with("/conflictPolicy", json!("overwrite"))), "spec.conflictPolicy"),
        (
            Jane,
            Write::Create(with("/tcr/privateNetwork", json!({"resolve": true}))),
            "spec.tcr.privateNetwork.resolve",
        ),
    ];
    let lists = [
        "",
        "*",
        "_",
        "team-*",
        "team-?",
        "team-a,*",
        "team-b",
        "team-a,team-b",
        "!team-b",
        "team-a*",
        "team-a, _",
    ];
    refused
        .extend(lists.map(|list| (Jane, Write::Create(with("/namespaces", json!(list))), "spec.namespaces")));
    for names in [json!(["team-b"]), json!(["team-a", "team-b"]), json!(["base"])] {
        let spec = with("/tcr/credential/registryNamespaces", names);
        refused.push((Jane, Write::Create(spec), "spec.tcr.credential"));
    }
    for selector in [
        json!({}),
        json!({"matchLabels": {"tenant": "l"}}),
        json!({"matchLabels": {"tenant": "a", "kubernetes.io/metadata.name": "l"}}),
        json!({"matchExpressions": [{"key": "tenant", "operator": "In", "values": ["l"]}]}),
    ] {
        refused.push((Lena, Write::Create(labelled(selector)), "spec.namespaces"));
    }
    refused
}

fn labelled(selector: Value) -> Value {
    let mut spec = with("/tcr/credential/registryNamespaces", json!(["team-l"]));
    spec["namespaces"] = json!("*");
    spec["namespaceSelector"] = selector;
    spec
}

fn allowed() -> Vec<(Who, Write)> {
    use Who::{Controller, Deployer, Hal, Jane, Lena, Master, Nobody, Platform};
    let mut allowed = vec![
        (Deployer, Write::Create(own())),
        (Jane, Write::Label("own")),
        (Jane, Write::Delete("own")),
        (Jane, Write::Update("own", with("/namespaces", json!("team-a-dev,team-a-b*, !team-a-bc ,")))),
        (Jane, Write::Create(with("/namespaceSelector", json!({"matchLabels": {"x": "y"}})))),
        (Jane, Write::Create(with("/tcr/credential/registryNamespaces", json!(["base-images", "team-a"])))),
        (Jane, Write::Create(with("/conflictPolicy", json!("adopt")))),
        (Jane, Write::Create(with("/tcr/roleArn", json!("qcs::cam::uin/2:roleName/a")))),
        (
            Lena,
            Write::Create(labelled(
                json!({"matchLabels": {"tenant": "l", "kubernetes.io/metadata.name": "l", "x": "y"}}),
            )),
        ),
        (
            Hal,
            Write::Create({
                let mut spec = with("/namespaces", json!("team-h"));
                spec["tcr"]["credential"]["registryNamespaces"] = json!(["team-x"]);
                spec
            }),
        ),
        (Platform, Write::Update("own", wide())),
        (Platform, Write::Create(docker())),
        (Platform, Write::Create(with("/conflictPolicy", json!("overwrite")))),
        (Platform, Write::Create(with("/tcr/privateNetwork", json!({"resolve": true})))),
        (Platform, Write::Delete("wide")),
        (Controller, Write::Finalize("wide")),
        (Nobody, Write::Same("wide")),
    ];
    allowed.extend([Write::Create(wide()), Write::Delete("own")].map(|write| (Master, write)));
    allowed
}

/// What the API server answers.
#[derive(Debug)]
enum Answer {
    Done,
    /// By a policy: its name, and what it says.
    Refused(String, String),
    #[expect(dead_code, reason = "a test that fails shows it")]
    Failed(Box<kube::core::Status>),
}

impl Answer {
    fn is_refused_by(&self, policy: &str, about: &str) -> bool {
        matches!(self, Self::Refused(by, message) if by == policy && message.contains(about))
    }
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Result<Answer> {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method.clone()).uri(format!("{path}?dryRun=All"));
    let request = request.header("content-type", kind).body(serde_json::to_vec(body)?)?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(Answer::Done),
        Err(kube::Error::Api(status)) => {
            let by = status.message.split_once("ValidatingAdmissionPolicy '");
            Ok(match by.and_then(|(_, rest)| rest.split_once('\'')) {
                Some((policy, rest)) if status.code == 403 => {
                    Answer::Refused(policy.to_owned(), rest.to_owned())
                }
                _ => Answer::Failed(status),
            })
        }
        Err(error) => Err(error).with_context(|| format!("{method} {path}")),
    }
}

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": name}, "spec": spec,
    })
}

struct Held {
    cluster: Cluster,
    clients: Vec<(Who, Client)>,
    policies: Vec<Value>,
}

impl Held {
    async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        let everybody = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}]);
        let there = chart::list([
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "wide"},
                "rules": [
                    {"apiGroups": ["tcr.tencentcloudcr.com"], "resources": ["imagepullsecrets"], "verbs": ["*"]},
                    {"apiGroups": [""], "resources": ["namespaces", "namespaces/status", "namespaces/finalize"], "verbs": ["*"]},
                ],
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "wide"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "wide"},
                "subjects": everybody,
            }),
            object("own", &own()),
            object("wide", &wide()),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-l", "labels": {"tenant": "l", "a": "b"}}}),
        ]);
        cluster.plane.apply(&there).await?;
        let mut clients = Vec::new();
        for who in [
            Who::Jane,
            Who::Deployer,
            Who::Lena,
            Who::Hal,
            Who::Platform,
            Who::Nobody,
            Who::Controller,
            Who::Master,
        ] {
            clients.push((who, cluster.plane.client_for(&who.identity()).await?));
        }
        let mut held = Self { cluster, clients, policies: Vec::new() };
        held.policies = held.apply(&values()).await?;
        held.in_force().await?;
        Ok(held)
    }

    /// The policies that these values lead to.
    async fn apply(&self, values: &Value) -> Result<Vec<Value>> {
        let rendered = chart::render(&["tenants.yaml"], values).await?;
        self.cluster.plane.apply(&chart::list(rendered.clone())).await?;
        Ok(rendered.into_iter().filter(|it| it["kind"] == "ValidatingAdmissionPolicy").collect())
    }

    fn client(&self, who: Who) -> &Client {
        &self.clients.iter().find(|(it, _)| *it == who).expect("each has one").1
    }

    async fn write(&self, who: Who, write: &Write) -> Result<Answer> {
        let client = self.client(who);
        let path = |name: &str| format!("{OBJECTS}/{name}");
        match write {
            Write::Create(spec) => send(client, Method::POST, OBJECTS, &object("new", spec)).await,
            Write::Update(name, spec) => {
                let mut now = self.read(name).await?;
                now["spec"] = spec.clone();
                send(client, Method::PUT, &path(name), &now).await
            }
            Write::Label(name) => {
                send(client, Method::PATCH, &path(name), &json!({"metadata": {"labels": {"a": "b"}}})).await
            }
            Write::Finalize(name) => {
                let patch = json!({"metadata": {"finalizers": [FINALIZER]}});
                send(client, Method::PATCH, &path(name), &patch).await
            }
            Write::Same(name) => send(client, Method::PUT, &path(name), &self.read(name).await?).await,
            // The body's options, where there is one, take the place of those in the path.
            Write::Delete(name) => {
                let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]});
                send(client, Method::DELETE, &path(name), &options).await
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Value> {
        let request = Request::get(format!("{OBJECTS}/{name}")).body(Vec::new())?;
        Ok(self.cluster.client.request(request).await?)
    }

    /// What should be refused and is not, if there is something.
    async fn passes(&self) -> Result<Option<String>> {
        for (who, write, about) in refused() {
            let answer = self.write(who, &write).await?;
            match answer {
                Answer::Done => return Ok(Some(format!("{write:?} by {who:?}"))),
                answer => {
                    ensure!(answer.is_refused_by(TENANTS, ""), "{write:?} by {who:?} ({about}): {answer:?}")
                }
            }
        }
        Ok(None)
    }

    async fn in_force(&self) -> Result<()> {
        eventually("the policy to be in force", SOON, async || match self.passes().await? {
            Some(passed) => bail!("{passed} passes"),
            None => Ok(()),
        })
        .await
    }

    /// The policy about tenants, with another list in one of its fields.
    async fn set(&self, field: &str, value: &Value) -> Result<()> {
        let path = format!("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{TENANTS}");
        let patch = serde_json::to_vec(&json!({"spec": {field: value}}))?;
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        self.cluster.client.request::<Value>(request.body(patch)?).await?;
        Ok(())
    }

    fn policy(&self) -> &Value {
        self.policies.iter().find(|it| it["metadata"]["name"] == TENANTS).expect("it is rendered")
    }
}

#[tokio::test]
async fn nobody_gets_beyond_their_tenants_while_no_webhook_answers() -> Result<()> {
    let held = Held::start().await?;
    for (who, write, about) in refused() {
        let answer = held.write(who, &write).await?;
        assert!(answer.is_refused_by(TENANTS, about), "{write:?} by {who:?}: {answer:?}");
    }
    for (who, write) in allowed() {
        let answer = held.write(who, &write).await?;
        assert!(matches!(answer, Answer::Done), "{write:?} by {who:?}: {answer:?}");
    }
    // More than one expression may hold.
    let mut many = values();
    let entry = |index: usize| {
        json!({
            "name": format!("team-{index}"), "users": [format!("system:serviceaccount:team-{index}:deployer"), format!("user-{index}")],
            "groups": [format!("oidc:team-{index}")], "namespaces": [format!("team-{index}"), format!("team-{index}-*")],
            "registryNamespaces": [format!("team-{index}")], "instanceIds": ["tcr-1a2b3c4d"],
        })
    };
    many["tenants"].as_array_mut().context("a list")?.extend((0..300).map(entry));
    held.apply(&many).await?;
    let last = held.cluster.plane.client_for(&Identity::user("user-299", &[])).await?;
    eventually("the last of three hundred tenants to have what is its own, and no more", SOON, async || {
        let mut spec = with("/namespaces", json!("team-299"));
        spec["tcr"]["credential"]["registryNamespaces"] = json!(["team-299"]);
        let answer = send(&last, Method::POST, OBJECTS, &object("new", &spec)).await?;
        ensure!(matches!(answer, Answer::Done), "{answer:?}");
        spec["namespaces"] = json!("team-298");
        let answer = send(&last, Method::POST, OBJECTS, &object("new", &spec)).await?;
        ensure!(answer.is_refused_by(TENANTS, "spec.namespaces"), "{answer:?}");
        Ok(())
    })
    .await?;
    held.in_force().await?;
    held.cluster.end();
    Ok(())
}

#[tokio::test]
async fn the_policy_about_tenants_without_any_one_of_its_rules_lets_something_through() -> Result<()> {
    let held = Held::start().await?;
    let variables = &held.policy()["spec"]["variables"];
    let mut weaker = Vec::new();
    for (index, variable) in variables.as_array().context("it has no variables")?.iter().enumerate() {
        let text = variable["expression"].as_str().context("a variable has no expression")?;
        // A rule keeps what it finds good of what is left; without it all of that is.
        let rule = text.split_once(".map(ps, ps.filter(").map(|(before, _)| before.to_owned());
        let member = text.split_once(".filter(t, ").map(|(entries, _)| entries.to_owned());
        let objects = text
            .contains("[object, oldObject]")
            .then(|| ["[object]", "[oldObject]"].map(|one| text.replace("[object, oldObject]", one)));
        for expression in rule.into_iter().chain(member).chain(objects.into_iter().flatten()) {
            let mut changed = variables.clone();
            changed[index]["expression"] = json!(expression);
            weaker.push((format!("{}: {expression}", variable["name"]), changed));
        }
    }
    // Six rules, who is meant, and both objects.
    assert_eq!(weaker.len(), 9, "{weaker:?}");
    for (what, changed) in weaker {
        held.set("variables", &changed).await?;
        eventually(&format!("something to pass with {what}"), SOON, async || {
            held.passes().await?.context("nothing passes")
        })
        .await?;
        held.set("variables", variables).await?;
        held.in_force().await?;
    }
    let conditions = held.policy()["spec"]["matchConditions"].as_array().context("it has no conditions")?;
    assert_eq!(conditions.len(), 3);
    for missing in 0..conditions.len() {
        let mut rest = conditions.clone();
        let condition = rest.remove(missing);
        held.set("matchConditions", &json!(rest)).await?;
        let whose = match condition["name"].as_str() {
            Some("not-by-the-add-on") => Who::Controller,
            Some("not-by-a-master") => Who::Master,
            _ => Who::Nobody,
        };
        eventually(&format!("{whose:?} to be refused without {}", condition["name"]), SOON, async || {
            for (who, write) in allowed().into_iter().filter(|(who, _)| *who == whose) {
                let answer = held.write(who, &write).await?;
                ensure!(answer.is_refused_by(TENANTS, ""), "{write:?}: {answer:?}");
            }
            Ok(())
        })
        .await?;
        held.set("matchConditions", &json!(conditions)).await?;
    }
    held.cluster.end();
    Ok(())
}

#[tokio::test]
async fn only_tenants_with_all_namespaces_give_namespaces_the_labels_of_a_tenant() -> Result<()> {
    let held = Held::start().await?;
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let labels = |labels: Value| json!({"metadata": {"labels": labels}});
    let all = "/api/v1/namespaces";
    let one = "/api/v1/namespaces/team-l";
    let default = "/api/v1/namespaces/default";
    let finalize = |labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": labels}, "spec": {"finalizers": ["kubernetes"]}});
    let writes = [
        ("a new one", Method::POST, all.to_owned(), namespace("evil", json!({"tenant": "l"})), false),
        (
            "a new one, with an empty value",
            Method::POST,
            all.to_owned(),
            namespace("evil", json!({"tenant": ""})),
            false,
        ),
        ("one that is there", Method::PATCH, default.to_owned(), labels(json!({"tenant": "l"})), false),
        ("by its status", Method::PATCH, format!("{default}/status"), labels(json!({"tenant": "l"})), false),
        ("by its end", Method::PUT, format!("{default}/finalize"), finalize(json!({"tenant": "l"})), false),
        ("another value", Method::PATCH, one.to_owned(), labels(json!({"tenant": "a"})), false),
        ("none any more", Method::PATCH, one.to_owned(), labels(json!({"tenant": null})), false),
        ("another label", Method::PATCH, one.to_owned(), labels(json!({"a": "c"})), true),
        ("a new one without", Method::POST, all.to_owned(), namespace("good", json!({"x": "y"})), true),
    ];
    for (what, method, path, body, is_allowed) in &writes {
        eventually(what, SOON, async || {
            let answer = send(held.client(Who::Jane), method.clone(), path, body).await?;
            let right = match is_allowed {
                true => matches!(answer, Answer::Done),
                false => answer.is_refused_by(LABELS, "tenant"),
            };
            ensure!(right, "{what}: {answer:?}");
            Ok(())
        })
        .await?;
        for who in [Who::Platform, Who::Master] {
            let answer = send(held.client(who), method.clone(), path, body).await?;
            assert!(matches!(answer, Answer::Done), "{what} by {who:?}: {answer:?}");
        }
    }
    held.cluster.end();
    Ok(())
}
