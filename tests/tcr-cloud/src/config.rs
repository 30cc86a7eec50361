//! What the double knows when it starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    action,
    fault::Fault,
    instance::{self, Instance, VpcLink},
    machine::Machine,
    metadata, region,
    role::Role,
    sts,
};

/// Accounts, instances and behaviour; `tcr-cloud config` prints an example as YAML.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// Who may call.
    pub accounts: Vec<Account>,
    /// Whom one may become for a while.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// What instance metadata tells; absent, there is none to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The registry instances there are.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// Calls per second and account, by action, where it shall differ from the documented limit.
    #[serde(default)]
    pub rate_limits: BTreeMap<String, u32>,
    /// A time at which the clock stands still but for `advance`. Absent: the time of day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// Misbehaviour from the first call on.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// Why a [`Config`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text does not have the form of a configuration.
    #[error("cannot read the configuration: {0}")]
    Form(String),
    /// A field's value cannot work.
    #[error("{field}: {value:?} {reason}")]
    Value {
        field: String,
        value: String,
        /// What is wrong with that.
        reason: &'static str,
    },
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Config {
    /// One account that may do everything, and one running instance `tcr-demo0001` named `demo` in
    /// ap-guangzhou with one link, to `vpc-demo0001` at 10.0.0.2, where the machine is too, and with the namespaces
    /// `team`, `team-a`, `team-b` and `base`.
    pub fn demo() -> Self {
        let mut instance = Instance::new("tcr-demo0001", "demo", "ap-guangzhou");
        instance.namespaces = ["team", "team-a", "team-b", "base"].map(str::to_owned).to_vec();
        instance.links = Some(vec![VpcLink::running("vpc-demo0001", "subnet-demo0001", "10.0.0.2")]);
        Self {
            listen: loopback(),
            accounts: vec![Account::demo()],
            roles: Vec::new(),
            machine: Some(Machine::new("ap-guangzhou", "vpc-demo0001", "subnet-demo0001")),
            instances: vec![instance],
            rate_limits: BTreeMap::new(),
            now: None,
            faults: Vec::new(),
        }
    }

    /// Reads YAML (or JSON, which is YAML) and checks it.
    ///
    /// # Errors
    /// The text is not YAML, has an unknown field, lacks one, or has a value that cannot work.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        // Without the snippet: it would quote the line, and with it the secret keys there.
        let config: Self = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Form(error.without_snippet().to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Whether every name refers to something that exists, once.
    ///
    /// # Errors
    /// Names the first field whose value cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.accounts.is_empty() {
            return wrong("accounts", "", "must name at least one account");
        }
        let mut ids = BTreeSet::new();
        for (at, account) in self.accounts.iter().enumerate() {
            if account.secret_id.is_empty() || !ids.insert(&account.secret_id) {
                return wrong(format!("accounts[{at}].secretId"), &account.secret_id, "is empty or repeated");
            }
            if account.secret_key.expose().is_empty() {
                return wrong(format!("accounts[{at}].secretKey"), "", "is empty");
            }
        }
        let mut ids = BTreeSet::new();
        for (at, instance) in self.instances.iter().enumerate() {
            if instance.id.is_empty() || !ids.insert(&instance.id) {
                return wrong(format!("instances[{at}].id"), &instance.id, "is empty or repeated");
            }
            check_instance(&format!("instances[{at}]"), instance)?;
        }
        if let Some(machine) = &self.machine {
            if region::find(&machine.region).is_none() {
                return wrong("machine.region", &machine.region, "is not a region of TCR");
            }
            match &machine.role {
                Some(name) if !self.roles.iter().any(|role| role.name == *name) => {
                    return wrong("machine.role", name, "is not one of roles");
                }
                _ => {}
            }
        }
        for name in self.rate_limits.keys() {
            if !is_action(name) {
                return wrong("rateLimits", name, "is not an action this cloud has");
            }
        }
        self.faults
            .iter()
            .enumerate()
            .try_for_each(|(at, fault)| check_fault(&format!("faults[{at}]"), fault))
    }
}

/// The rules for one instance at `path`.
pub(crate) fn check_instance(path: &str, instance: &Instance) -> Result<(), ConfigError> {
    if region::find(&instance.region).is_none() {
        return wrong(format!("{path}.region"), &instance.region, "is not a region of TCR");
    }
    if !instance::STATUSES.contains(&instance.status.as_str()) {
        return wrong(format!("{path}.status"), &instance.status, "is not a state of an instance");
    }
    Ok(())
}

/// The rules for one fault at `path`.
pub(crate) fn check_fault(path: &str, fault: &Fault) -> Result<(), ConfigError> {
    match &fault.action {
        Some(name) if !is_action(name) && name != metadata::NAME => {
            wrong(format!("{path}.action"), name, "is not an action this cloud has")
        }
        _ => Ok(()),
    }
}

fn is_action(name: &str) -> bool {
    action::find(name).is_some() || sts::ACTIONS.iter().any(|(known, _)| *known == name)
}

fn wrong(field: impl Into<String>, value: &str, reason: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Value { field: field.into(), value: value.to_owned(), reason })
}

#[cfg(test)]
mod tests;
