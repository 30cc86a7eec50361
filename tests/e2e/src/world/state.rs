//! What of a cluster must be as before once the add-on is gone.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::Nodes;

/// Kinds whose objects an add-on changes or makes, and what kubectl calls them.
const KINDS: &str = "namespaces,serviceaccounts,secrets,\
    mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings";

/// Objects by kind, namespace and name, and the nodes' hosts files.
pub(crate) struct State {
    objects: BTreeMap<String, Value>,
    hosts: BTreeMap<String, Vec<u8>>,
}

impl State {
    /// The cluster and its nodes now.
    pub(crate) async fn of(nodes: &Nodes) -> Result<Self> {
        let text = nodes.plane().kubectl(&["get", KINDS, "-A", "-o", "json"]).await?.checked()?;
        let list: Value = serde_json::from_str(&text)?;
        let mut objects = BTreeMap::new();
        for object in list["items"].as_array().context("kubectl printed no list")? {
            let mut object = object.clone();
            let metadata = object["metadata"].as_object_mut().context("an object has no metadata")?;
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
            let part = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
            let [kind, namespace, name] = ["/kind", "/metadata/namespace", "/metadata/name"].map(part);
            let name = format!("{kind} {namespace}/{name}");
            objects.insert(name, object);
        }
        let hosts = nodes.list().iter().map(|node| Ok((node.name().to_owned(), node.read("/etc/hosts")?)));
        Ok(Self { objects, hosts: hosts.collect::<Result<_>>()? })
    }

    /// Fails with the first thing that differs from `before`. Nodes that joined since are not compared.
    pub(crate) fn is_as(&self, before: &Self) -> Result<()> {
        for (name, object) in &before.objects {
            let now = self.objects.get(name).with_context(|| format!("{name} is gone"))?;
            ensure!(now == object, "{name} was {object} and is {now}");
        }
        let new = self.objects.keys().find(|name| !before.objects.contains_key(*name));
        ensure!(new.is_none(), "left: {}", new.map_or("", String::as_str));
        for (node, hosts) in &before.hosts {
            let now = self.hosts.get(node).with_context(|| format!("{node} is gone"))?;
            ensure!(
                now == hosts,
                "the hosts file of {node} was {:?} and is {:?}",
                String::from_utf8_lossy(hosts),
                String::from_utf8_lossy(now)
            );
        }
        Ok(())
    }
}
