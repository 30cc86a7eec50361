//! A policy: compiled once, checked to be a guest, and called in a fresh instance each time.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tcr::hex;

use crate::call::{Outcome, call, call_and_then};
use crate::context::Context;
use crate::evaluation::evaluation;
use crate::host::{Host, HostOptions};
use crate::host_capabilities::{Grants, HostCapabilities, Unavailable};
use crate::linked_module::{Interface, LinkedModule, LoadError, compile};
use crate::settings::Settings;
use crate::{AdmissionResponse, Evaluation, Request, RequestError};

mod measurement;
mod preparation;
mod snapshot;

pub use measurement::Warm;

/// Why a policy does not take its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The policy explains the fault.
    #[error("{0}")]
    Refused(String),
    /// The policy failed when it was asked.
    #[error("cannot ask the policy about its settings: {0}")]
    Failed(String),
}

/// A policy that is ready to be asked. Cloning it is cheap.
#[derive(Clone)]
pub struct Policy {
    context: Arc<Context>,
    module: Arc<LinkedModule>,
    digest: Arc<str>,
    interface: Interface,
    /// The settings that each instance has from its beginning; see [`Policy::prepared`].
    inside: Option<Settings>,
}

impl Policy {
    /// Compiles a policy that is a waPC guest (or takes it from the host's module cache), and checks that it is one. It
    /// may log, and nothing else, until [`Policy::with_capabilities`] gives it more.
    ///
    /// # Errors
    /// When the bytes are not a waPC guest that this host can run; see [`LoadError`].
    pub fn load(host: &Host, wasm: &[u8]) -> Result<Self, LoadError> {
        Self::load_as(host, wasm, Interface::Wapc)
    }

    /// Loads a policy with this interface.
    ///
    /// # Errors
    /// When the bytes are not such a guest that this host can run; see [`LoadError`].
    pub fn load_as(host: &Host, wasm: &[u8], interface: Interface) -> Result<Self, LoadError> {
        if !wasm.starts_with(b"\0asm\x01\0\0\0") {
            let begins = match wasm.get(..8.min(wasm.len())) {
                Some([]) | None => "nothing".to_owned(),
                Some(begin) => format!("\"{}\"", begin.escape_ascii()),
            };
            return Err(LoadError::NotWasm { begins });
        }
        let digest = Self::digest_of(wasm);
        let module = compile(host, wasm, &digest)?;
        let module = LinkedModule::of(host, &module, interface)?;
        Ok(Self {
            context: Arc::new(Context {
                name: "policy".into(),
                grants: Grants::none(),
                capabilities: Arc::new(Unavailable),
            }),
            module: Arc::new(module),
            digest: digest.into(),
            interface,
            inside: None,
        })
    }

