//! The credential that a rendered Secret holds: from the object itself, from a file, or created
//! in the registry.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tcr::credential_id::delete_command;
use tcr::docker_config::DockerConfig;
use tcr::image_pull_secret::{CredentialKind, CredentialSpec, DEFAULT_VALIDITY, Docker, Tcr};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::{Sensitive, SensitiveBytes};

use super::input::Object;
use credential_plan::{domains, plan};
use tencent_cloud::client::Client;
use tencent_cloud::instance::{Instance, Readiness};
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::roles::Clients;
use tencent_cloud::service_account::ServiceAccountSpec;

/// What is needed to obtain credentials, and what was created so far.
pub(super) struct Credentials<'a> {
    clouds: Option<&'a Clients>,
    allowed_roots: &'a [String],
    cluster_id: Option<&'a str>,
    password: Option<&'a Sensitive>,
    created: Vec<Created>,
}

/// A credential created in the registry. Objects that ask for the same share it, as they do in a
/// cluster.
struct Created {
    /// What it was made by.
    cloud: Arc<Client>,
    role_arn: Option<String>,
    instance_id: String,
    region: String,
    spec: CredentialSpec,
    public_domain: RegistryHost,
    issued: IssuedToken,
}

impl<'a> Credentials<'a> {
    pub(super) fn new(
        clouds: Option<&'a Clients>,
        allowed_roots: &'a [String],
        cluster_id: Option<&'a str>,
        password: Option<&'a Sensitive>,
    ) -> Self {
        Self { clouds, allowed_roots, cluster_id, password, created: Vec::new() }
    }

    /// The content of the object's Secret.
    pub(super) async fn config(
        &mut self,
        object: &Object,
        tell: &mut dyn FnMut(&str),
    ) -> anyhow::Result<DockerConfig> {
        match (&object.spec.docker, &object.spec.tcr) {
            (Some(docker), _) => self.fixed(docker),
            (None, Some(tcr)) => self.of_instance(tcr, tell).await,
            (None, None) => bail!("neither docker nor tcr is set"),
        }
    }

    fn fixed(&self, docker: &Docker) -> anyhow::Result<DockerConfig> {
        let host: RegistryHost = docker.server.parse().context("spec.docker.server")?;
        let password = match (&docker.password_secret_ref, self.password) {
            (None, _) => &docker.password,
            (Some(_), Some(password)) => password,
            (Some(reference), None) => bail!(
                "spec.docker.passwordSecretRef: Secret {:?} is in the cluster; give its key {:?} by --password-file",
                reference.name,
                reference.key
            ),
        };
        Ok(DockerConfig::new([host], &docker.username, password))
    }

    async fn of_instance(&mut self, tcr: &Tcr, tell: &mut dyn FnMut(&str)) -> anyhow::Result<DockerConfig> {
        let same = |created: &Created| {
            tcr.credential.is_shared()
                && (&created.role_arn, &created.instance_id, &created.region, &created.spec)
                    == (&tcr.role_arn, &tcr.instance_id, &tcr.region, &tcr.credential)
        };
        let index = match self.created.iter().position(same) {
            Some(index) => index,
            None => {
                let created = self.create(tcr, tell).await?;
                self.created.push(created);
                self.created.len() - 1
            }
        };
        let Created { public_domain, issued, .. } = &self.created[index];
        let hosts = domains::all(tcr, public_domain, self.allowed_roots)?;
        Ok(DockerConfig::new(hosts, &issued.username, &issued.token))
    }

