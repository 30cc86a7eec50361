//! Everything at once, at random, from a seed that is printed: `./justw chaos --minutes N --seed S`.
//!
//! A round does harm for some seconds, then leaves off and waits until everything is as it shall be:
//! one live credential, the right bytes everywhere selected and none elsewhere, every reference and none
//! that dangles, and nothing of anybody else changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use support::{Part, eventually};
use tcr_cloud::{Fault, FaultKind};

use crate::cluster::{Cluster, docker, references};

/// How long harm is done when nobody says otherwise: what CI has time for.
const USUAL: Duration = Duration::from_secs(25);
/// Harm in one round.
const ROUND: Duration = Duration::from_secs(6);
/// Longer than any back-off takes to come round again on a busy machine.
const CONVERGED: Duration = Duration::from_secs(240);
/// Namespaces that are made at most.
const NAMESPACES: u64 = 12;
/// Errors of the cloud, of every kind that calls for something else: those that are worth a retry, those after
/// which the API credential or the clock is looked at, and those that end a call.
const CLOUD_ERRORS: [&str; 20] = [
    "RequestLimitExceeded",
    "RequestLimitExceeded.UinLimitExceeded",
    "InternalError",
    "InternalError.DbError",
    "ServiceUnavailable",
    "FailedOperation.DbError",
    "FailedOperation.DependenceError",
    "ResourceInsufficient.ErrorInstanceNotRunning",
    "AuthFailure.TokenFailure",
    "AuthFailure.SecretIdNotFound",
    "AuthFailure.SignatureExpire",
    "AuthFailure.SignatureFailure",
    "AuthFailure.UnauthorizedOperation",
    "UnauthorizedOperation",
    "InvalidParameter",
    "MissingParameter",
    "ResourceNotFound.TcrResourceNotFound",
    "UnsupportedOperation",
    "OperationDenied",
    "FailedOperation",
];
/// Answers that are none.
const NO_ANSWERS: [FaultKind; 7] = [
    FaultKind::Drop,
    FaultKind::CutOff,
    FaultKind::Garbage,
    FaultKind::EmptyBody,
    FaultKind::TruncatedJson,
    FaultKind::Status(429),
    FaultKind::Status(503),
];

/// SplitMix64: the same numbers for the same seed, for ever.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap_or_default()]
    }
}

/// What is of others, and must stay as it was made.
#[derive(Default)]
struct Others {
    /// Secrets of our name that are not ours, by the uids of their namespaces: a namespace of the same name that
    /// comes later has none, also when nobody was told that this one went.
    secrets: BTreeMap<String, Secret>,
}

/// Whether somebody else made it, also one that got no answer when it was made.
fn is_theirs(secret: &Secret) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key("theirs"))
}

#[expect(clippy::print_stdout, reason = "`./justw chaos` shows the seed and how far it is")]
#[tokio::test]
async fn whatever_happens_it_ends_as_it_shall_be() -> Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()) ^ now());
    let lasts = number("CHAOS_SECONDS").map_or(USUAL, Duration::from_secs);
    println!("chaos: seed {seed}, {} s", lasts.as_secs());
    let done = chaos(seed, lasts).await;
    done.with_context(|| format!("with seed {seed}: ./justw chaos --minutes 1 --seed {seed}"))
}

fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "`./justw chaos` shows the seed and how far it is")]
async fn chaos(seed: u64, lasts: Duration) -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let mut dice = Dice(seed);
    let mut others = Others::default();
    let tcr = json!({
        "instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": {"onDelete": "Revoke"},
    });
    cluster.ask("demo", json!({"namespaces": "ns-*,!ns-3", "tcr": tcr})).await?;
    cluster.ask("plain", json!({"namespaces": "ns-*", "docker": docker("p-0")})).await?;
    for number in 0..NAMESPACES / 2 {
        cluster.namespace(&format!("ns-{number}"), &[]).await?;
    }
    cluster.replicas(2).await?;
    let end = Instant::now() + lasts;
    let mut round = 0;
    while Instant::now() < end {
        round += 1;
        let until = (Instant::now() + ROUND).min(end);
        let mut harm = Vec::new();
        while Instant::now() < until {
            let what = once(&mut cluster, &mut dice, &mut others).await;
            // What cannot be done, such as for want of the object, is left out.
            harm.extend(what.ok());
            tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
        }
        println!("chaos: round {round}: {}", harm.join(", "));
        cluster.cloud.clear_faults();
        // One that comes back to the lead of another one must keep out of its way.
        let is_one_back_late = dice.below(4) == 0;
        match is_one_back_late {
            true => cluster.resume_all_but_one(),
            false => cluster.resume_all(),
        }
        cluster.replicas(2).await?;
        let settled = Instant::now();
        eventually("everything to be as it shall be", CONVERGED, async || {
            cluster.replicas(2).await?;
            is_right(&cluster, &others).await
        })
        .await?;
        println!("chaos: round {round}: right after {:.1} s", settled.elapsed().as_secs_f64());
        cluster.resume_all();
    }
    for name in ["demo", "plain"] {
        cluster.objects().delete(name, &DeleteParams::default()).await?;
    }
    eventually("everything to be gone", CONVERGED, async || {
        cluster.replicas(2).await?;
        ensure!(cluster.objects().list(&ListParams::default()).await?.items.is_empty(), "objects are left");
        ensure!(cluster.cloud.live_tokens().is_empty(), "credentials are left");
        is_right(&cluster, &others).await
    })
    .await?;
    let tokens: Vec<String> = cluster.cloud.tokens().iter().map(|it| it.secret.expose().to_owned()).collect();
    cluster.finish(&tokens.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Does one thing; what it was.
async fn once(cluster: &mut Cluster, dice: &mut Dice, others: &mut Others) -> Result<String> {
    let namespace = format!("ns-{}", dice.below(NAMESPACES));
    let secret = *dice.pick(&["tcr.ipsdemo", "tcr.ipsplain"]);
    let merge = |value: serde_json::Value| Patch::Merge(value);
    let params = PatchParams::default();
    match dice.below(29) {
        0..=4 => {
            cluster.namespace(&namespace, &[]).await?;
            Ok(format!("made {namespace}"))
        }
        5 => {
            Api::<Namespace>::all(cluster.client.clone())
                .delete(&namespace, &DeleteParams::default())
                .await?;
            Ok(format!("deleted {namespace}"))
        }
        6..=7 => {
            let name = format!("robot-{}", dice.below(3));
            let account: ServiceAccount = serde_json::from_value(json!({
                "metadata": {"name": name}, "imagePullSecrets": [{"name": "partner"}],
            }))?;
            cluster.accounts(&namespace).create(&PostParams::default(), &account).await?;
            Ok(format!("made {namespace}/{name}"))
        }
        8 => {
            cluster.accounts(&namespace).delete("default", &DeleteParams::default()).await?;
            Ok(format!("deleted {namespace}/default"))
        }
        9..=10 => {
            let list = json!({"imagePullSecrets": [{"name": "partner"}]});
            cluster.accounts(&namespace).patch("default", &params, &merge(list)).await?;
            Ok(format!("replaced the list of {namespace}/default"))
        }
        11 => {
            let bytes = json!({"data": {".dockerconfigjson": "e30="}});
            cluster.ours(&namespace, secret).await?;
            cluster.secrets(&namespace).patch(secret, &params, &merge(bytes)).await?;
            Ok(format!("edited {namespace}/{secret}"))
        }
        12 => {
            cluster.ours(&namespace, secret).await?;
            cluster.secrets(&namespace).delete(secret, &DeleteParams::default()).await?;
            Ok(format!("deleted {namespace}/{secret}"))
        }
        13 => {
            cluster.ours(&namespace, secret).await?;
            let labels = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}});
            cluster.secrets(&namespace).patch(secret, &params, &merge(labels)).await?;
            Ok(format!("relabelled {namespace}/{secret}"))
        }
        14 => {
            cluster.ours(&namespace, secret).await?;
            cluster.secrets(&namespace).patch(secret, &params, &merge(json!({"immutable": true}))).await?;
            Ok(format!("made {namespace}/{secret} immutable"))
        }
        15 => {
            let own: Secret = serde_json::from_value(json!({
                "metadata": {"name": "tcr.ipsplain"}, "stringData": {"theirs": "yes"},
            }))?;
            let there = Api::<Namespace>::all(cluster.client.clone()).get(&namespace).await?;
            let made = cluster.secrets(&namespace).create(&PostParams::default(), &own).await?;
            others.secrets.insert(there.uid().unwrap_or_default(), made);
            Ok(format!("made somebody's own {namespace}/tcr.ipsplain"))
        }
        16..=18 => {
            let password = docker(&format!("p-{}", dice.below(1000)));
            cluster.change("plain", json!({"docker": password})).await?;
            Ok("changed the password".to_owned())
        }
        19 => {
            let list = *dice.pick(&["ns-*", "ns-1,ns-2,ns-4", "ns-*,!ns-5"]);
            cluster.change("demo", json!({"namespaces": list})).await?;
            Ok(format!("selected {list}"))
        }
        20..=21 => {
            let fault = match dice.below(7) {
                0..=1 => Fault::new(dice.pick(&NO_ANSWERS).clone()),
                2 => Fault::dropped().after_effect(),
                3 => Fault::delay(Duration::from_millis(400)),
                4 => Fault::empty_token(),
                _ => Fault::error(*dice.pick(&CLOUD_ERRORS)),
            };
            let told = format!("the cloud: {:?}", fault.kind);
            cluster.cloud.inject(fault.times(2));
            Ok(told)
        }
        22 => {
            // The clocks of the two differ by that much more from now on; above five minutes calls are refused.
            let ahead = Duration::from_secs(*dice.pick(&[1, 20, 400, 3000]));
            cluster.cloud.advance(ahead);
            Ok(format!("the cloud's clock ran {} s ahead", ahead.as_secs()))
        }
        23..=24 => {
            cluster.kill_one(usize::try_from(dice.below(2))?);
            cluster.replicas(2).await?;
            Ok("killed a controller".to_owned())
        }
        25 => {
            let part = *dice.pick(&[Part::ApiServer, Part::Etcd, Part::ControllerManager]);
            cluster.restart(part).await?;
            Ok(format!("killed {part:?}"))
        }
        26..=27 => {
            // It is cut off until the harm is done, or until the other one has set everything right.
            cluster.suspend_one(usize::try_from(dice.below(2))?);
            Ok("stopped a controller".to_owned())
        }
        _ => {
            let part = *dice.pick(&[Part::ApiServer, Part::Etcd]);
            cluster.plane.process(part).suspend();
            tokio::time::sleep(Duration::from_millis(dice.below(4000))).await;
            cluster.plane.process(part).resume();
            Ok(format!("stopped {part:?} for a while"))
        }
    }
}

