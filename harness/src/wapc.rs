//! The nine functions of waPC that a guest may import: how requests, answers, logs and host calls
//! cross the boundary. See <https://wapc.io/docs/spec/>.
//!
//! Every pointer and length comes from the guest, so each is checked against the guest's memory;
//! one that lies outside is the guest's fault and traps.

use std::fmt;

use wasmtime::{Caller, Extern, Linker, Memory};

use crate::call_state::CallState;
use crate::guest_output::{LONGEST_ANSWER, LONGEST_ERROR};
use crate::host_capabilities::{self, GuestCall};

/// The module that guests import waPC's functions from.
pub(crate) const MODULE: &str = "wapc";

/// The functions that this host offers under that name.
pub(crate) const FUNCTIONS: [&str; 9] = [
    "__guest_request",
    "__guest_response",
    "__guest_error",
    "__host_call",
    "__host_response_len",
    "__host_response",
    "__host_error_len",
    "__host_error",
    "__console_log",
];

/// The guest pointed outside of its memory.
#[derive(Debug)]
pub(crate) struct OutOfBounds {
    pub(crate) import: &'static str,
    pub(crate) pointer: u32,
    pub(crate) length: usize,
    pub(crate) memory: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { import, pointer, length, memory } = self;
        write!(
            f,
            "{import}: pointer {pointer} with length {length} lies outside of the guest's {memory} bytes of memory"
        )
    }
}

impl std::error::Error for OutOfBounds {}

pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "__guest_request", guest_request)?;
    linker.func_wrap(MODULE, "__guest_response", guest_response)?;
    linker.func_wrap(MODULE, "__guest_error", guest_error)?;
    linker.func_wrap(MODULE, "__host_call", host_call("__host_call", take_answer))?;
    linker.func_wrap(MODULE, "__host_response_len", |caller: Caller<'_, CallState>| {
        length(caller.data().host_response.as_deref().unwrap_or_default())
    })?;
    linker.func_wrap(MODULE, "__host_response", |mut caller: Caller<'_, CallState>, pointer: u32| {
        let response = caller.data_mut().host_response.take().unwrap_or_default();
        let written = write(&mut caller, "__host_response", pointer, &response);
        caller.data_mut().host_response = Some(response);
        written
    })?;
    linker.func_wrap(MODULE, "__host_error_len", |caller: Caller<'_, CallState>| {
        length(caller.data().host_error.as_deref().unwrap_or_default().as_bytes())
    })?;
    linker.func_wrap(MODULE, "__host_error", |mut caller: Caller<'_, CallState>, pointer: u32| {
        let error = caller.data_mut().host_error.take().unwrap_or_default();
        let written = write(&mut caller, "__host_error", pointer, error.as_bytes());
        caller.data_mut().host_error = Some(error);
        written
    })?;
    linker.func_wrap(
        MODULE,
        "__console_log",
        |mut caller: Caller<'_, CallState>, pointer: u32, length: u32| -> wasmtime::Result<()> {
            let memory = memory(&mut caller)?;
            let (bytes, call) = memory.data_and_store_mut(&mut caller);
            call.log.console(part(bytes, "__console_log", pointer, length)?);
            Ok(())
        },
    )?;
    Ok(())
}

fn guest_request(
    mut caller: Caller<'_, CallState>,
    operation_pointer: u32,
    payload_pointer: u32,
) -> wasmtime::Result<()> {
    let payload = std::mem::take(&mut caller.data_mut().payload);
    write(&mut caller, "__guest_request", payload_pointer, &payload)?;
    caller.data_mut().payload = payload;
    let operation = caller.data().operation;
    write(&mut caller, "__guest_request", operation_pointer, operation.as_bytes())
}

fn guest_response(mut caller: Caller<'_, CallState>, pointer: u32, length: u32) -> wasmtime::Result<()> {
    let memory = memory(&mut caller)?;
    let (bytes, call) = memory.data_and_store_mut(&mut caller);
    let answer = part(bytes, "__guest_response", pointer, length)?;
    if length > LONGEST_ANSWER {
        return Err(wasmtime::Error::msg(format!(
            "__guest_response: an answer of {length} bytes, more than {LONGEST_ANSWER}"
        )));
    }
    // Replaces an earlier answer: a guest that answers without end makes the host hold only one.
    let response = call.response.get_or_insert_default();
    response.clear();
    response.extend_from_slice(answer);
    Ok(())
}

