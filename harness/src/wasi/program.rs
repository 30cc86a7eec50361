//! Policies that are programs (Kubewarden's execution mode `wasi`): the operation is in the arguments, the
//! payload is the input, and the output is the answer.
//!
//! There is one function besides WASI's, `host.call`: like waPC's, but the answer is appended to the unread
//! input. An exit code other than 0 is a failure, and the error output tells why.

use crate::guest_output::{LONGEST_ANSWER, LONGEST_ERROR};

/// The module of the function by which a program asks its host.
pub(crate) const HOST_MODULE: &str = "host";
/// Its name.
pub(crate) const HOST_CALL: &str = "call";

/// The input and output of a program.
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

    /// Its output and its error output.
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
    pub(super) fn give(&mut self, answer: &[u8]) -> wasmtime::Result<()> {
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

    /// Keeps the beginning of the error output.
    pub(super) fn complain(&mut self, bytes: &[u8]) {
        let room = LONGEST_ERROR - self.error.len();
        self.error.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn arguments(&self) -> [&'static str; 2] {
        ["policy.wasm", self.operation]
    }
}
