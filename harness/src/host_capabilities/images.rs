//! `oci/*`: digests, manifests and configurations of images, from their registries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Handle;

use crate::registry::{Registry, RegistryError};

/// How long an answer is good for another question.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The largest answer, and all that are remembered, in bytes.
const LARGEST: usize = 4 << 20;
const MOST_OF_ALL: usize = 16 << 20;

type Answers = HashMap<(String, String), (Instant, Arc<Vec<u8>>)>;

/// Makes the client of registries.
pub type OpenRegistry = Box<dyn Fn() -> Result<Registry, String> + Send + Sync>;

/// Asks registries about images.
pub(super) struct Images {
    /// Called with the first question: a policy without questions needs no credentials.
    open: OpenRegistry,
    registry: OnceLock<Result<Registry, String>>,
    runtime: Handle,
    remembered: Mutex<Answers>,
}

impl Images {
    pub(super) fn new(open: OpenRegistry, runtime: Handle) -> Self {
        Self { open, registry: OnceLock::new(), runtime, remembered: Mutex::default() }
    }

    /// Blocks until there is an answer, or the time is up.
    pub(super) fn answer(&self, operation: &str, image: &str, deadline: Instant) -> Result<Vec<u8>, String> {
        let key = (operation.to_owned(), image.to_owned());
        if let Some(known) = self.known(&key, Instant::now()) {
            return Ok(known.to_vec());
        }
        let registry = self.registry.get_or_init(|| (self.open)()).as_ref().map_err(Clone::clone)?;
        let asked = async { tokio::time::timeout_at(deadline.into(), ask(registry, operation, image)).await };
        let answer = self.runtime.block_on(asked);
        let answer = answer.map_err(|_| format!("the registry of {image} did not answer in time"))?;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.len() > LARGEST {
            return Err(format!(
                "what the registry says of {image} has {} bytes, more than {LARGEST}",
                answer.len()
            ));
        }
        self.remember(key, &answer, Instant::now());
        Ok(answer)
    }

    fn known(&self, key: &(String, String), now: Instant) -> Option<Arc<Vec<u8>>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, answer) = remembered.get(key)?;
        (now.saturating_duration_since(*since) < REMEMBERED).then(|| answer.clone())
    }

    fn remember(&self, key: (String, String), answer: &[u8], now: Instant) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|_, (since, _)| now.saturating_duration_since(*since) < REMEMBERED);
        let size = |answers: &Answers| answers.values().map(|(_, answer)| answer.len()).sum::<usize>();
        if size(&remembered) + answer.len() > MOST_OF_ALL {
            remembered.clear();
        }
        remembered.insert(key, (now, Arc::new(answer.to_vec())));
    }
}

async fn ask(registry: &Registry, operation: &str, image: &str) -> Result<Vec<u8>, RegistryError> {
    let answer = match operation {
        "v1/manifest_digest" => json!({ "digest": registry.manifest_digest(image).await? }),
        "v1/oci_manifest" => registry.manifest(image).await?,
        _ => {
            let (manifest, digest, config) = registry.manifest_and_config(image).await?;
            json!({ "manifest": manifest, "digest": digest, "config": config })
        }
    };
    Ok(answer.to_string().into_bytes())
}
