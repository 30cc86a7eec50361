//! A replica of a Deployment, without a node: its containers as processes, started as a kubelet would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, PodSpec, Secret};
use kube::{Api, ResourceExt as _};
use support::{ControlPlane, Identity, Process};

/// How far the ports of two replicas, which share one address, are apart.
const APART: i32 = 100;

/// Where the files of the image are on this machine.
pub(crate) struct Image {
    /// Programs, by their path in the image without the slash.
    pub(crate) programs: PathBuf,
    /// The policy.
    pub(crate) policy: PathBuf,
}

/// One replica.
pub(crate) struct Replica {
    number: i32,
    containers: BTreeMap<String, Process>,
    specs: BTreeMap<String, Container>,
}

/// Paths in the container, and where they are on this machine.
struct Places(Vec<(String, String)>);

impl Places {
    fn translate(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

impl Replica {
    /// A replica of which no container runs yet.
    pub(crate) fn of(deployment: &Deployment, number: i32) -> Result<Self> {
        let specs = pod_spec(deployment)?.containers.iter();
        let specs = specs.map(|it| (it.name.clone(), it.clone())).collect();
        Ok(Self { number, containers: BTreeMap::new(), specs })
    }

    /// Starts a container: its command, arguments and environment, with what its volumes hold, acting
    /// as the Pod's ServiceAccount.
    pub(crate) async fn start(
        &mut self,
        name: &str,
        plane: &ControlPlane,
        deployment: &Deployment,
        image: &Image,
    ) -> Result<()> {
        let spec = self.specs.get(name).with_context(|| format!("there is no container {name}"))?;
        let pod = pod_spec(deployment)?;
        let namespace = deployment.metadata.namespace.as_deref().context("it has no namespace")?;
        let account = pod.service_account_name.as_deref().context("it has no ServiceAccount")?;
        let folder = plane.run().folder().join(format!("replica-{}-{name}", self.number));
        let places = mount(plane, namespace, pod, spec, &folder, image).await?;

        let program = spec.command.iter().flatten().next().context("it has no command")?;
        let program = image.programs.join(program.trim_start_matches('/'));
        ensure!(program.is_file(), "{} is missing: run ./justw e2e control-plane", program.display());
        let arguments = spec.args.iter().flatten().map(|it| places.translate(&self.own_ports(spec, it)));
        let kubeconfig = plane.kubeconfig_for(&Identity::service_account(namespace, account)).await?;
        let mut command = plane.run().command(program);
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("HOSTNAME", format!("{}-{}", deployment.name_any(), self.number));
        for variable in spec.env.iter().flatten() {
            if let Some(value) = value(plane, namespace, variable).await? {
                command.env(&variable.name, places.translate(&value));
            }
        }
        let process = plane.run().start(&format!("replica-{}-{name}", self.number), command)?;
        self.containers.insert(name.to_owned(), process);
        Ok(())
    }

    /// A container's process.
    pub(crate) fn process(&self, container: &str) -> Result<&Process> {
        self.containers.get(container).with_context(|| format!("container {container} was not started"))
    }

    /// A port of a container, by its name.
    pub(crate) fn port(&self, container: &str, port: &str) -> Result<i32> {
        let spec = self.specs.get(container).with_context(|| format!("there is no container {container}"))?;
        let declared = spec.ports.iter().flatten().find(|it| it.name.as_deref() == Some(port));
        Ok(declared.with_context(|| format!("there is no port {port}"))?.container_port + self.number * APART)
    }

    /// Whether a container's readiness probe succeeds.
    pub(crate) async fn is_ready(&self, container: &str) -> Result<()> {
        let process = self.process(container)?;
        if let Some(status) = process.ended() {
            return Err(anyhow::anyhow!("container {container} ended with {status}"));
        }
        let probe = self.specs[container].readiness_probe.as_ref().and_then(|it| it.http_get.as_ref());
        let path = probe.and_then(|it| it.path.as_deref()).context("it has no readiness probe by HTTP")?;
        let port = match container {
            "webhook" => self.port(container, "readiness")?,
            _ => self.port(container, "http")?,
        };
        self.get(port, path).await.map(drop)
    }

    /// What a container answers on a port.
    pub(crate) async fn get(&self, port: i32, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
    }

    /// Two replicas share one address, so each has ports of its own.
    fn own_ports(&self, spec: &Container, argument: &str) -> String {
        for declared in spec.ports.iter().flatten().map(|it| it.container_port) {
            let head = argument.strip_suffix(&declared.to_string());
            if let Some(head) = head.filter(|head| head.ends_with([':', '='])) {
                return format!("{head}{}", declared + self.number * APART);
            }
        }
        argument.to_owned()
    }
}

fn pod_spec(deployment: &Deployment) -> Result<&PodSpec> {
    let spec = deployment.spec.as_ref().context("the Deployment has no spec")?;
    spec.template.spec.as_ref().context("the Deployment's template has no spec")
}

/// Puts what the volumes hold into `folder`.
async fn mount(
    plane: &ControlPlane,
    namespace: &str,
    pod: &PodSpec,
    spec: &Container,
    folder: &Path,
    image: &Image,
) -> Result<Places> {
    let mut places =
        Places(vec![("file:///policy.wasm".to_owned(), format!("file://{}", image.policy.display()))]);
    let maps: Api<ConfigMap> = Api::namespaced(plane.client().await?, namespace);
    let secrets: Api<Secret> = Api::namespaced(plane.client().await?, namespace);
    for mount in spec.volume_mounts.iter().flatten() {
        let at = folder.join(&mount.name);
        fs::create_dir_all(&at).with_context(|| format!("cannot make {}", at.display()))?;
        let volume = pod.volumes.iter().flatten().find(|it| it.name == mount.name);
        let volume = volume.with_context(|| format!("there is no volume {}", mount.name))?;
        if let Some(source) = &volume.config_map {
            let map = maps.get(&source.name).await?;
            for (key, text) in map.data.unwrap_or_default() {
                fs::write(at.join(key), places.translate(&text))?;
            }
        } else if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().context("a Secret volume names no Secret")?;
            let secret = secrets.get_opt(name).await?;
            ensure!(secret.is_some() || source.optional == Some(true), "Secret {name} is missing");
            for (key, bytes) in secret.and_then(|it| it.data).unwrap_or_default() {
                fs::write(at.join(key), bytes.0)?;
            }
        } else {
            ensure!(volume.empty_dir.is_some(), "volume {} is of a kind that is not known here", mount.name);
        }
        places.0.push((mount.mount_path.clone(), at.display().to_string()));
    }
    Ok(places)
}

async fn value(plane: &ControlPlane, namespace: &str, variable: &EnvVar) -> Result<Option<String>> {
    let Some(source) = variable.value_from.as_ref().and_then(|it| it.secret_key_ref.as_ref()) else {
        return Ok(variable.value.clone());
    };
    let secrets: Api<Secret> = Api::namespaced(plane.client().await?, namespace);
    let held = secrets.get_opt(&source.name).await?.and_then(|it| it.data?.remove(&source.key));
    ensure!(held.is_some() || source.optional == Some(true), "{} is required and missing", variable.name);
    Ok(held.map(|bytes| String::from_utf8(bytes.0)).transpose()?)
}