/// What must hold once nobody does harm any more.
async fn is_right(cluster: &Cluster, others: &Others) -> Result<()> {
    let everything = ListParams::default();
    let mut objects = BTreeMap::new();
    for object in cluster.objects().list(&everything).await? {
        objects.insert(object.name_any(), object);
    }
    let live = cluster.cloud.live_tokens();
    ensure!(live.len() <= 1, "{} credentials live", live.len());
    ensure!(!objects.contains_key("demo") || live.len() == 1, "no credential lives");
    let namespaces = Api::<Namespace>::all(cluster.client.clone()).list(&everything).await?;
    let going: Vec<_> = namespaces.iter().filter(|it| it.metadata.deletion_timestamp.is_some()).collect();
    ensure!(going.is_empty(), "{} namespaces are still going", going.len());
    let names: BTreeSet<String> = namespaces.iter().map(ResourceExt::name_any).collect();
    let of_name = ListParams::default().fields("metadata.name=tcr.ipsplain");
    let of_name = Api::<Secret>::all(cluster.client.clone()).list(&of_name).await?;
    let theirs: BTreeSet<String> =
        of_name.iter().filter(|it| is_theirs(it)).filter_map(ResourceExt::namespace).collect();
    for namespace in &namespaces {
        if let Some(own) = others.secrets.get(&namespace.uid().unwrap_or_default()) {
            let name = namespace.name_any();
            let found = of_name.iter().find(|it| it.namespace().as_ref() == Some(&name));
            ensure!(found == Some(own), "{name}/tcr.ipsplain is somebody's own and was changed");
        }
    }
    let mut right = BTreeSet::new();
    for (name, object) in &objects {
        let list = object.spec.namespaces.parse::<tcr::name_list::NameList>()?;
        let secret = format!("tcr.ips{name}");
        for namespace in names.iter().filter(|it| list.selects(it)) {
            let found = cluster.secrets(namespace).get(&secret).await?;
            if name == "plain" && theirs.contains(namespace) {
                continue;
            }
            let data = found.data.unwrap_or_default();
            let bytes =
                data.get(".dockerconfigjson").with_context(|| format!("{namespace}/{secret} is empty"))?;
            let text = String::from_utf8_lossy(&bytes.0);
            let password = match &object.spec.docker {
                Some(docker) => docker.password.expose().to_owned(),
                None => live[0].secret.expose().to_owned(),
            };
            ensure!(text.contains(&password), "{namespace}/{secret} holds another password");
            ensure!(found.immutable != Some(true), "{namespace}/{secret} is immutable");
            right.insert((namespace.clone(), secret.clone()));
        }
    }
    let ours = everything
        .clone()
        .labels("app.kubernetes.io/managed-by=tcr-assistant,tcr.tencentcloudcr.com/image-pull-secret");
    for secret in Api::<Secret>::all(cluster.client.clone()).list(&ours).await? {
        let place = (secret.namespace().unwrap_or_default(), secret.name_any());
        ensure!(right.contains(&place), "{place:?} should not be there");
    }
    for account in Api::<ServiceAccount>::all(cluster.client.clone()).list(&everything).await? {
        let (namespace, name) = (account.namespace().unwrap_or_default(), account.name_any());
        let list = references(&account);
        let refers: BTreeSet<&String> = list.iter().filter(|it| it.starts_with("tcr.ips")).collect();
        // A reference to somebody's own Secret of our name may be theirs, and stays.
        let own = theirs.contains(&namespace);
        let refers: BTreeSet<&String> =
            refers.into_iter().filter(|it| !own || *it != "tcr.ipsplain").collect();
        let wanted: BTreeSet<&String> =
            right.iter().filter(|(place, _)| *place == namespace).map(|(_, secret)| secret).collect();
        ensure!(refers == wanted, "{namespace}/{name} refers to {refers:?} and should to {wanted:?}");
        let is_theirs = name.starts_with("robot-");
        ensure!(
            !is_theirs || list.first().is_some_and(|it| it == "partner"),
            "{namespace}/{name} lost its own"
        );
    }
    Ok(())
}
