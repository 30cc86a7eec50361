//! The same cluster as a tour: what a user types, and what comes of it.

use std::fs;
use std::io::{Write as _, stdout};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result};
use support::{Program, eventually};
use tcr::names::SYSTEM_NAMESPACE;
use tokio::signal::unix::{SignalKind, signal};

use super::{SECRET, ask};
use crate::chart::root;
use crate::steps::Steps;
use crate::world::{DAEMON_SET, DEPLOYMENT, LONG, VPC_DOMAIN, WEBHOOK, World};

/// Shows it; with `keep` until somebody interrupts.
pub(super) async fn show(steps: &mut Steps, world: &mut World, keep: bool) -> Result<()> {
    say("\n$ helm install tcr-assistant artifacts/chart -n tcr-assistant-system -f values.yaml");
    steps.step("helm installs the chart", world.install(&serde_json::json!({}))).await?;
    steps
        .step("hosts-updater runs on each node", world.rolled_out(&format!("daemonset/{DAEMON_SET}")))
        .await?;
    steps.step("the controller runs", world.rolled_out(&format!("deployment/{DEPLOYMENT}"))).await?;
    steps.step("the webhook runs", world.rolled_out(&format!("deployment/{WEBHOOK}"))).await?;
    typed(world, &["-n", SYSTEM_NAMESPACE, "get", "pods", "-o", "wide"]).await?;
    steps.step("one ImagePullSecret for the whole cluster", ask(world)).await?;
    typed(world, &["get", "imagepullsecrets"]).await?;
    steps
        .step("each node resolves the registry to the private address", world.hosts_files_have(true))
        .await?;
    let first = world.nodes.list().first().context("there is no node")?;
    say(&format!(
        "\n{}# cat /etc/hosts\n{}",
        first.name(),
        String::from_utf8_lossy(&first.read("/etc/hosts")?)
    ));

    let image = world.image(VPC_DOMAIN, "team/app:v1").await?;
    typed(world, &["create", "namespace", "shop"]).await?;
    eventually("the namespace's ServiceAccount", LONG, async || {
        world.kubectl(&["-n", "shop", "get", "serviceaccount", "default"]).await
    })
    .await?;
    typed(world, &["-n", "shop", "run", "web", "--image", &image]).await?;
    steps
        .step("a Pod of a new namespace runs, with no secret in any YAML", world.runs("shop", "web"))
        .await?;
    typed(world, &["-n", "shop", "get", "pods", "-o", "wide"]).await?;
    typed(world, &["-n", "shop", "get", "pod", "web", "-o", "jsonpath={.spec.imagePullSecrets}{\"\\n\"}"])
        .await?;
    typed(world, &["-n", "shop", "get", "secret", SECRET]).await?;
    if keep { wait(world).await } else { Ok(()) }
}

/// Runs kubectl, and shows both the command and what it printed.
async fn typed(world: &World, args: &[&str]) -> Result<()> {
    say(&format!("\n$ kubectl {}", args.join(" ")));
    say(&world.kubectl(args).await?);
    Ok(())
}

/// Says how to reach the cluster, and waits for an end.
async fn wait(world: &World) -> Result<()> {
    let plane = world.nodes.plane();
    let programs = plane.run().folder().join("bin");
    fs::create_dir_all(&programs)?;
    let kubectl = Program::Kubectl.path()?;
    let network = format!("exec nsenter --net=/proc/{}/ns/net -- env KUBECONFIG=", std::process::id());
    let kubeconfig = plane.kubeconfig().display();
    script(&programs.join("kubectl"), &format!("{network}'{kubeconfig}' '{}' \"$@\"", kubectl.display()))?;
    script(&programs.join("helm"), &format!("{network}'{kubeconfig}' '{}' \"$@\"", world.helm.display()))?;
    // kubectl finds its plugins by name, and starts them where it runs itself.
    let program =
        root().join(format!("target/{}-unknown-linux-gnu/image/tcr-assistant", std::env::consts::ARCH));
    symlink(&program, programs.join("kubectl-tcr"))
        .with_context(|| format!("cannot link to {}", program.display()))?;
    for node in world.nodes.list() {
        let enter = format!("exec nsenter --target {} --net --mount --pid --ipc --uts -- \"$@\"", node.pid());
        script(&programs.join(node.name()), &enter)?;
    }
    say(&format!(
        "\nThe cluster stays until you press Ctrl-C here. In another terminal, as root:\n\n  export PATH={}:\"$PATH\"\n  \
         kubectl get pods -A -o wide\n  kubectl tcr status\n  kubectl tcr explain pod/web -n shop --check-registry=false\n  node-1 cat /etc/hosts\n",
        programs.display()
    ));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
    Ok(())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{text}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn say(text: &str) {
    // Nobody is there to read that stdout is closed.
    let _ = writeln!(stdout(), "{}", text.trim_end_matches('\n'));
}
