//! A policy with its settings inside.
//!
//! Settings are the same for every request, yet a Kubewarden host sends them with each, into a fresh instance
//! that parses them again: with a thousand registries that is most of the work. A guest that answers the
//! operation `prepare_settings` (the settings object) with `true` keeps the parsed settings in its memory and
//! nowhere else. All instances then begin with that memory: it becomes part of a module, and each request
//! still has an instance of its own. Pages are shared until a request writes to them. A guest that does not
//! know the operation is run without preparation.
//!
//! The settings are trusted as much as the module is: they come from the person who installed the policy.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Module;

use super::{Policy, snapshot};
use crate::call::{Outcome, call_and_then};
use crate::host_capabilities::shortened;
use crate::linked_module::{Entry, Interface, LinkedModule};
use crate::settings::Settings;

const OPERATION: &str = "prepare_settings";

impl Policy {
    /// The policy with these settings inside, for requests that come with (a clone of) the same
    /// [`Settings`]; with others it still works, at the usual price. The policy itself where its
    /// guest does not offer it. `wasm` is what the policy was loaded from.
    #[must_use]
    pub fn prepared(&self, wasm: &[u8], settings: &Settings) -> Self {
        self.try_prepared(wasm, settings).unwrap_or_else(|reason| {
            tracing::debug!(
                policy = &*self.context.name,
                reason = shortened(&reason, 200),
                "settings are sent with each request"
            );
            self.clone()
        })
    }

    fn try_prepared(&self, wasm: &[u8], settings: &Settings) -> Result<Self, String> {
        if self.interface == Interface::Wasi {
            return Err("a program begins anew with each request".to_owned());
        }
        let host = &self.module.host;
        let payload = settings.json().as_bytes().to_vec();
        let deadline = Instant::now() + host.inner.options.timeout;
        let (outcome, memory) =
            call_and_then(&self.context, &self.module, OPERATION, payload, deadline, |store, _| {
                store.data().memory.map(|memory| memory.data(store).to_vec())
            });
        match outcome {
            Outcome::Answer(answer) if answer == b"true" => {}
            Outcome::Answer(_) => return Err("it does not say that it keeps them".to_owned()),
            Outcome::GuestError(reason) | Outcome::Trap(reason) => return Err(reason),
            Outcome::DeadlineExceeded => return Err("it did not answer in time".to_owned()),
            Outcome::MemoryLimit { .. } => return Err("it asked for more memory than it may have".to_owned()),
        }
        let memory = memory.flatten().ok_or("it has no memory")?;
        let wasm = snapshot::with_memory(wasm, &memory).map_err(|error| error.to_string())?;
        drop(memory);
        // Not kept in the module cache: it is of these settings only.
        let module = Module::from_binary(&host.inner.engine, &wasm).map_err(|error| format!("{error:#}"))?;
        let mut module =
            LinkedModule::of(host, &module, self.interface).map_err(|error| error.to_string())?;
        if let Entry::Wapc { initialisers, .. } = &mut module.entry {
            // They have run.
            initialisers.clear();
        }
        Ok(Self { module: Arc::new(module), inside: Some(settings.clone()), ..self.clone() })
    }
}
