//! Nodes, a private registry, and the cloud that says who may pull.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use support::nodes::{self, HUB};
use support::registry::{self, Credential};
use support::{Image, Nodes, Program, Registry, Run, TlsFront, eventually, network};
use tcr::image_pull_secret::CredentialKind;
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::{Account, Cloud, Config, VpcLink};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};

use crate::chart::{self, root};
use crate::steps::Steps;

mod explained;
pub(crate) mod machine;
pub(crate) mod state;
pub(crate) mod storage;

use machine::Machine;
use storage::Storage;

/// Longer than anything here takes on a busy machine: images are pulled, and programs start on a tenth of a core.
pub(crate) const LONG: Duration = Duration::from_secs(240);
pub(crate) const DEFAULT_DOMAIN: &str = "demo.tencentcloudcr.com";
pub(crate) const VPC_DOMAIN: &str = "demo-vpc.tencentcloudcr.com";
pub(crate) const DEPLOYMENT: &str = "tcr-assistant-controller-manager";
pub(crate) const WEBHOOK: &str = "tcr-assistant-webhook";
pub(crate) const DAEMON_SET: &str = "hosts-updater";
pub(crate) const INSTANCE: &str = "tcr-demo0001";
pub(crate) const REGION: &str = "ap-guangzhou";
pub(crate) const VPC: &str = "vpc-demo0001";
const SUBNET: &str = "subnet-demo0001";
/// Of `./justw images`.
const IMAGES: [&str; 2] = ["tcr-assistant", "hosts-updater"];

/// Everything that the story is about.
pub(crate) struct World {
    // Dropped in order: the nodes first.
    pub(crate) nodes: Nodes,
    pub(crate) cloud: Cloud,
    front: TlsFront,
    pub(crate) registry: Registry,
    pub(crate) storage: Option<Storage>,
    pub(crate) pusher: Credential,
    run: Run,
    app: Vec<u8>,
    pushed: u32,
    pub(crate) helm: PathBuf,
    pub(crate) machine: Machine,
}

/// Starts the world with nodes as in `options`, and tells the story. What one wants to see of a story that does not hold is
/// kept.
///
/// # Errors
/// What did not hold, in the words of the step that failed.
pub(crate) fn tell(
    steps: &mut Steps,
    options: nodes::Options,
    story: impl AsyncFnOnce(&mut Steps, &mut World) -> Result<()>,
) -> Result<()> {
    tell_with(steps, options, false, story)
}

/// The same, where layers come from a storage of their own if that is wanted.
///
/// # Errors
/// As of [`tell`].
pub(crate) fn tell_with(
    steps: &mut Steps,
    options: nodes::Options,
    has_storage: bool,
    story: impl AsyncFnOnce(&mut Steps, &mut World) -> Result<()>,
) -> Result<()> {
    // Before the network is gone.
    let helm = Program::Helm.path()?;
    for program in Program::CONTROL_PLANE.into_iter().chain(Program::NODES) {
        program.path()?;
    }
    network::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let nodes = if options.nodes == 3 { "three" } else { "two" };
        let start = World::start(helm, options, has_storage);
        let there = format!("{nodes} nodes, a private registry and its cloud are there");
        let mut world = steps.step(&there, start).await?;
        let told = story(steps, &mut world).await;
        if told.is_err() {
            world.nodes.keep_evidence().await;
        }
        told
    })
}

