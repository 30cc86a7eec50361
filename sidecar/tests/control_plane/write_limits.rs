//! The policies that narrow what the controller may write, met with the token of its ServiceAccount. RBAC is widened for
//! it, so that what refuses is the policy. Everything is a dry run: each write meets the same objects.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use http::{Method, Request};
use kube::Client;
use serde_json::{Map, Value, json};
use support::eventually;
use tcr::write_limits::Kind;

use crate::chart;
use crate::cluster::{Cluster, SOON, identity};
use objects::{ALLOWED, CREATED, DELETED, EDITED};

#[path = "write_limits/objects.rs"]
mod objects;

/// How an object is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Put,
    Merge,
    Json,
    Apply,
}

/// A change of an object that is there.
struct Edit {
    /// The policy that it is about.
    policy: &'static str,
    what: &'static str,
    path: &'static str,
    edit: fn(&mut Value),
    /// What apply cannot say: that something is not, or stands elsewhere in a list.
    by_apply: bool,
}

struct Creation {
    policy: &'static str,
    what: &'static str,
    /// Of the list that it is put into.
    path: &'static str,
    object: fn() -> Value,
    is_allowed: bool,
}

struct Deletion {
    policy: &'static str,
    path: &'static str,
    is_allowed: bool,
}

/// What the API server answers.
#[derive(Debug)]
enum Answer {
    Done,
    /// By the policy of this name.
    Limited(String),
    #[expect(dead_code, reason = "a test that fails shows it")]
    Refused(Box<kube::core::Status>),
}

impl Answer {
    fn is_limited_by(&self, policy: &str) -> bool {
        matches!(self, Self::Limited(by) if by == policy)
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.path)
    }
}

async fn send(client: &Client, method: Method, path: &str, kind: &str, body: &Value) -> Result<Answer> {
    let apply = if kind.contains("apply") { "&fieldManager=somebody&force=true" } else { "" };
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?dryRun=All{apply}"))
        .header("content-type", kind);
    match client.request::<Value>(request.body(serde_json::to_vec(body)?)?).await {
        Ok(_) => Ok(Answer::Done),
        Err(kube::Error::Api(status)) => {
            let by = status.message.split_once("ValidatingAdmissionPolicy '");
            Ok(match by.and_then(|(_, rest)| rest.split_once('\'')) {
                Some((policy, _)) if status.code == 403 => Answer::Limited(policy.to_owned()),
                _ => Answer::Refused(status),
            })
        }
        Err(error) => Err(error).context(format!("{kind} {path}")),
    }
}

async fn read(client: &Client, path: &str) -> Result<Value> {
    client.request(Request::get(path).body(Vec::new())?).await.with_context(|| format!("cannot read {path}"))
}

/// Makes the change in this way.
async fn change(client: &Client, admin: &Client, edit: &Edit, way: Way) -> Result<Answer> {
    let old = read(admin, edit.path).await?;
    let mut new = old.clone();
    (edit.edit)(&mut new);
    ensure!(new != old, "{edit} changes nothing");
    match way {
        Way::Put => send(client, Method::PUT, edit.path, "application/json", &new).await,
        Way::Merge => {
            let patch = merge(&old, &new);
            send(client, Method::PATCH, edit.path, "application/merge-patch+json", &patch).await
        }
        Way::Json => {
            let mut operations = Vec::new();
            operate("", &old, &new, &mut operations);
            let patch = Value::Array(operations);
            send(client, Method::PATCH, edit.path, "application/json-patch+json", &patch).await
        }
        Way::Apply => {
            for server in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
                new["metadata"].as_object_mut().context("no metadata")?.remove(server);
            }
            new.as_object_mut().context("no object")?.remove("status");
            send(client, Method::PATCH, edit.path, "application/apply-patch+yaml", &new).await
        }
    }
}

/// What a merge patch says.
fn merge(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
    let changed =
        changed.map(|(key, value)| (key.clone(), merge(&old.get(key).cloned().unwrap_or_default(), value)));
    Value::Object(gone.chain(changed).collect::<Map<_, _>>())
}

/// What a JSON patch says.
fn operate(at: &str, old: &Value, new: &Value, operations: &mut Vec<Value>) {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        operations.push(json!({"op": "replace", "path": at, "value": new}));
        return;
    };
    let path = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        operations.push(json!({"op": "remove", "path": path(key)}));
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => operate(&path(key), before, value, operations),
            None => operations.push(json!({"op": "add", "path": path(key), "value": value})),
        }
    }
}

struct Limits {
    cluster: Cluster,
    admin: Client,
    manager: Client,
    /// As the chart has them.
    policies: Vec<Value>,
}