    async fn create(&self, tcr: &Tcr, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Created> {
        let Tcr { instance_id, region, role_arn, credential, .. } = tcr;
        let clouds = self.clouds.context("there is no connection to the cloud")?;
        let client = clouds.of(role_arn.as_deref(), region, instance_id);
        let found = client.instance(region, instance_id).await?;
        let instance = usable(found, instance_id, region)?;
        // Before anything is created: a domain that cannot be used is an error that costs nothing.
        domains::all(tcr, &instance.public_domain, self.allowed_roots)?;
        let description = credential
            .description_in(self.cluster_id)
            .context("spec.tcr.credential.description: set it, or give --cluster-id")?;
        let issued = match credential.kind {
            CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => {
                client.create_instance_token(region, instance_id, credential.kind, &description).await?
            }
            CredentialKind::ServiceAccount => self.create_account(&client, tcr, &description).await?,
        };
        tell(&told(tcr, &issued, &description));
        Ok(Created {
            cloud: client,
            role_arn: role_arn.clone(),
            instance_id: instance_id.clone(),
            region: region.clone(),
            spec: credential.clone(),
            public_domain: instance.public_domain,
            issued,
        })
    }

    /// A service account that no cluster takes for its own.
    async fn create_account(
        &self,
        client: &Client,
        tcr: &Tcr,
        description: &str,
    ) -> anyhow::Result<IssuedToken> {
        let Tcr { instance_id, region, credential, .. } = tcr;
        for name in &credential.registry_namespaces {
            if !client.has_namespace(region, instance_id, name).await? {
                bail!(
                    "spec.tcr.credential.registryNamespaces: instance {instance_id} has no namespace {name}: make it \
                     there, or correct the name"
                );
            }
        }
        let now = client.now();
        let account = ServiceAccountSpec {
            name: format!("tcr-assistant-render-{:x}", now.as_nanosecond()),
            description: description.to_owned(),
            registry_namespaces: credential.registry_namespaces.clone(),
            expires_at: plan::later(now, credential.validity().unwrap_or(DEFAULT_VALIDITY)),
        };
        Ok(client.create_service_account(region, instance_id, &account).await?)
    }

    /// Deletes the credentials that were created and can be deleted. Tries all of them, and tells of each.
    pub(super) async fn revoke(&self, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let mut result = Ok(());
        for created in &self.created {
            let Some(id) = &created.issued.token_id else { continue };
            let (region, instance_id) = (&created.region, &created.instance_id);
            match created.cloud.delete_credential(region, instance_id, id).await {
                Ok(()) => tell(&format!("deleted credential {id} of {} again", created.instance_id)),
                Err(error) => {
                    tell(&format!("warning: credential {id} of {} is left: {error}", created.instance_id));
                    result = Err(anyhow::Error::new(error).context(format!("credential {id} is left")));
                }
            }
        }
        result
    }
}

fn usable(found: Option<Instance>, id: &str, region: &str) -> anyhow::Result<Instance> {
    let Some(instance) = found else {
        bail!(
            "there is no instance {id} in {region}: check spec.tcr.instanceId and spec.tcr.region, and that \
             the API credential is of the account that owns it"
        );
    };
    match instance.readiness() {
        Readiness::Ready => Ok(instance),
        Readiness::Later => bail!("instance {id} is {}: try again when it is Running", instance.status),
        Readiness::Never => {
            bail!("instance {id} is {:?} and not Running: see the TCR console", instance.status)
        }
    }
}

/// What was created and how to remove it.
fn told(tcr: &Tcr, issued: &IssuedToken, description: &str) -> String {
    let Tcr { instance_id, region, .. } = tcr;
    let until = issued.expires_at.map_or("until it is deleted".to_owned(), |end| {
        format!("until {}", end.strftime("%Y-%m-%d %H:%M UTC"))
    });
    let user = &issued.username;
    match (tcr.credential.kind, &issued.token_id) {
        (CredentialKind::Longterm, Some(id)) => format!(
            "created long-term credential {id} of {instance_id} for user {user}, described as {description:?}, \
             valid {until}; to remove it: {}",
            delete_command(region, instance_id, id)
        ),
        (CredentialKind::ServiceAccount, Some(id)) => format!(
            "created service account {id} of {instance_id}, which may pull from {}, described as {description:?}, valid \
             {until}; to remove it: {}",
            tcr.credential.registry_namespaces.join(", "),
            delete_command(region, instance_id, id)
        ),
        _ => format!(
            "created temporary credential of {instance_id} for user {user}, valid {until}; it cannot be removed earlier"
        ),
    }
}

/// The password in a file; one line end after it is not part of it.
pub(super) fn read_password(path: &Path) -> anyhow::Result<Sensitive> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read --password-file {shown}"))?;
    let Some(text) = SensitiveBytes::from(bytes).into_text() else {
        bail!("--password-file {shown} is not UTF-8")
    };
    let password = text.without_line_end();
    if password.is_empty() {
        bail!("--password-file {shown} is empty");
    }
    Ok(password)
}