impl World {
    /// Two nodes that have the add-on's images and nothing else, and trust the registry's certificate.
    async fn start(helm: PathBuf, mut options: nodes::Options, has_storage: bool) -> Result<Self> {
        let machine = Machine::look()?;
        let images = images()?;
        let app = std::fs::read(Program::App.path()?).context("cannot read the program of the Pods")?;
        nodes::bridge()?;
        let run = Run::new()?;
        let cloud = Cloud::start(config()?)?;
        let address = cloud.url().trim_start_matches("http://").parse()?;
        let front = TlsFront::start((HUB, 0).into(), address).await?;
        // No password is sent without TLS.
        let mut auth = cloud.token_service(INSTANCE)?;
        auth.realm = auth.realm.replace(&cloud.url(), &front.url());
        let trusted = registry::Options {
            listen: (HUB, 443).into(),
            storage: has_storage.then(storage::url),
            ..registry::Options::new(&[DEFAULT_DOMAIN, VPC_DOMAIN], auth)
        };
        let mut registry = Registry::start(&run, trusted).await?;
        registry.also_trust(front.ca());
        let storage = match has_storage {
            true => Some(Storage::start(registry.storage()).await?),
            false => None,
        };
        storage.iter().for_each(|storage| registry.also_trust(storage.ca()));
        options.images.extend(images);
        options
            .files
            .extend([DEFAULT_DOMAIN, VPC_DOMAIN].iter().flat_map(|domain| trust(domain, registry.ca())));
        let nodes = Nodes::start(options).await?;
        let pusher = mint(&front, Account::demo_pusher()).await?;
        Ok(Self { nodes, cloud, front, registry, storage, pusher, run, app, pushed: 0, helm, machine })
    }

    /// Pushes an image that nobody has ever pulled; gives its name under the domain.
    pub(crate) async fn image(&mut self, domain: &str, name: &str) -> Result<String> {
        let program = self.program();
        let image = Image::of_program(&self.archive(), &program)?;
        self.push(name, &image).await?;
        Ok(format!("{domain}/{name}"))
    }

    /// A program that runs, with bytes that no other has, where it does not look.
    pub(crate) fn program(&mut self) -> Vec<u8> {
        self.pushed += 1;
        let mut program = self.app.clone();
        program.extend_from_slice(&self.pushed.to_le_bytes());
        program
    }

    /// Where an image is written before it is pushed.
    pub(crate) fn archive(&self) -> PathBuf {
        self.run.folder().join("image.tar")
    }

    pub(crate) async fn push(&self, name: &str, image: &Image) -> Result<()> {
        self.registry.push_image(&self.run, name, image, &self.pusher).await
    }

    /// How `tcr-assistant explain` finds the registry.
    pub(crate) fn registry_flags(&self) -> Result<Vec<String>> {
        let ca = self.run.folder().join("registry-ca.crt");
        std::fs::write(&ca, self.registry.ca())?;
        Ok(vec![
            format!("--registry-ca={}", ca.display()),
            format!("--registry-realm={}", self.front.url()),
            format!("--registry-address={DEFAULT_DOMAIN}={HUB}"),
            format!("--registry-address={VPC_DOMAIN}={HUB}"),
        ])
    }

    /// Installs the chart as a user would, with more values.
    pub(crate) async fn install(&self, more: &Value) -> Result<()> {
        chart::install(self.nodes.plane(), &self.helm, &Account::demo(), &[&self.values(), more]).await
    }

    /// What the chart has to know of this world.
    pub(crate) fn values(&self) -> Value {
        json!({
            "global": {"cluster": {"id": "cls-12345678", "longregion": REGION}},
            "cloud": {"endpoint": self.front.url(), "caCertificates": self.front.ca()},
            "registry": {
                "caCertificates": self.registry.ca(),
                "realms": [self.front.url()],
                // Where the controller's Pod finds them before there is word of a private link.
                "addresses": [format!("{DEFAULT_DOMAIN}={HUB}"), format!("{VPC_DOMAIN}={HUB}")],
            },
        })
    }

    /// Asks for the credential, and for the private address on every node unless `resolve` is false.
    pub(crate) async fn ask(&self, resolve: bool) -> Result<()> {
        self.ask_with(json!({"resolve": resolve, "vpcId": VPC, "domains": ["default", "vpc"]})).await
    }

    /// Asks for the credential, and for what `private_network` says.
    pub(crate) async fn ask_with(&self, private_network: Value) -> Result<()> {
        self.nodes.plane().apply(&Self::object(&private_network).to_string()).await.map(drop)
    }