impl Limits {
    async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        cluster.webhooks().await?;
        // With the start-up taint, so that there is the policy about nodes.
        let values = json!({"hostsUpdater.startupTaint": true});
        let rendered = chart::render(&["write-limits.yaml"], &values).await?;
        cluster.plane.apply(&chart::list(rendered.clone())).await?;
        let policies = rendered.into_iter().filter(|it| it["kind"] == "ValidatingAdmissionPolicy").collect();
        cluster.plane.apply(&objects::there(&identity().username())).await?;
        let admin = cluster.client.clone();
        let manager = cluster.plane.client_for(&identity()).await?;
        let limits = Self { cluster, admin, manager, policies };
        for policy in &limits.policies {
            let name = policy["metadata"]["name"].as_str().context("a policy has no name")?;
            limits.in_force(name).await?;
        }
        Ok(limits)
    }

    /// Waits until the policy refuses everything that it should.
    async fn in_force(&self, policy: &str) -> Result<()> {
        eventually(&format!("{policy} to be in force"), SOON, async || {
            // What was let through before may have deleted one of them.
            self.cluster.plane.apply(&objects::there(&identity().username())).await?;
            if let Some(passed) = self.passes(policy).await? {
                bail!("{passed} passes");
            }
            Ok(())
        })
        .await
    }

    /// A forbidden write that the policy lets through, if there is one.
    async fn passes(&self, policy: &str) -> Result<Option<String>> {
        for edit in EDITED.iter().filter(|it| it.policy == policy) {
            if matches!(change(&self.manager, &self.admin, edit, Way::Merge).await?, Answer::Done) {
                return Ok(Some(edit.to_string()));
            }
        }
        for it in CREATED.iter().filter(|it| it.policy == policy && !it.is_allowed) {
            let made = send(&self.manager, Method::POST, it.path, "application/json", &(it.object)()).await?;
            if matches!(made, Answer::Done) {
                return Ok(Some(it.what.to_owned()));
            }
        }
        for it in DELETED.iter().filter(|it| it.policy == policy && !it.is_allowed) {
            let deleted =
                send(&self.manager, Method::DELETE, it.path, "application/json", &json!({})).await?;
            if matches!(deleted, Answer::Done) {
                return Ok(Some(format!("the deletion of {}", it.path)));
            }
        }
        Ok(None)
    }

    async fn set(&self, policy: &Value, field: &str, value: &Value) -> Result<()> {
        let name = policy["metadata"]["name"].as_str().context("a policy has no name")?;
        let path = format!("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}");
        let patch = serde_json::to_vec(&json!({"spec": {field: value}}))?;
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        self.admin.request::<Value>(request.body(patch)?).await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_is_not_the_controllers_to_write_is_refused_in_every_way() -> Result<()> {
    let limits = Limits::start().await?;
    let Limits { manager, admin, .. } = &limits;
    for edit in EDITED {
        for way in [Way::Put, Way::Merge, Way::Json, Way::Apply] {
            if way == Way::Apply && !edit.by_apply {
                continue;
            }
            let answer = change(manager, admin, edit, way).await?;
            assert!(answer.is_limited_by(edit.policy), "{edit} by {way:?}: {answer:?}");
        }
        // Everybody else may.
        let answer = change(admin, admin, edit, Way::Merge).await?;
        assert!(matches!(answer, Answer::Done), "{edit} by somebody else: {answer:?}");
    }
    for it in CREATED {
        let object = (it.object)();
        let mut ways = vec![(Method::POST, it.path.to_owned(), "application/json", object.clone())];
        if let Some(name) = object["metadata"]["name"].as_str() {
            // What is not there is made by apply too.
            let path = format!("{}/{name}", it.path);
            ways.push((Method::PATCH, path, "application/apply-patch+yaml", object.clone()));
            // A prefix may be generated behind; a whole name is then another one.
            let mut generated = object.clone();
            let metadata = generated["metadata"].as_object_mut().context("no metadata")?;
            metadata.remove("name");
            metadata.insert("generateName".to_owned(), json!(name));
            if !it.is_allowed || name.starts_with("tcr.ips") {
                ways.push((Method::POST, it.path.to_owned(), "application/json", generated));
            }
        }
        for (method, path, kind, body) in ways {
            let answer = send(manager, method.clone(), &path, kind, &body).await?;
            let right = match it.is_allowed {
                true => matches!(answer, Answer::Done),
                false => answer.is_limited_by(it.policy),
            };
            assert!(right, "{} by {method} {kind}: {answer:?}", it.what);
        }
    }
    for it in DELETED {
        let answer = send(manager, Method::DELETE, it.path, "application/json", &json!({})).await?;
        let right = match it.is_allowed {
            true => matches!(answer, Answer::Done),
            false => answer.is_limited_by(it.policy),
        };
        assert!(right, "deletion of {}: {answer:?}", it.path);
    }
    // The uninstall's Job has a right on Pods too.
    let job = limits.cluster.withdrawal().await?;
    let job = limits.cluster.plane.client_for(&job).await?;
    for edit in EDITED.iter().filter(|it| it.policy == "tcr-assistant-pod-writes") {
        let answer = change(&job, admin, edit, Way::Merge).await?;
        assert!(answer.is_limited_by(edit.policy), "{edit} by the Job: {answer:?}");
    }
    limits.cluster.end();
    Ok(())
}

#[tokio::test]
async fn what_is_the_controllers_to_write_passes_in_every_way() -> Result<()> {
    let limits = Limits::start().await?;
    let Limits { manager, admin, .. } = &limits;
    for edit in ALLOWED {
        for way in [Way::Put, Way::Merge, Way::Json, Way::Apply] {
            if way == Way::Apply && !edit.by_apply {
                continue;
            }
            let answer = change(manager, admin, edit, way).await?;
            assert!(matches!(answer, Answer::Done), "{edit} by {way:?}: {answer:?}");
        }
    }
    limits.cluster.end();
    Ok(())
}

#[tokio::test]
async fn a_policy_without_any_one_of_its_rules_lets_something_through() -> Result<()> {
    let limits = Limits::start().await?;
    for policy in &limits.policies {
        let name = policy["metadata"]["name"].as_str().context("a policy has no name")?;
        let rules = policy["spec"]["validations"].as_array().context("it has no rules")?;
        for missing in 0..rules.len() {
            let mut rest = rules.clone();
            let rule = rest.remove(missing);
            if rest.is_empty() {
                rest.push(json!({"expression": "true"}));
            }
            limits.set(policy, "validations", &Value::Array(rest)).await?;
            eventually(
                &format!("{name} to let through what only {:?} refuses", rule["message"]),
                SOON,
                async || limits.passes(name).await?.context("nothing passes"),
            )
            .await?;
            limits.set(policy, "validations", &policy["spec"]["validations"]).await?;
            limits.in_force(name).await?;
        }
        // Without the condition it is about everybody.
        limits.set(policy, "matchConditions", &json!([])).await?;
        eventually(&format!("{name} without its condition to refuse somebody else"), SOON, async || {
            for edit in EDITED.iter().filter(|it| it.policy == name) {
                let answer = change(&limits.admin, &limits.admin, edit, Way::Merge).await?;
                ensure!(answer.is_limited_by(name), "{edit}: {answer:?}");
            }
            Ok(())
        })
        .await?;
        limits.set(policy, "matchConditions", &policy["spec"]["matchConditions"]).await?;
    }
    limits.cluster.end();
    Ok(())
}

#[test]
fn a_patch_says_what_differs() {
    let (old, new) =
        (json!({"a": {"b": 1, "c/d": 2}, "e": [1]}), json!({"a": {"b": 3}, "e": [1, 2], "f": 4}));
    assert_eq!(merge(&old, &new), json!({"a": {"b": 3, "c/d": null}, "e": [1, 2], "f": 4}));
    let mut operations = Vec::new();
    operate("", &old, &new, &mut operations);
    let expected = json!([
        {"op": "remove", "path": "/a/c~1d"},
        {"op": "replace", "path": "/a/b", "value": 3},
        {"op": "replace", "path": "/e", "value": [1, 2]},
        {"op": "add", "path": "/f", "value": 4},
    ]);
    assert_eq!(Value::Array(operations), expected);
}

#[tokio::test]
async fn the_controller_says_whether_its_writes_are_limited() -> Result<()> {
    // With an object of each kind, on which it can be tried.
    let mut cluster = Limits::start().await?.cluster;
    let kubeconfig = cluster.kubeconfig().await?;
    // It writes all seven.
    let arguments =
        ["--leader-elect", "--webhook-service=tcr-assistant-webhook-service", "--remove-startup-taint"];
    let are = async |cluster: &Cluster, unlimited: &[Kind]| {
        eventually(&format!("all but {unlimited:?} to be limited"), SOON, async || {
            for kind in Kind::ALL {
                let sample = format!("tcr_assistant_write_limits{{kind=\"{}\"}}", kind.resource());
                let value = if unlimited.contains(&kind) { 0.0 } else { 1.0 };
                let found = cluster.metric(&sample).await?;
                ensure!(found == Some(value), "{sample} is {found:?}");
            }
            let status = cluster.command(&["status", "-o", "json"]).await?;
            let status: Value = serde_json::from_str(&status.stdout)?;
            let controller = &status["controller"];
            let unlimited: Vec<&str> = unlimited.iter().map(|kind| kind.resource()).collect();
            ensure!(controller["writesLimited"] == unlimited.is_empty(), "{controller}");
            let names = controller["unlimitedWrites"].as_array().into_iter().flatten();
            ensure!(names.filter_map(Value::as_str).eq(unlimited), "{controller}");
            Ok(())
        })
        .await
    };
    cluster.start_one(&kubeconfig, &arguments)?;
    cluster.lead().await?;
    are(&cluster, &[]).await?;
    // Only the next controller tries at once.
    cluster.kill();
    let gone = [Kind::ConfigMaps, Kind::Nodes];
    for kind in gone {
        let delete = ["delete", "validatingadmissionpolicybinding", kind.policy()];
        cluster.plane.kubectl(&delete).await?.checked()?;
    }
    cluster.start_one(&kubeconfig, &arguments)?;
    cluster.lead().await?;
    are(&cluster, &gone).await?;
    let status = cluster.command(&["status"]).await?;
    let expected = "controller: no policies hold its writes of configmaps, nodes to what it writes";
    ensure!(status.stdout.contains(expected), "{}", status.stdout);
    cluster.end();
    Ok(())
}
