//! One call into a policy: a fresh instance, its state, its limits, and how it ended.
//!
//! *Expected flow:* wait for a place, make a store and an instance, run the guest's initialisers,
//! write the operation and payload when the guest asks for them, run `__guest_call`, drop all of it.
//! *Guarantees:* nothing of one call reaches the next; a guest that loops, grows or points astray
//! ends as an [`Outcome`], not as a failure of the host.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Extern, Func, Instance, Store, Trap, TypedFunc, UpdateDeadline, WasmParams, WasmResults};

use crate::call_state::{CallState, MemoryLimitExceeded};
use crate::context::Context;
use crate::host_capabilities::shortened;
use crate::linked_module::{Entry, LinkedModule};
use crate::wasi::{Exit, Program};

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
        /// The most bytes that it may have.
        limit: usize,
    },
}

/// Calls `operation` of a policy with `payload` in an instance of its own.
pub(crate) fn call(
    context: &Arc<Context>,
    module: &LinkedModule,
    operation: &'static str,
    payload: Vec<u8>,
    deadline: Instant,
) -> Outcome {
    call_and_then(context, module, operation, payload, deadline, |_, _| ()).0
}

/// The same, and what `look` finds in the instance when the guest has answered.
pub(crate) fn call_and_then<T>(
    context: &Arc<Context>,
    module: &LinkedModule,
    operation: &'static str,
    payload: Vec<u8>,
    deadline: Instant,
    look: impl FnOnce(&mut Store<CallState>, Instance) -> T,
) -> (Outcome, Option<T>) {
    let host = &module.host.inner;
    let Some(_slot) = host.slots.take(deadline) else {
        return (Outcome::DeadlineExceeded, None);
    };
    let _watch = host.ticker.watch();
    let memory_limit = host.options.memory_limit;
    let mut state = CallState::new(context.clone(), operation, payload, deadline, memory_limit);
    if let Entry::Wasi { .. } = &module.entry {
        state.program = Some(Program::new(operation, std::mem::take(&mut state.payload), memory_limit));
    }
    let mut store = Store::new(&host.engine, state);
    store.limiter(|call| call);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        Ok(match Instant::now() >= store.data().deadline {
            true => UpdateDeadline::Interrupt,
            false => UpdateDeadline::Continue(1),
        })
    });
    let result = run(&mut store, module);
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
fn run(store: &mut Store<CallState>, module: &LinkedModule) -> wasmtime::Result<(bool, Instance)> {
    let instance = module.pre.instantiate(&mut *store)?;
    store.data_mut().memory = match instance.get_module_export(&mut *store, &module.memory) {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    };
    let (initialisers, guest_call) = match &module.entry {
        Entry::Wapc { initialisers, guest_call } => (initialisers, guest_call),
        Entry::Wasi { start } => return Ok((run_program(store, &instance, start)?, instance)),
    };
    for initialiser in initialisers {
        let function: TypedFunc<(), ()> = typed(store, &instance, initialiser)?;
        match function.call(&mut *store, ()) {
            // A program that leaves by `exit(0)` has initialised (TinyGo's does).
            Err(error) if matches!(error.downcast_ref(), Some(Exit(0))) => {}
            result => result?,
        }
    }
    let guest_call: TypedFunc<(u32, u32), i32> = typed(store, &instance, guest_call)?;
    // The API server refuses anything near 4 GiB long before this does.
    let operation_length = u32::try_from(store.data().operation.len())?;
    let payload_length = u32::try_from(store.data().payload.len())?;
    let succeeded = guest_call.call(&mut *store, (operation_length, payload_length))? != 0;
    Ok((succeeded, instance))
}

/// Runs a program to its end; whether it says that it succeeded. What it printed is its answer, or its error.
fn run_program(
    store: &mut Store<CallState>,
    instance: &Instance,
    start: &wasmtime::ModuleExport,
) -> wasmtime::Result<bool> {
    let function: TypedFunc<(), ()> = typed(store, instance, start)?;
    let code = match function.call(&mut *store, ()) {
        Ok(()) => 0,
        Err(error) => match error.downcast_ref() {
            Some(Exit(code)) => *code,
            None => return Err(error),
        },
    };
    let call = store.data_mut();
    let (answer, error) = call.program.take().map(Program::into_output).unwrap_or_default();
    match code {
        0 => call.response = Some(answer),
        _ if error.is_empty() => call.guest_error = Some(Exit(code).to_string()),
        _ => call.guest_error = Some(error),
    }
    Ok(code == 0)
}

fn typed<P: WasmParams, R: WasmResults>(
    store: &mut Store<CallState>,
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
