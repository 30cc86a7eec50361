//! One call into a policy: a fresh instance, its state, its limits, and how it ended.
//!
//! *Expected flow:* wait for a place, make a store and an instance, run the guest's initialisers,
//! write the operation and payload when the guest asks for them, run `__guest_call`, drop all of it.
//! *Guarantees:* nothing of one call reaches the next; a guest that loops, grows or points astray
//! ends as an [`Outcome`], not as a failure of the host.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::{
    Extern, Func, Instance, Memory, ResourceLimiter, Store, Trap, TypedFunc, UpdateDeadline, WasmParams,
    WasmResults,
};

use crate::host_capabilities::{GuestLog, shortened};
use crate::policy::{Context, Exports};
use crate::wasi::{Exit, Output};

/// How much of a trap's backtrace is logged, in bytes.
const LONGEST_TRACE: usize = 2 << 10;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The guest succeeded and answered with these bytes.
    Answer(Vec<u8>),
    /// The guest reported a failure of its own.
    GuestError(String),
    /// The guest broke a rule of wasm or of the host's interface.
    Trap(String),
    /// The time was up.
    DeadlineExceeded,
    /// The guest asked for more memory than it may have.
    MemoryLimit {
        /// What it may have, in bytes.
        limit: usize,
    },
}

/// The state of one call: what the guest's imports work on.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) payload: Vec<u8>,
    pub(crate) context: Arc<Context>,
    pub(crate) deadline: Instant,
    /// The guest's memory, once its instance exists.
    pub(crate) memory: Option<Memory>,
    pub(crate) response: Option<Vec<u8>>,
    pub(crate) guest_error: Option<String>,
    /// What the last host call returned; the guest fetches it by a second call.
    pub(crate) host_response: Option<Vec<u8>>,
    pub(crate) host_error: Option<String>,
    pub(crate) log: GuestLog,
    pub(crate) output: [Output; 2],
    memory_limit: usize,
}

/// The guest asked for more memory than it may have.
#[derive(Debug)]
struct MemoryLimitExceeded;

impl fmt::Display for MemoryLimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory limit exceeded")
    }
}

impl std::error::Error for MemoryLimitExceeded {}

impl ResourceLimiter for Call {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match desired > self.memory_limit {
            // A guest told "no" would only abort with a message of its own; this names the reason.
            true => Err(wasmtime::Error::new(MemoryLimitExceeded)),
            false => Ok(true),
        }
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }
}

/// Calls `operation` of a policy with `payload` in an instance of its own.
pub(crate) fn call(
    context: &Arc<Context>,
    exports: &Exports,
    operation: &'static str,
    payload: Vec<u8>,
    deadline: Instant,
) -> Outcome {
    call_and_then(context, exports, operation, payload, deadline, |_, _| ()).0
}

/// The same, and what `look` finds in the instance when the guest has answered.
pub(crate) fn call_and_then<T>(
    context: &Arc<Context>,
    exports: &Exports,
    operation: &'static str,
    payload: Vec<u8>,
    deadline: Instant,
    look: impl FnOnce(&mut Store<Call>, Instance) -> T,
) -> (Outcome, Option<T>) {
    let host = &context.host.inner;
    let Some(_slot) = host.slots.take(deadline) else {
        return (Outcome::DeadlineExceeded, None);
    };
    let _watch = host.ticker.watch();
    let memory_limit = host.options.memory_limit;
    let mut store = Store::new(
        &host.engine,
        Call {
            operation,
            payload,
            context: context.clone(),
            deadline,
            memory: None,
            response: None,
            guest_error: None,
            host_response: None,
            host_error: None,
            log: GuestLog::new(context.name.clone()),
            output: [Output::stdout(), Output::stderr()],
            memory_limit,
        },
    );
    store.limiter(|call| call);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        Ok(match Instant::now() >= store.data().deadline {
            true => UpdateDeadline::Interrupt,
            false => UpdateDeadline::Continue(1),
        })
    });
    let result = run(&mut store, exports);
    let found = match &result {
        Ok((true, instance)) => Some(look(&mut store, *instance)),
        _ => None,
    };
    let call = store.data_mut();
    for output in &mut call.output {
        output.flush(&mut call.log);
    }
    let outcome = match result {
        Ok((true, _)) => match (call.response.take(), call.guest_error.take()) {
            (Some(response), _) => Outcome::Answer(response),
            (None, Some(error)) => Outcome::GuestError(error),
            (None, None) => Outcome::GuestError("No error message OR response set for call success".into()),
        },
        Ok((false, _)) => Outcome::GuestError(
            call.guest_error.take().unwrap_or_else(|| "No error message set for call failure".into()),
        ),
        Err(error) => failure(&error, memory_limit, &context.name),
    };
    (outcome, found)
}

/// Initialises a fresh instance and runs the call; whether the guest says that it succeeded.
fn run(store: &mut Store<Call>, exports: &Exports) -> wasmtime::Result<(bool, Instance)> {
    let instance = exports.pre.instantiate(&mut *store)?;
    store.data_mut().memory = match instance.get_module_export(&mut *store, &exports.memory) {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    };
    for initialiser in &exports.initialisers {
        let function: TypedFunc<(), ()> = typed(store, &instance, initialiser)?;
        match function.call(&mut *store, ()) {
            // A program that leaves by `exit(0)` has initialised (TinyGo's does).
            Err(error) if matches!(error.downcast_ref(), Some(Exit(0))) => {}
            result => result?,
        }
    }
    let guest_call: TypedFunc<(u32, u32), i32> = typed(store, &instance, &exports.guest_call)?;
    // The API server refuses anything near 4 GiB long before this does.
    let operation_length = u32::try_from(store.data().operation.len())?;
    let payload_length = u32::try_from(store.data().payload.len())?;
    let succeeded = guest_call.call(&mut *store, (operation_length, payload_length))? != 0;
    Ok((succeeded, instance))
}

fn typed<P: WasmParams, R: WasmResults>(
    store: &mut Store<Call>,
    instance: &Instance,
    export: &wasmtime::ModuleExport,
) -> wasmtime::Result<TypedFunc<P, R>> {
    let function: Option<Func> = instance.get_module_export(&mut *store, export).and_then(Extern::into_func);
    match function {
        Some(function) => function.typed(&*store),
        None => Err(wasmtime::Error::msg("an export of the module is missing in its instance")),
    }
}

fn failure(error: &wasmtime::Error, memory_limit: usize, policy: &str) -> Outcome {
    if error.is::<MemoryLimitExceeded>() {
        return Outcome::MemoryLimit { limit: memory_limit };
    }
    if error.downcast_ref() == Some(&Trap::Interrupt) {
        return Outcome::DeadlineExceeded;
    }
    // The names in the backtrace are the module's.
    tracing::debug!(policy, "guest trapped: {}", shortened(&format!("{error:?}"), LONGEST_TRACE));
    // The outermost message is wasmtime's backtrace; the innermost is the reason.
    Outcome::Trap(error.root_cause().to_string())
}
