//! The outside world as it is: a cluster where there is one, registries, DNS, and certificates.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::images::Images;
pub use super::images::OpenRegistry;
use super::{HostCall, HostCapabilities, Question, Unavailable, certificate, dns};

const NOT_VERIFIED: &str = "signatures are not verified here: run the policy with kwctl or policy-server, or replay a session that kwctl recorded";

/// Answers every operation but `oci/*/verify`.
pub struct Online {
    cluster: Option<Arc<dyn HostCapabilities>>,
    images: Images,
}

impl Online {
    /// `runtime` has threads of its own: what asks registries runs there, while the guest's thread waits.
    pub fn new(runtime: Handle, registry: OpenRegistry, cluster: Option<Arc<dyn HostCapabilities>>) -> Self {
        Self { cluster, images: Images::new(registry, runtime) }
    }
}

impl HostCapabilities for Online {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match &call.question {
            Question::Get(_) | Question::List(_) | Question::CanI(_) => match &self.cluster {
                Some(cluster) => cluster.call(call),
                None => Unavailable.call(call),
            },
            Question::Image(image) => self.images.answer(call.operation, image, call.deadline),
            Question::Verify(_) => {
                Err(format!("{}/{} is not available: {NOT_VERIFIED}", call.namespace, call.operation))
            }
            Question::Host(host) => dns::lookup(host, call.deadline),
            Question::Certificate(trust) => certificate::answer(trust),
        }
    }
}