    /// What [`World::ask_with`] asks for.
    pub(crate) fn object(private_network: &Value) -> Value {
        json!({
            "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret",
            "metadata": {"name": "demo"},
            "spec": {
                "namespaces": "*,!outside", "serviceAccounts": "*",
                "tcr": {
                    "instanceId": INSTANCE, "region": REGION, "domains": ["default", "vpc"],
                    "credential": {"onDelete": "Revoke"},
                    "privateNetwork": private_network,
                },
            },
        })
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.nodes.plane().kubectl(args).await?.checked()
    }

    /// Makes a Pod with one container; `more` is merged into its spec.
    pub(crate) async fn pod(&self, namespace: &str, name: &str, image: &str, more: Value) -> Result<()> {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "app", "image": image}]},
        });
        if let (Some(spec), Value::Object(more)) = (pod["spec"].as_object_mut(), more) {
            spec.extend(more);
        }
        let pod = pod.to_string();
        // As kubectl does for a user, until the new namespace has its ServiceAccount.
        eventually(&format!("{namespace} to take a Pod"), LONG, async || {
            self.nodes.plane().apply(&pod).await.map(drop)
        })
        .await
    }

    pub(crate) async fn pods(&self, namespace: &str) -> Result<Api<Pod>> {
        Ok(Api::namespaced(self.nodes.plane().client().await?, namespace))
    }

    /// Waits until the Pod runs; gives its node.
    pub(crate) async fn runs(&self, namespace: &str, name: &str) -> Result<String> {
        let pods = self.pods(namespace).await?;
        eventually(&format!("Pod {namespace}/{name} to run"), LONG, async || {
            let pod = pods.get(name).await?;
            match state(&pod) {
                None => Ok(pod.spec.and_then(|spec| spec.node_name).unwrap_or_default()),
                Some(reason) => bail!("{reason}"),
            }
        })
        .await
    }

    /// Waits until pulling for the Pod has failed in words that have one of these in them; gives the words.
    pub(crate) async fn pull_fails(&self, namespace: &str, name: &str, words: &[&str]) -> Result<String> {
        let client = self.nodes.plane().client().await?;
        let events: Api<Event> = Api::namespaced(client, namespace);
        let pods = self.pods(namespace).await?;
        let of_pod = ListParams::default().fields(&format!("involvedObject.name={name}"));
        eventually(&format!("the pull of Pod {namespace}/{name} to fail"), LONG, async || {
            let pod = pods.get(name).await?;
            if state(&pod).is_none() {
                return Ok(Err(anyhow!("Pod {namespace}/{name} runs")));
            }
            let told: Vec<String> =
                events.list(&of_pod).await?.items.into_iter().filter_map(|event| event.message).collect();
            let failed = told.iter().find(|it| it.contains("Failed to pull image"));
            let failed = failed.with_context(|| format!("no pull has failed yet: {told:?}"))?;
            Ok(match words.iter().any(|word| failed.contains(word)) {
                true => Ok(failed.clone()),
                false => Err(anyhow!("the pull failed for another reason: {failed}")),
            })
        })
        .await?
    }

    /// Waits until the ImagePullSecret is ready.
    pub(crate) async fn ready(&self) -> Result<()> {
        eventually("the ImagePullSecret to be ready", LONG, async || {
            self.kubectl(&["wait", "--for=condition=Ready", "--timeout=2s", "imagepullsecret/demo"]).await
        })
        .await
        .map(drop)
    }

    /// The private link moves to this address: so the cloud says from now on.
    pub(crate) fn move_link(&self, address: Ipv4Addr) -> Result<()> {
        self.set_links(vec![VpcLink::running(VPC, SUBNET, address.to_string())])
    }

    /// The instance has these private links: so the cloud says from now on.
    pub(crate) fn set_links(&self, links: Vec<VpcLink>) -> Result<()> {
        let is_there = self.cloud.update_instance(INSTANCE, |instance| instance.links = Some(links));
        ensure!(is_there, "there is no instance {INSTANCE}");
        Ok(())
    }

    /// Waits until every node's hosts file has the domains, or has none of them.
    pub(crate) async fn hosts_files_have(&self, entries: bool) -> Result<()> {
        self.hosts_files_lead(entries.then_some(HUB), &[DEFAULT_DOMAIN, VPC_DOMAIN]).await
    }

    /// Waits until every node's hosts file leads each of the domains to the address and no other, or has none of them.
    pub(crate) async fn hosts_files_lead(&self, to: Option<Ipv4Addr>, domains: &[&str]) -> Result<()> {
        for node in self.nodes.list() {
            eventually(&format!("the hosts file of {}", node.name()), LONG, async || {
                let text = String::from_utf8(node.read("/etc/hosts")?)?;
                for domain in domains {
                    let found = addresses(&text, domain);
                    let expected: Vec<String> = to.iter().map(Ipv4Addr::to_string).collect();
                    ensure!(found == expected, "{domain} leads to {found:?}, not {expected:?}: {text}");
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until a workload of the add-on is as it should be on every node.
    pub(crate) async fn rolled_out(&self, workload: &str) -> Result<()> {
        eventually(&format!("{workload} to be ready"), LONG, async || {
            let wait = ["-n", SYSTEM_NAMESPACE, "rollout", "status", "--timeout=5s", workload];
            self.nodes.plane().kubectl(&wait).await?.checked().map(drop)
        })
        .await
    }
}

/// What a hosts file says of a name.
pub(crate) fn addresses<'a>(hosts: &'a str, domain: &str) -> Vec<&'a str> {
    let lines = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?;
        words.any(|word| word == domain).then_some(address)
    });
    lines.collect()
}

