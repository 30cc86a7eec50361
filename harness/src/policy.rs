//! A policy: compiled once, checked to be a waPC guest, and called in a fresh instance each time.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tcr::hex;
use wasmtime::{ExternType, FuncType, InstancePre, Module, ModuleExport, ValType};

use crate::call::{Call, Outcome, call, call_and_then};
use crate::host::{Host, HostOptions};
use crate::host_capabilities::{Grants, HostCapabilities, Unavailable};
use crate::request::{Request, RequestError};
use crate::response::{AdmissionResponse, Evaluation};
use crate::settings::Settings;
use crate::{wapc, wasi};

mod preparation;
mod snapshot;

/// Why bytes are not a policy that can be run here.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not begin as a wasm module does.
    #[error("not a wasm module: it begins with {begins}, not with \"\\0asm\" and version 1")]
    NotWasm {
        /// The first bytes, escaped.
        begins: String,
    },
    /// It cannot be compiled, or needs more than a guest may have.
    #[error("cannot compile the wasm module: {0}")]
    Compile(String),
    /// It imports something that no Kubewarden host offers.
    #[error(
        "the wasm module imports \"{module}.{name}\", which this host does not offer: only waPC's functions (module \"wapc\") and WASI preview 1 (module \"wasi_snapshot_preview1\")"
    )]
    UnknownImport {
        /// The module it imports from.
        module: String,
        /// What it imports.
        name: String,
    },
    /// It imports a known function with another signature.
    #[error("cannot link the wasm module: {0}")]
    Link(String),
    /// It exports a function under a known name that takes or returns something else.
    #[error("the wasm module's \"{name}\" is not a function {signature}, so it is not a waPC guest")]
    Signature {
        /// The export's name.
        name: &'static str,
        /// What it must take and return.
        signature: &'static str,
    },
    /// It lacks an export, or exports something else under its name.
    #[error("the wasm module has no {kind} \"{name}\" among its exports, so it is not a waPC guest")]
    MissingExport {
        /// `memory` or `function`.
        kind: &'static str,
        /// The export's name.
        name: &'static str,
    },
}

/// Why a policy does not take its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The policy says what is wrong.
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
    exports: Arc<Exports>,
    digest: Arc<str>,
    /// The settings that each instance has from its beginning; see [`Policy::prepared`].
    inside: Option<Settings>,
}

/// What a call needs to know besides the module.
pub(crate) struct Context {
    pub(crate) host: Host,
    /// Names the policy in logs.
    pub(crate) name: Arc<str>,
    pub(crate) grants: Grants,
    pub(crate) capabilities: Arc<dyn HostCapabilities>,
}

/// What is looked up once in the module instead of by name in each instance.
pub(crate) struct Exports {
    pub(crate) pre: InstancePre<Call>,
    pub(crate) memory: ModuleExport,
    pub(crate) guest_call: ModuleExport,
    /// In the order they are called.
    pub(crate) initialisers: Vec<ModuleExport>,
}

impl Policy {
    /// Compiles a policy (or takes it from the host's module cache) and checks that it is one. It
    /// may log, and nothing else, until [`Policy::with_capabilities`] gives it more.
    ///
    /// # Errors
    /// When the bytes are not a waPC guest that this host can run; see [`LoadError`].
    pub fn load(host: &Host, wasm: &[u8]) -> Result<Self, LoadError> {
        if !wasm.starts_with(b"\0asm\x01\0\0\0") {
            let begins = match wasm.get(..8.min(wasm.len())) {
                Some([]) | None => "nothing".to_owned(),
                Some(begin) => format!("\"{}\"", begin.escape_ascii()),
            };
            return Err(LoadError::NotWasm { begins });
        }
        let digest = format!("sha256:{}", hex::encode(&Sha256::digest(wasm)));
        let module = compile(host, wasm, &digest)?;
        let exports = Exports::of(host, &module)?;
        Ok(Self {
            context: Arc::new(Context {
                host: host.clone(),
                name: "policy".into(),
                grants: Grants::none(),
                capabilities: Arc::new(Unavailable),
            }),
            exports: Arc::new(exports),
            digest: digest.into(),
            inside: None,
        })
    }

