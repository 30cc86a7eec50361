//! Policies that are programs (Kubewarden's execution mode `wasi`): what such a one is asked stands in its arguments, the
//! payload is its input, and what it prints is its answer.
//!
//! There is one function besides WASI's, `host.call`: as waPC's, but the answer comes by the input, behind what has not been
//! read of it. An exit code other than 0 is a failure, of which the error output tells.

use wasmtime::Caller;

use super::SUCCESS;
use crate::call_state::CallState;
use crate::wapc::{LONGEST_ANSWER, LONGEST_ERROR, ask_host, write};

/// The module of the function by which a program asks its host.
pub(crate) const HOST_MODULE: &str = "host";
/// Its name.
pub(crate) const HOST_CALL: &str = "call";

/// What a program reads and prints.
pub(crate) struct Program {
    /// The second argument; the first is the program's name.
    operation: &'static str,
    input: Vec<u8>,
    /// How much of the input was read.
    read: usize,
    /// The most bytes that wait to be read.
    most_waiting: usize,
    answer: Vec<u8>,
    error: Vec<u8>,
}

impl Program {
    /// Asked for one of the protocol's operations. Answers of the host wait to be read up to so many bytes: more than its
    /// memory, no program can take.
    pub(crate) fn new(operation: &'static str, payload: Vec<u8>, memory_limit: usize) -> Self {
        let operation = if operation == "validate_settings" { "validate-settings" } else { operation };
        Self {
            operation,
            input: payload,
            read: 0,
            most_waiting: memory_limit,
            answer: Vec::new(),
            error: Vec::new(),
        }
    }

    /// What it printed, and what it complained of.
    pub(crate) fn into_output(self) -> (Vec<u8>, String) {
        (self.answer, String::from_utf8_lossy(&self.error).trim().to_owned())
    }

    pub(super) fn has_read_all(&self) -> bool {
        self.read == self.input.len()
    }

    /// The next bytes of the input, at most so many.
    pub(super) fn read(&mut self, most: usize) -> Vec<u8> {
        let rest = &self.input[self.read..];
        let next = rest[..most.min(rest.len())].to_vec();
        self.read += next.len();
        next
    }

    /// Answers its question.
    fn give(&mut self, answer: &[u8]) -> wasmtime::Result<()> {
        self.input.drain(..self.read);
        self.read = 0;
        if self.input.len() + answer.len() > self.most_waiting {
            return Err(wasmtime::Error::msg(
                "host.call: more answers that were not read than it has memory for",
            ));
        }
        self.input.extend_from_slice(answer);
        Ok(())
    }

    pub(super) fn print(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        if self.answer.len() + bytes.len() > LONGEST_ANSWER as usize {
            return Err(wasmtime::Error::msg(format!(
                "an answer of more than {LONGEST_ANSWER} bytes was printed"
            )));
        }
        self.answer.extend_from_slice(bytes);
        Ok(())
    }

    /// Keeps the beginning of what it complains of.
    pub(super) fn complain(&mut self, bytes: &[u8]) {
        let room = LONGEST_ERROR - self.error.len();
        self.error.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn arguments(&self) -> [&'static str; 2] {
        ["policy.wasm", self.operation]
    }
}

fn arguments_of(caller: &Caller<'_, CallState>) -> Vec<&'static str> {
    caller.data().program.as_ref().map(|program| program.arguments().to_vec()).unwrap_or_default()
}

/// How many arguments there are, and how many bytes they take with the zero behind each.
pub(super) fn arguments_sizes(
    mut caller: Caller<'_, CallState>,
    count: u32,
    size: u32,
) -> wasmtime::Result<i32> {
    const IMPORT: &str = "args_sizes_get";
    let arguments = arguments_of(&caller);
    let bytes: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    write(&mut caller, IMPORT, count, &(arguments.len() as u32).to_le_bytes())?;
    write(&mut caller, IMPORT, size, &(bytes as u32).to_le_bytes())?;
    Ok(SUCCESS)
}

/// The arguments: a pointer to each, and their bytes.
pub(super) fn arguments(
    mut caller: Caller<'_, CallState>,
    pointers: u32,
    bytes: u32,
) -> wasmtime::Result<i32> {
    const IMPORT: &str = "args_get";
    let mut at = bytes;
    for (index, argument) in arguments_of(&caller).into_iter().enumerate() {
        let text = [argument.as_bytes(), &[0]].concat();
        write(&mut caller, IMPORT, pointers.wrapping_add(4 * index as u32), &at.to_le_bytes())?;
        write(&mut caller, IMPORT, at, &text)?;
        at = at.wrapping_add(text.len() as u32);
    }
    Ok(SUCCESS)
}

/// Asks the host; 0 where there is an answer, 1 where the input has the reason why there is none.
#[expect(clippy::too_many_arguments, reason = "Kubewarden's signature: four pairs of pointer and length")]
pub(super) fn host_call(
    mut caller: Caller<'_, CallState>,
    binding_pointer: u32,
    binding_length: u32,
    namespace_pointer: u32,
    namespace_length: u32,
    operation_pointer: u32,
    operation_length: u32,
    payload_pointer: u32,
    payload_length: u32,
) -> wasmtime::Result<i32> {
    let question = [
        (binding_pointer, binding_length),
        (namespace_pointer, namespace_length),
        (operation_pointer, operation_length),
        (payload_pointer, payload_length),
    ];
    let answer = ask_host(&mut caller, "host.call", question)?;
    let has_failed = answer.is_err();
    let answer = answer.unwrap_or_else(String::into_bytes);
    if let Some(program) = &mut caller.data_mut().program {
        program.give(&answer)?;
    }
    Ok(i32::from(has_failed))
}
