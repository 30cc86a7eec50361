//! A cloud, and a client of it that does not wait long.

use std::ffi::OsString;
use std::time::Duration;

use tcr_cloud::{Account, Cloud, Config};
use tencent_cloud::api_credential::Chain;
use tencent_cloud::client::{Client, Settings};
use tencent_cloud::retry::Policy;

pub(crate) const REGION: &str = "ap-guangzhou";
pub(crate) const INSTANCE: &str = "tcr-demo0001";

/// A cloud with one account and one instance.
pub(crate) fn cloud() -> Cloud {
    Cloud::start(Config::demo()).unwrap()
}

/// The demo account's secret id and key.
pub(crate) fn demo_key() -> (String, String) {
    let account = Account::demo();
    (account.secret_id, account.secret_key.expose().to_owned())
}

/// A chain over these variables only.
pub(crate) fn chain(variables: &[(&'static str, &str)]) -> Chain {
    let table: Vec<(&str, OsString)> =
        variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    Chain::over(move |wanted| table.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone()))
}

/// The demo account's chain.
pub(crate) fn demo_chain() -> Chain {
    let account = Account::demo();
    Chain::over(move |name| account.variable(name))
}

/// Settings for this endpoint, with repeats that follow at once.
pub(crate) fn settings(url: &str) -> Settings {
    let retry = Policy { attempts: 4, base: Duration::from_millis(1), cap: Duration::from_millis(2) };
    Settings { endpoint: Some(url.parse().unwrap()), retry, ..Settings::default() }
}

/// The demo account's client of this cloud.
pub(crate) fn client(cloud: &Cloud) -> Client {
    client_with(settings(&cloud.url()), demo_chain())
}

/// A client with its own settings and credential.
pub(crate) fn client_with(settings: Settings, chain: Chain) -> Client {
    // Every test of the process installs the same one; the first wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(settings, chain).unwrap()
}

/// Actions and codes of the calls so far.
pub(crate) fn calls(cloud: &Cloud) -> Vec<String> {
    let shown = |call: tcr_cloud::Call| match call.code {
        Some(code) => format!("{} {code}", call.action),
        None => call.action,
    };
    cloud.calls().into_iter().map(shown).collect()
}
