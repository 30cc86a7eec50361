//! A guest's printed lines, for the log (a host's own output is its user's), and the most bytes of its
//! answer.

use crate::host_capabilities::GuestLog;

/// The longest answer of a guest, in bytes: more than twice the largest object that an API server takes.
pub(crate) const LONGEST_ANSWER: u32 = 8 << 20;
/// The longest error of a guest that is passed on to the caller, in bytes.
pub(crate) const LONGEST_ERROR: usize = 16 << 10;

/// The longest line of a guest's output that is logged in one piece, in bytes.
const LONGEST_LINE: usize = 1 << 10;

/// One of the guest's output streams, cut into lines for the log.
pub(crate) struct GuestOutput {
    name: &'static str,
    line: Vec<u8>,
}

impl GuestOutput {
    pub(crate) fn stdout() -> Self {
        Self { name: "stdout", line: Vec::new() }
    }

    pub(crate) fn stderr() -> Self {
        Self { name: "stderr", line: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8], log: &mut GuestLog) {
        for byte in bytes {
            if log.is_full() {
                return;
            }
            match byte {
                b'\n' => self.flush(log),
                byte => {
                    self.line.push(*byte);
                    if self.line.len() >= LONGEST_LINE {
                        self.flush(log);
                    }
                }
            }
        }
    }

    /// Logs what has not ended with a line break.
    pub(crate) fn flush(&mut self, log: &mut GuestLog) {
        if !self.line.is_empty() {
            log.output(self.name, &self.line);
            self.line.clear();
        }
    }
}
