//! What the values of flags may be, where clap has no word for it.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn namespace(text: &str) -> Result<String, String> {
    match tcr::dns::is_label(text) {
        true => Ok(text.to_owned()),
        false => Err("a namespace is up to 63 lower-case letters, digits and hyphens".to_owned()),
    }
}

pub(super) fn cluster_id(text: &str) -> Result<String, String> {
    match text.strip_prefix("cls-") {
        Some(rest) if !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Ok(text.to_owned())
        }
        _ => Err("a cluster's id is cls- and letters or digits".to_owned()),
    }
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match tcr::go_duration::parse(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}
