//! The running components of the add-on, their versions and their clocks.

use custom_resource::definition;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tcr::names::{CONTROLLER_DEPLOYMENT, HOSTS_UPDATER, SYSTEM_NAMESPACE, WEBHOOK_DEPLOYMENT};

use super::super::check::{Check, Found};
use super::super::facts::{Facts, HomeNamespace, OwnPod, Workload};
use crate::overview::report::Home;
use crate::reader::Controller;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "definition",
        about: "The custom resource's definition is there.",
        run: definition_is_there,
    },
    Check { name: "namespace", about: "The add-on's namespace is there and stays.", run: namespace },
    Check { name: "pod-security", about: "The namespace lets node agents run.", run: pod_security },
    Check { name: "controller", about: "A controller is installed and leads.", run: controller },
    Check { name: "own-images", about: "The add-on's own images are pulled.", run: own_images },
    Check { name: "pods", about: "The add-on's Pods are ready.", run: pods },
    Check { name: "versions", about: "All parts, and this program, are of one version.", run: versions },
    Check {
        name: "definition-version",
        about: "The definition is of this version.",
        run: definition_is_current,
    },
    Check {
        name: "clock",
        about: "Clocks agree: of this machine, the API server and the controller.",
        run: clock,
    },
];

/// Signatures and leases tolerate no larger difference.
const MOST_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// Reasons of containers that wait for an image.
const PULLS: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Whether any component is to be expected.
fn is_home(facts: &Facts) -> bool {
    facts.home.known().is_none_or(|it| it.home == Home::There)
}

fn definition_is_there(facts: &Facts) -> Vec<Found> {
    match facts.definition.known() {
        Some(None) => Found::alone(
            "imagepullsecrets.tcr.tencentcloudcr.com",
            "the cluster has no such resource: the add-on is not installed, or helm left its definition out",
            "install the chart, or: kubectl tcr crd | kubectl apply --server-side -f -",
        ),
        _ => Vec::new(),
    }
}

fn namespace(facts: &Facts) -> Vec<Found> {
    match facts.home.known().map(|it| it.home) {
        Some(Home::Ending) => Found::alone(
            format!("Namespace {SYSTEM_NAMESPACE}"),
            "it is being deleted, and with it all that runs of the add-on",
            "take what it distributed out of the cluster too: kubectl tcr cleanup",
        ),
        Some(Home::Absent) => Found::alone(
            format!("Namespace {SYSTEM_NAMESPACE}"),
            "there is none, so that nothing of the add-on runs",
            "install the chart there, or take what is left out of the cluster: kubectl tcr cleanup",
        ),
        Some(Home::There) | None => Vec::new(),
    }
}

fn pod_security(facts: &Facts) -> Vec<Found> {
    let Some(HomeNamespace { enforced: Some(level), .. }) = facts.home.known() else { return Vec::new() };
    let has_agents = facts.agents.known().is_some_and(Option::is_some);
    if !has_agents || level == "privileged" {
        return Vec::new();
    }
    Found::alone(
        format!("Namespace {SYSTEM_NAMESPACE}"),
        format!(
            "Pod security enforces {level}, which refuses hosts-updater's Pods: they need the node's /etc"
        ),
        format!(
            "kubectl label --overwrite namespace {SYSTEM_NAMESPACE} pod-security.kubernetes.io/enforce=privileged"
        ),
    )
}

fn controller(facts: &Facts) -> Vec<Found> {
    let place = format!("Deployment {SYSTEM_NAMESPACE}/{CONTROLLER_DEPLOYMENT}");
    let logs = format!("see why: kubectl -n {SYSTEM_NAMESPACE} logs deploy/{CONTROLLER_DEPLOYMENT}");
    match (facts.deployment.known(), facts.controller.known()) {
        _ if !is_home(facts) => Vec::new(),
        (Some(None), controller) if !matches!(controller, Some(Controller::Leads { .. })) => {
            Found::alone(place, "there is no controller", "install the chart")
        }
        (Some(Some(Workload { desired: 0, .. })), _) => Found::alone(
            place,
            "it is scaled to nothing, so that nothing is renewed or distributed",
            format!("kubectl -n {SYSTEM_NAMESPACE} scale deploy/{CONTROLLER_DEPLOYMENT} --replicas=1"),
        ),
        (_, Some(Controller::Away)) => {
            Found::alone(place, "no controller leads, so that nothing is renewed or distributed", logs)
        }
        _ => Vec::new(),
    }
}

fn own_images(facts: &Facts) -> Vec<Found> {
    let waits = facts.pods.known().into_iter().flatten().filter_map(|pod| {
        let (reason, words) = pod.waits.as_ref().filter(|(reason, _)| PULLS.contains(&reason.as_str()))?;
        Some(Found::new(
            format!("Pod {SYSTEM_NAMESPACE}/{}", pod.name),
            format!("its own image is not pulled ({reason}: {words})"),
            "put the add-on's images where nodes pull them without a TCR credential, and name that in image.repository and \
             hostsUpdater.image.repository",
        ))
    });
    waits.collect()
}