    /// The same policy under a name of its own in the logs.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let Context { host, grants, capabilities, .. } = &*self.context;
        self.with_context(Context {
            host: host.clone(),
            name: name.into(),
            grants: grants.clone(),
            capabilities: capabilities.clone(),
        })
    }

    /// The same policy with the outside world that it may ask, and what of it.
    #[must_use]
    pub fn with_capabilities(&self, grants: Grants, capabilities: Arc<dyn HostCapabilities>) -> Self {
        let Context { host, name, .. } = &*self.context;
        self.with_context(Context { host: host.clone(), name: name.clone(), grants, capabilities })
    }

    fn with_context(&self, context: Context) -> Self {
        Self { context: Arc::new(context), ..self.clone() }
    }

    /// The module's digest, `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the module imports, as `module.name`, in its order.
    pub fn imports(&self) -> Vec<String> {
        let imports = self.exports.pre.module().imports();
        imports.map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    /// What the module exports, in its order.
    pub fn exports(&self) -> Vec<String> {
        self.exports.pre.module().exports().map(|export| export.name().to_owned()).collect()
    }

    /// Calls one of the guest's operations.
    pub fn call(&self, operation: &'static str, payload: Vec<u8>) -> Outcome {
        let deadline = Instant::now() + self.context.host.inner.options.timeout;
        call(&self.context, &self.exports, operation, payload, deadline)
    }

    /// The version of Kubewarden's protocol that the guest speaks, such as `v1`.
    ///
    /// # Errors
    /// The reason why the guest does not tell.
    pub fn protocol_version(&self) -> Result<String, String> {
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
        let Context { host, name, .. } = &*self.context;
        let HostOptions { timeout, memory_limit, .. } = host.inner.options;
        let deadline = Instant::now() + timeout;
        let (outcome, memory) = call_and_then(
            &self.context,
            &self.exports,
            "validate_settings",
            payload,
            deadline,
            |store, _| store.data().memory.map_or(0, |memory| memory.data_size(&*store)),
        );
        let answer = answer(outcome).map_err(SettingsError::Failed)?;
        // Each review needs as much before it has read anything.
        if let Some(memory) = memory.filter(|memory| *memory > memory_limit / 2) {
            tracing::warn!(
                policy = &**name,
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
        Evaluation::of(request, self.call("validate", self.payload(request, settings)))
    }

    /// The same, with an end that was set before, such as when the request arrived.
    pub fn evaluate_by(&self, request: &Request<'_>, settings: &Settings, deadline: Instant) -> Evaluation {
        let payload = self.payload(request, settings);
        Evaluation::of(request, call(&self.context, &self.exports, "validate", payload, deadline))
    }

    /// What the guest reads; settings that it has already are not sent again.
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

fn compile(host: &Host, wasm: &[u8], digest: &str) -> Result<Module, LoadError> {
    let engine = &host.inner.engine;
    let compile =
        || Module::from_binary(engine, wasm).map_err(|error| LoadError::Compile(format!("{error:#}")));
    match &host.inner.options.module_cache {
        None => compile(),
        Some(cache) => match cache.load(engine, digest) {
            Some(module) => Ok(module),
            None => {
                let module = compile()?;
                cache.store(engine, digest, &module);
                Ok(module)
            }
        },
    }
}

impl Exports {
    fn of(host: &Host, module: &Module) -> Result<Self, LoadError> {
        let linker = &host.inner.linker;
        for import in module.imports() {
            let known = match import.module() {
                wapc::MODULE => wapc::FUNCTIONS.contains(&import.name()),
                wasi::MODULE => wasi::offers(import.name()),
                _ => false,
            };
            if !known {
                return Err(LoadError::UnknownImport {
                    module: import.module().to_owned(),
                    name: import.name().to_owned(),
                });
            }
        }
        let export = |kind, name: &'static str| {
            let found = match (module.get_export(name), kind) {
                (Some(ExternType::Memory(_)), "memory") | (Some(ExternType::Func(_)), "function") => {
                    module.get_export_index(name)
                }
                _ => None,
            };
            found.ok_or(LoadError::MissingExport { kind, name })
        };
        // Checked here, so that no call can fail on it.
        let signature = |name: &'static str, parameters: usize, results: usize| {
            let fits = |function: &FuncType| {
                let is_i32 = |value: ValType| matches!(value, ValType::I32);
                (function.params().len(), function.results().len()) == (parameters, results)
                    && function.params().chain(function.results()).all(is_i32)
            };
            match module.get_export(name) {
                Some(ExternType::Func(function)) if !fits(&function) => Err(LoadError::Signature {
                    name,
                    signature: if parameters == 0 { "() -> ()" } else { "(i32, i32) -> i32" },
                }),
                _ => Ok(()),
            }
        };
        signature("__guest_call", 2, 1)?;
        // A WASI library initialises by `_initialize`, a WASI program by `_start`; waPC's own
        // initialiser comes last.
        let initialisers = ["_initialize", "_start", "wapc_init"];
        initialisers.iter().try_for_each(|name| signature(name, 0, 0))?;
        Ok(Self {
            memory: export("memory", "memory")?,
            guest_call: export("function", "__guest_call")?,
            initialisers: initialisers.iter().filter_map(|name| export("function", name).ok()).collect(),
            pre: linker.instantiate_pre(module).map_err(|error| LoadError::Link(format!("{error:#}")))?,
        })
    }
}
