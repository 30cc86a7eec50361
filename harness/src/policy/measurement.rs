//! Measures a policy, to help choose its limits.

use std::time::{Duration, Instant};

use wasmtime::{Extern, TypedFunc};

use super::Policy;
use crate::Request;
use crate::call::call_and_then;
use crate::linked_module::Entry;
use crate::settings::Settings;

/// Calls in one instance, one after the other.
#[derive(Debug, Clone)]
pub struct Warm {
    /// The duration of each call after the first; none of a program, which ends with its answer.
    pub times: Vec<Duration>,
    /// The guest's memory after the first call, in bytes: what a review of its own takes.
    pub memory: usize,
}

impl Policy {
    /// Puts a request to one instance again and again, which no host does: the difference to a fresh instance
    /// is what that costs. `more` tells, after each number of calls, whether to make another. A guest that
    /// cannot be asked twice ends it.
    ///
    /// # Errors
    /// How the first call ended, where it did not end with an answer.
    pub fn warm(
        &self,
        request: &Request<'_>,
        settings: &Settings,
        deadline: Instant,
        mut more: impl FnMut(usize) -> bool,
    ) -> Result<Warm, String> {
        let payload = self.payload(request, settings);
        let length = u32::try_from(payload.len()).map_err(|error| error.to_string())?;
        let guest_call = match &self.module.entry {
            Entry::Wapc { guest_call, .. } => Some(*guest_call),
            Entry::Wasi { .. } => None,
        };
        let operation = "validate";
        let (outcome, warm) =
            call_and_then(&self.context, &self.module, operation, payload, deadline, |store, instance| {
                let memory = store.data().memory.map_or(0, |memory| memory.data_size(&*store));
                let function = guest_call.and_then(|export| instance.get_module_export(&mut *store, &export));
                let function = function.and_then(Extern::into_func);
                let function: Option<TypedFunc<(u32, u32), i32>> =
                    function.and_then(|function| function.typed(&*store).ok());
                let mut times = Vec::new();
                while let Some(function) = function.as_ref().filter(|_| more(times.len())) {
                    let began = Instant::now();
                    if function.call(&mut *store, (operation.len() as u32, length)).is_err() {
                        break;
                    }
                    times.push(began.elapsed());
                }
                Warm { times, memory }
            });
        warm.ok_or_else(|| format!("{outcome:?}"))
    }
}