    /// The same policy under a name of its own in the logs.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let Context { grants, capabilities, .. } = &*self.context;
        self.with_context(Context {
            name: name.into(),
            grants: grants.clone(),
            capabilities: capabilities.clone(),
        })
    }

    /// The same policy with the outside world that it may ask, and what of it.
    #[must_use]
    pub fn with_capabilities(&self, grants: Grants, capabilities: Arc<dyn HostCapabilities>) -> Self {
        self.with_context(Context { name: self.context.name.clone(), grants, capabilities })
    }

    fn with_context(&self, context: Context) -> Self {
        Self { context: Arc::new(context), ..self.clone() }
    }

    /// Whether its instances begin with settings; see [`Policy::prepared`].
    pub(crate) fn has_settings_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// The digest of a module, by which the cache knows it.
    pub(crate) fn digest_of(wasm: &[u8]) -> String {
        format!("sha256:{}", hex::encode(&Sha256::digest(wasm)))
    }

    /// The module's digest, `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How it is spoken to.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The module's imports, as `module.name`, in its order.
    pub fn imports(&self) -> Vec<String> {
        let imports = self.module.pre.module().imports();
        imports.map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    /// The module's exports, in its order.
    pub fn exports(&self) -> Vec<String> {
        self.module.pre.module().exports().map(|export| export.name().to_owned()).collect()
    }

    /// Calls one of the guest's operations.
    pub fn call(&self, operation: &'static str, payload: Vec<u8>) -> Outcome {
        let deadline = Instant::now() + self.module.host.inner.options.timeout;
        call(&self.context, &self.module, operation, payload, deadline)
    }

    /// The version of Kubewarden's protocol that the guest speaks, such as `v1`.
    ///
    /// # Errors
    /// The reason why the guest does not tell.
    pub fn protocol_version(&self) -> Result<String, String> {
        // A program is asked for nothing but verdicts, in the first version of the protocol.
        if self.interface == Interface::Wasi {
            return Ok("v1".to_owned());
        }
        let answer = answer(self.call("protocol_version", Vec::new()))?;
        serde_json::from_slice(&answer).map_err(|error| format!("it answered no JSON string: {error}"))
    }

    /// Asks the policy whether it takes these settings. Evaluation is only meaningful when it does.
    ///
    /// # Errors
    /// What the policy says is wrong with them, whole.
    pub fn validate_settings(&self, settings: &Settings) -> Result<(), SettingsError> {
        #[derive(Deserialize)]
        struct Validation {
            valid: bool,
            message: Option<String>,
        }
        let payload = settings.json().as_bytes().to_vec();
        let HostOptions { timeout, memory_limit, .. } = self.module.host.inner.options;
        let deadline = Instant::now() + timeout;
        let (outcome, memory) =
            call_and_then(&self.context, &self.module, "validate_settings", payload, deadline, |store, _| {
                store.data().memory.map_or(0, |memory| memory.data_size(&*store))
            });
        let answer = answer(outcome).map_err(SettingsError::Failed)?;
        // Each review needs as much before it has read anything.
        if let Some(memory) = memory.filter(|memory| *memory > memory_limit / 2) {
            tracing::warn!(
                policy = &*self.context.name,
                "its settings take {} of the {} MiB that each review may use",
                memory.div_ceil(1 << 20),
                memory_limit >> 20
            );
        }
        let validation: Validation = serde_json::from_slice(&answer)
            .map_err(|error| SettingsError::Failed(format!("its answer is not understood: {error}")))?;
        match validation.valid {
            true => Ok(()),
            false => Err(SettingsError::Refused(
                validation.message.unwrap_or_else(|| "the policy gives no reason".into()),
            )),
        }
    }

    /// Puts a request to the policy. A policy that fails is a refusal with code 500.
    pub fn evaluate(&self, request: &Request<'_>, settings: &Settings) -> Evaluation {
        evaluation(request, self.call("validate", self.payload(request, settings)))
    }

    /// The same, with an end that was set before, such as when the request arrived.
    pub fn evaluate_by(&self, request: &Request<'_>, settings: &Settings, deadline: Instant) -> Evaluation {
        let payload = self.payload(request, settings);
        evaluation(request, call(&self.context, &self.module, "validate", payload, deadline))
    }

    /// The guest's input; settings that are already in the guest are left out.
    fn payload(&self, request: &Request<'_>, settings: &Settings) -> Vec<u8> {
        let is_inside = self.inside.as_ref().is_some_and(|inside| inside.is_same(settings));
        request.payload((!is_inside).then(|| settings.json()))
    }

    /// From the bytes of an AdmissionReview to the bytes of the one that answers it.
    ///
    /// # Errors
    /// When the bytes are not an AdmissionReview with a request.
    pub fn review(&self, review: &[u8], settings: &Settings) -> Result<Vec<u8>, RequestError> {
        let request = Request::from_review(review)?;
        let response: AdmissionResponse = self.evaluate(&request, settings).response;
        Ok(response.to_review())
    }
}

fn answer(outcome: Outcome) -> Result<Vec<u8>, String> {
    match outcome {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::GuestError(message) => Err(message),
        Outcome::Trap(message) => Err(format!("the guest trapped: {message}")),
        Outcome::DeadlineExceeded => Err("it did not answer in time".into()),
        Outcome::MemoryLimit { limit } => {
            Err(format!("it asked for more than its limit of {} MiB of memory", limit >> 20))
        }
    }
}