fn pods(facts: &Facts) -> Vec<Found> {
    if !is_home(facts) {
        return Vec::new();
    }
    let workloads = [
        ("Deployment", CONTROLLER_DEPLOYMENT, "controller-manager", &facts.deployment),
        ("Deployment", WEBHOOK_DEPLOYMENT, "webhook", &facts.webhook),
        ("DaemonSet", HOSTS_UPDATER, HOSTS_UPDATER, &facts.agents),
    ];
    let unready = workloads.into_iter().filter_map(|(kind, name, component, workload)| {
        let Workload { desired, ready, .. } =
            workload.known()?.as_ref().filter(|it| it.ready < it.desired)?;
        // A missing image is reported by another check.
        let waiting: Vec<&OwnPod> = facts
            .pods
            .known()
            .into_iter()
            .flatten()
            .filter(|it| it.component == component && !it.ready)
            .collect();
        let is_pull =
            |it: &&OwnPod| it.waits.as_ref().is_some_and(|(reason, _)| PULLS.contains(&reason.as_str()));
        if !waiting.is_empty() && waiting.iter().all(is_pull) {
            return None;
        }
        let example = waiting.iter().find_map(|it| {
            let (reason, words) = it.waits.as_ref()?;
            Some(format!(", such as {} ({reason}: {words})", it.name))
        });
        let command = format!(
            "see why: kubectl -n {SYSTEM_NAMESPACE} describe pods -l app.kubernetes.io/component={component}"
        );
        let message = format!("{ready} of {desired} Pods are ready{}", example.unwrap_or_default());
        Some(Found::new(format!("{kind} {SYSTEM_NAMESPACE}/{name}"), message, command))
    });
    unready.collect()
}

fn versions(facts: &Facts) -> Vec<Found> {
    let version = |it: &Workload| it.version.clone();
    let of = |workload: &crate::reader::Seen<Option<Workload>>| workload.known()?.as_ref().and_then(version);
    let Some(controller) = of(&facts.deployment) else { return Vec::new() };
    let mut found = Vec::new();
    for (kind, name, other) in [
        ("Deployment", WEBHOOK_DEPLOYMENT, of(&facts.webhook)),
        ("DaemonSet", HOSTS_UPDATER, of(&facts.agents)),
    ] {
        if let Some(other) = other.filter(|other| *other != controller) {
            found.push(Found::new(
                format!("{kind} {SYSTEM_NAMESPACE}/{name}"),
                format!("it is of version {other}, and the controller of {controller}"),
                "upgrade the whole chart: helm upgrade",
            ));
        }
    }
    let workloads = [
        ("Deployment", CONTROLLER_DEPLOYMENT, &facts.deployment),
        ("Deployment", WEBHOOK_DEPLOYMENT, &facts.webhook),
        ("DaemonSet", HOSTS_UPDATER, &facts.agents),
    ];
    for (kind, name, workload) in workloads {
        let Some(Some(Workload { version: Some(version), image, .. })) = workload.known() else { continue };
        if let Some(tag) = tag(image).filter(|tag| is_version(tag) && tag.trim_start_matches('v') != version)
        {
            found.push(Found::new(
                format!("{kind} {SYSTEM_NAMESPACE}/{name}"),
                format!("the chart is of version {version}, and its image of {tag}"),
                "leave the image's tag out of the values, or upgrade the chart with it",
            ));
        }
    }
    if controller != facts.version {
        found.push(Found::new(
            "this program",
            format!("it is of version {}, and the controller of {controller}", facts.version),
            "use the kubectl-tcr of the controller's version: what another one says may not hold",
        ));
    }
    found
}

/// The tag of an image; none where it has a digest only.
fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    name.split_once(':').map(|(_, tag)| tag)
}

/// Other tags tell no version.
fn is_version(tag: &str) -> bool {
    let tag = tag.trim_start_matches('v');
    tag.split('.').count() == 3 && tag.starts_with(|c: char| c.is_ascii_digit())
}

fn definition_is_current(facts: &Facts) -> Vec<Found> {
    let Some(Some(there)) = facts.definition.known() else { return Vec::new() };
    let Ok(ours) = definition().and_then(|it| serde_json::to_value(it.spec)) else { return Vec::new() };
    match missing("spec", &ours, there) {
        None => Vec::new(),
        Some(path) => Found::alone(
            "imagepullsecrets.tcr.tencentcloudcr.com",
            format!(
                "the definition is of another version: {path} differs; helm installs it once and never upgrades it"
            ),
            "kubectl tcr crd | kubectl apply --server-side --force-conflicts -f -",
        ),
    }
}

/// The first path at which a value of ours is missing; further values, such as an API server's defaults, are
/// allowed.
fn missing(path: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours.iter().find_map(|(key, value)| {
            missing(&format!("{path}.{key}"), value, theirs.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => ours
            .iter()
            .zip(theirs)
            .enumerate()
            .find_map(|(index, (ours, theirs))| missing(&format!("{path}[{index}]"), ours, theirs)),
        _ => (ours != theirs).then(|| path.to_owned()),
    }
}

fn clock(facts: &Facts) -> Vec<Found> {
    let Some(server) = facts.server_now else { return Vec::new() };
    let differs = |place: &str, now: Timestamp, what: &str| {
        let by = now.duration_since(server);
        let how = if by.is_negative() { "behind" } else { "ahead of" };
        (by.abs() > MOST_SKEW).then(|| {
            let message = format!("its clock is {} s {how} the API server's: {what}", by.abs().as_secs());
            Found::new(place, message, "set it by NTP, or the API server's, whichever is wrong")
        })
    };
    let own = differs("this machine", facts.now, "ends of credentials are told wrong here");
    let controller = facts.controller_now.and_then(|now| {
        differs("the controller's node", now, "beyond five minutes Tencent Cloud refuses its signatures")
    });
    [own, controller].into_iter().flatten().collect()
}