fn guest_error(mut caller: Caller<'_, CallState>, pointer: u32, length: u32) -> wasmtime::Result<()> {
    let error = read(&mut caller, "__guest_error", pointer, length)?;
    // Complete for any real message; longer text is cut.
    let error = String::from_utf8_lossy(&error[..error.len().min(LONGEST_ERROR)]).into_owned();
    caller.data_mut().guest_error = Some(error);
    Ok(())
}

/// A function by which a guest asks its host, with four pairs of pointer and length: `take` gets the answer, or why there is
/// none, and says what the function returns.
pub(crate) fn host_call(
    import: &'static str,
    take: impl Fn(&mut CallState, Result<Vec<u8>, String>) -> wasmtime::Result<i32>,
) -> impl Fn(Caller<'_, CallState>, u32, u32, u32, u32, u32, u32, u32, u32) -> wasmtime::Result<i32> {
    move |mut caller,
          binding,
          binding_len,
          namespace,
          namespace_len,
          operation,
          operation_len,
          payload,
          payload_len| {
        let question = [
            (binding, binding_len),
            (namespace, namespace_len),
            (operation, operation_len),
            (payload, payload_len),
        ];
        let answer = ask_host(&mut caller, import, question)?;
        take(caller.data_mut(), answer)
    }
}

fn take_answer(call: &mut CallState, answer: Result<Vec<u8>, String>) -> wasmtime::Result<i32> {
    (call.host_response, call.host_error) = match answer {
        Ok(response) => (Some(response), None),
        Err(error) => (None, Some(error)),
    };
    Ok(i32::from(call.host_error.is_none()))
}

/// Passes a guest's question (binding, namespace, operation and payload as pointers and lengths) to the host
/// capabilities.
fn ask_host(
    caller: &mut Caller<'_, CallState>,
    import: &'static str,
    question: [(u32, u32); 4],
) -> wasmtime::Result<Result<Vec<u8>, String>> {
    let memory = memory(caller)?;
    let (bytes, call) = memory.data_and_store_mut(caller);
    let read = |(pointer, length)| part(bytes, import, pointer, length);
    let read_text = |place| read(place).map(String::from_utf8_lossy);
    let [binding, namespace, operation, payload] = question;
    let (binding, namespace, operation) = (read_text(binding)?, read_text(namespace)?, read_text(operation)?);
    let payload = read(payload)?;
    let context = call.context.clone();
    let guest_call = GuestCall { binding: &binding, namespace: &namespace, operation: &operation, payload };
    Ok(host_capabilities::answer(
        &*context.capabilities,
        &context.grants,
        &mut call.log,
        call.deadline,
        &guest_call,
    ))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The bytes a guest points at.
pub(crate) fn read<'a>(
    caller: &'a mut Caller<'_, CallState>,
    import: &'static str,
    pointer: u32,
    length: u32,
) -> wasmtime::Result<&'a [u8]> {
    part(memory(caller)?.data(&*caller), import, pointer, length)
}

/// The bytes of `memory` that a guest points at.
fn part<'a>(memory: &'a [u8], import: &'static str, pointer: u32, length: u32) -> wasmtime::Result<&'a [u8]> {
    let (start, length) = (pointer as usize, length as usize);
    let bytes = start.checked_add(length).and_then(|end| memory.get(start..end));
    bytes.ok_or_else(|| wasmtime::Error::new(OutOfBounds { import, pointer, length, memory: memory.len() }))
}

/// Copies bytes to where the guest points.
pub(crate) fn write(
    caller: &mut Caller<'_, CallState>,
    import: &'static str,
    pointer: u32,
    bytes: &[u8],
) -> wasmtime::Result<()> {
    let memory = memory(caller)?.data_mut(&mut *caller);
    let size = memory.len();
    let end = (pointer as usize).checked_add(bytes.len());
    match end.and_then(|end| memory.get_mut(pointer as usize..end)) {
        Some(place) => {
            place.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(wasmtime::Error::new(OutOfBounds { import, pointer, length: bytes.len(), memory: size })),
    }
}

/// The guest's memory; looked up by name only while the instance is still being made.
fn memory(caller: &mut Caller<'_, CallState>) -> wasmtime::Result<Memory> {
    match caller.data().memory {
        Some(memory) => Ok(memory),
        None => match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(memory),
            _ => Err(wasmtime::Error::msg("the guest exports no memory")),
        },
    }
}
