//! The chart's values: the ImagePullSecrets that the chart makes of them, and the controller's settings that change a
//! plan.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tcr::hosts_entry::HostsEntry;
use tcr::names::{
    API_GROUP, API_VERSION, IMAGE_PULL_SECRET_KIND, PERSONAL_EDITION_ROOT_DOMAIN, TCR_ROOT_DOMAIN,
};

use super::known::Settings;
use crate::render::input;

/// What is looked at.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Values {
    global: Global,
    instances: Vec<Map<String, Value>>,
    allowed_roots: Option<Vec<String>>,
    personal_edition: bool,
    allowed_aliases: Vec<String>,
    allowed_roles: Vec<Role>,
}

/// A role that may be taken on.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Role {
    role_arn: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Global {
    image_pull_secrets_crs: Vec<Map<String, Value>>,
    hosts: Vec<Host>,
    cluster: Cluster,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Host {
    domain: String,
    ip: String,
    disabled: bool,
    vpc_id: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Cluster {
    region: String,
    longregion: String,
    id: String,
}

impl Values {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is not of the chart's form. Nothing of it is repeated: there may be passwords in it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = input::read_text(path).with_context(|| format!("cannot read --values {shown}"))?;
        let documents = input::parse(&text).with_context(|| format!("cannot use --values {shown}"))?;
        match <[Value; 1]>::try_from(documents) {
            Ok([Value::Null]) => Ok(Self::default()),
            Ok([document]) => serde_json::from_value(document).map_err(|_| {
                anyhow::anyhow!(
                    "cannot use --values {shown}: global, instances or allowedRoots is not what the chart takes; helm \
                     template names the field"
                )
            }),
            Err(documents) if documents.is_empty() => Ok(Self::default()),
            Err(_) => bail!("cannot use --values {shown}: there are several documents in it"),
        }
    }

    /// The controller's settings with them.
    ///
    /// # Errors
    /// An entry of `global.hosts` is none.
    pub(super) fn settings(&self) -> Result<Settings> {
        let Self { global: Global { hosts, cluster, .. }, .. } = self;
        let entry = |(index, host): (usize, &Host)| {
            let entry = HostsEntry::new(&host.domain, &host.ip, host.disabled);
            let entry = entry.and_then(|entry| match &host.vpc_id {
                Some(vpc_id) => entry.of_vpc(vpc_id),
                None => Ok(entry),
            });
            entry.with_context(|| format!("--values: global.hosts[{index}]"))
        };
        Ok(Settings {
            allowed_roots: self.allowed_roots(),
            allowed_aliases: self.allowed_aliases.clone(),
            allowed_roles: self.allowed_roles.iter().map(|role| role.role_arn.clone()).collect(),
            cluster_id: Some(cluster.id.clone()).filter(|id| !id.is_empty()),
            is_cluster_id_known: true,
            region: self.region(),
            static_hosts: Some(hosts.iter().enumerate().map(entry).collect::<Result<_>>()?),
        })
    }

    /// As the chart's template `tcr-assistant.allowedRoots` has them.
    fn allowed_roots(&self) -> Vec<String> {
        let personal = self.personal_edition.then(|| PERSONAL_EDITION_ROOT_DOMAIN.to_owned());
        let mut roots = self.allowed_roots.clone().unwrap_or_else(|| vec![TCR_ROOT_DOMAIN.to_owned()]);
        roots.extend(personal.filter(|root| !roots.contains(root)));
        roots
    }

    fn region(&self) -> Option<String> {
        let Cluster { region, longregion, .. } = &self.global.cluster;
        let region =
            if longregion.is_empty() { Some(region).filter(|it| it.contains('-')) } else { Some(longregion) };
        region.cloned()
    }

    /// The ImagePullSecrets that the chart makes, as its template `image-pull-secrets.yaml` does.
    pub(super) fn image_pull_secrets(&self) -> Vec<Value> {
        let static_ones = self.global.image_pull_secrets_crs.iter().map(|one| {
            let mut docker =
                json!({"server": given(one, "dockerServer"), "username": text(one.get("dockerUsername"))});
            match given(one, "dockerPassword") {
                Some(password) => docker["password"] = password,
                None => {
                    docker["passwordSecretRef"] =
                        one.get("dockerPasswordSecretRef").cloned().unwrap_or_default()
                }
            }
            object(
                given(one, "name"),
                json!({
                    "namespaces": given(one, "namespaces").unwrap_or_else(|| json!("*")),
                    "serviceAccounts": given(one, "serviceAccounts").unwrap_or_else(|| json!("*")),
                    "docker": docker,
                }),
            )
        });
        let instances = self.instances.iter().map(|one| {
            let mut spec = json!({
                "namespaces": given(one, "namespaces").unwrap_or_else(|| json!("*")),
                "serviceAccounts": given(one, "serviceAccounts").unwrap_or_else(|| json!("*")),
                "tcr": {
                    "instanceId": given(one, "instanceId"),
                    "region": given(one, "region").or_else(|| self.region().map(Value::from)),
                },
            });
            for field in ["namespaceSelector", "conflictPolicy"] {
                if let Some(value) = given(one, field) {
                    spec[field] = value;
                }
            }
            for field in ["roleArn", "credential", "domains", "aliases", "privateNetwork"] {
                if let Some(value) = given(one, field) {
                    spec["tcr"][field] = value;
                }
            }
            object(given(one, "name").or_else(|| given(one, "instanceId")), spec)
        });
        static_ones.chain(instances).collect()
    }
}

/// What a template takes as given: Go's templates take what is empty for absent.
fn given(one: &Map<String, Value>, field: &str) -> Option<Value> {
    let value = one.get(field)?;
    let is_empty = match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    (!is_empty).then(|| value.clone())
}

/// A user name, which values may hold as a number.
fn text(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Number(number)) => {
            let whole = number.as_i64().map_or_else(|| number.to_string(), |number| number.to_string());
            Value::from(whole)
        }
        other => other.cloned().unwrap_or_default(),
    }
}

fn object(name: Option<Value>, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{API_GROUP}/{API_VERSION}"),
        "kind": IMAGE_PULL_SECRET_KIND,
        "metadata": {"name": name},
        "spec": spec,
    })
}
