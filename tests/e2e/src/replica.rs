//! A replica of a workload, without a node: its containers as processes, started as a kubelet would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, PodSpec, ResourceRequirements, Secret};
use kube::{Api, ResourceExt as _};
use support::{Cgroup, ControlPlane, Identity, Limits, Process};

/// How far the ports of two replicas, which share one address, are apart.
const APART: i32 = 100;
/// The address that they share, as the downward API tells it.
const NODE_ADDRESS: &str = crate::control_plane::POD_ADDRESS;

/// Where the files of the image are on this machine.
pub(crate) struct Image {
    /// Programs, by their path in the image without the slash.
    pub(crate) programs: PathBuf,
    pub(crate) policy: PathBuf,
}

pub(crate) struct Replica {
    number: i32,
    containers: BTreeMap<String, Process>,
    specs: BTreeMap<String, Container>,
    is_limited: bool,
    cgroups: BTreeMap<String, Cgroup>,
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
        let (containers, cgroups) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { number, containers, specs, is_limited: false, cgroups })
    }

    /// The same, whose containers the kernel holds to their limits. Only root can have that.
    pub(crate) fn limited(self) -> Self {
        Self { is_limited: true, ..self }
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
        let arguments: Vec<String> = arguments.collect();
        let kubeconfig = plane.kubeconfig_for(&Identity::service_account(namespace, account)).await?;
        let mut command = match self.is_limited {
            false => plane.run().command(program),
            true => {
                let limits = limits(spec.resources.as_ref())?;
                let cgroup = Cgroup::new(plane.run(), &format!("{}-{name}", self.number), limits)?;
                let command = cgroup.command(plane.run(), &program);
                self.cgroups.insert(name.to_owned(), cgroup);
                command
            }
        };
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

    pub(crate) fn process(&self, container: &str) -> Result<&Process> {
        self.containers.get(container).with_context(|| format!("container {container} was not started"))
    }

    /// What a container may use at most.
    pub(crate) fn limits(&self, container: &str) -> Result<Limits> {
        let spec = self.specs.get(container).with_context(|| format!("there is no container {container}"))?;
        limits(spec.resources.as_ref())
    }

    /// How often the kernel has ended a container's process for its memory. Nothing is ended that nothing holds.
    pub(crate) fn ended_for_memory(&self, container: &str) -> Result<u64> {
        self.cgroups.get(container).map_or(Ok(0), Cgroup::ended_for_memory)
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
            // An empty folder stands for one of the node's.
            let is_known = volume.empty_dir.is_some() || volume.host_path.is_some();
            ensure!(is_known, "volume {} is of a kind that is not known here", mount.name);
        }
        places.0.push((mount.mount_path.clone(), at.display().to_string()));
    }
    Ok(places)
}

async fn value(plane: &ControlPlane, namespace: &str, variable: &EnvVar) -> Result<Option<String>> {
    let field = variable.value_from.as_ref().and_then(|it| it.field_ref.as_ref());
    match field.map(|it| &*it.field_path) {
        Some("status.hostIP") => return Ok(Some(NODE_ADDRESS.to_owned())),
        Some("spec.nodeName") => return Ok(Some("node-1".to_owned())),
        _ => {}
    }
    let Some(source) = variable.value_from.as_ref().and_then(|it| it.secret_key_ref.as_ref()) else {
        return Ok(variable.value.clone());
    };
    let secrets: Api<Secret> = Api::namespaced(plane.client().await?, namespace);
    let held = secrets.get_opt(&source.name).await?.and_then(|it| it.data?.remove(&source.key));
    ensure!(held.is_some() || source.optional == Some(true), "{} is required and missing", variable.name);
    Ok(held.map(|bytes| String::from_utf8(bytes.0)).transpose()?)
}

fn limits(resources: Option<&ResourceRequirements>) -> Result<Limits> {
    let limits = resources.and_then(|it| it.limits.as_ref());
    let of = |name: &str| limits.and_then(|it| it.get(name)).map(|it| quantity(&it.0)).transpose();
    Ok(Limits { memory: of("memory")?.map(|bytes| bytes as u64), processors: of("cpu")? })
}

/// A number as Kubernetes writes it, with the suffixes that charts use.
fn quantity(text: &str) -> Result<f64> {
    const SUFFIXES: [(&str, f64); 7] = [
        ("Ki", 1024.0),
        ("Mi", 1048576.0),
        ("Gi", 1073741824.0),
        ("m", 0.001),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
    ];
    let found = SUFFIXES.iter().find_map(|(suffix, times)| Some((text.strip_suffix(suffix)?, times)));
    let (number, times) = found.unwrap_or((text, &1.0));
    let number: f64 =
        number.parse().with_context(|| format!("{text:?} is no quantity that is known here"))?;
    Ok(number * times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_limits_are_numbers() {
        let of = |text| quantity(text).unwrap();
        assert_eq!((of("64Mi"), of("100m"), of("2"), of("1500M")), (67_108_864.0, 0.1, 2.0, 1.5e9));
        assert_eq!(
            quantity("64Mib").unwrap_err().to_string(),
            r#""64Mib" is no quantity that is known here"#
        );
    }
}