/// Why a Pod does not run; none when it does.
pub(crate) fn state(pod: &Pod) -> Option<String> {
    let Some(status) = &pod.status else { return Some("it has no status".to_owned()) };
    let containers = status.container_statuses.iter().flatten();
    let phase = status.phase.as_deref().unwrap_or("Unknown");
    if phase == "Running" && containers.clone().all(|it| it.ready) {
        return None;
    }
    let waiting = containers.filter_map(|it| it.state.as_ref()?.waiting.as_ref());
    let reasons: Vec<String> = waiting
        .map(|it| format!("{} {}", it.reason.as_deref().unwrap_or(""), it.message.as_deref().unwrap_or("")))
        .collect();
    Some(format!("it is {phase} {}", reasons.join("; ")))
}

fn images() -> Result<Vec<Image>> {
    let archive = |name: &&str| {
        let path = root().join(format!("target/images/{name}.tar"));
        ensure!(path.is_file(), "{} is missing: run ./justw images", path.display());
        Ok(Image::OciArchive(path))
    };
    IMAGES.iter().map(archive).collect()
}

fn config() -> Result<Config> {
    let mut config = Config {
        listen: (HUB, 0).into(),
        accounts: vec![Account::demo(), Account::demo_pusher()],
        ..Config::demo()
    };
    let instance = config.instances.first_mut().context("the demo has no instance")?;
    instance.links = Some(vec![VpcLink::running(VPC, SUBNET, HUB.to_string())]);
    Ok(config)
}

async fn mint(front: &TlsFront, account: Account) -> Result<Credential> {
    let chain = Chain::over(move |name| account.variable(name));
    let settings = Settings {
        endpoint: Some(front.url().parse()?),
        ca: Some(front.ca().as_bytes().to_vec()),
        ..Settings::default()
    };
    let client = Client::new(settings, chain)?;
    let token = client.create_instance_token(REGION, INSTANCE, CredentialKind::Temp, "").await?;
    Ok(Credential { username: token.username.clone(), password: token.token.expose().to_owned() })
}

/// The files by which containerd trusts a registry's certificate.
pub(crate) fn trust(domain: &str, ca: &str) -> [(String, String); 2] {
    let folder = format!("/etc/containerd/certs.d/{domain}");
    let hosts = format!(
        "server = \"https://{domain}\"\n\n[host.\"https://{domain}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
         ca = \"{folder}/ca.crt\"\n"
    );
    [(format!("{folder}/hosts.toml"), hosts), (format!("{folder}/ca.crt"), ca.to_owned())]
}
