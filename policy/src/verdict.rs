//! The policy's answer, and its one conversion to Kubewarden's `ValidationResponse`.

use crate::inject::Edit;
use crate::json::{Span, write_string};

#[cfg(test)]
mod tests;

/// Warnings of an answer.
const MOST_WARNINGS: usize = 64;

/// The decision on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Admitted as it came.
    Accept,
    /// Admitted with an edit of the object.
    Patch {
        /// The place of the object in the payload.
        object: Span,
        /// The change of the object.
        edit: Edit,
    },
    Reject {
        /// HTTP status: 422 for an object that cannot work, 403 for a change that is not allowed,
        /// 503 when the cluster could not be asked.
        code: u16,
        /// Every reason, in a stable order.
        message: String,
    },
}

/// A verdict with the warnings for the user and the notes for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// Whole sentences for the person who sent the request.
    pub(crate) warnings: Vec<String>,
    /// Key and value; a key stands once.
    annotations: Vec<(&'static str, String)>,
}

impl Answer {
    /// Admits the request as it came.
    pub(crate) fn accept() -> Self {
        Self { verdict: Verdict::Accept, warnings: Vec::new(), annotations: Vec::new() }
    }

    pub(crate) fn reject(code: u16, message: String) -> Self {
        let mut answer = Self::accept();
        answer.refuse(code, message);
        answer
    }

    /// Turns the verdict into a refusal.
    pub(crate) fn refuse(&mut self, code: u16, message: String) {
        self.verdict = Verdict::Reject { code, message };
    }

    /// Tells the person who sent the request, once. The API server shows 4,096 characters of warnings in
    /// all, so what is beyond the most is not seen anyway.
    pub(crate) fn warn(&mut self, warning: String) {
        if self.warnings.len() < MOST_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Adds a note for the audit log; notes under the same key are joined.
    pub(crate) fn note(&mut self, key: &'static str, value: String) {
        match self.annotations.iter_mut().find(|(noted, _)| *noted == key) {
            Some((_, text)) => {
                text.push_str("; ");
                text.push_str(&value);
            }
            None => self.annotations.push((key, value)),
        }
    }

    /// The response. A mutated object is copied from the payload around the edit, never parsed.
    pub(crate) fn into_response(self, payload: &[u8]) -> Vec<u8> {
        let object = match &self.verdict {
            Verdict::Patch { object, edit } => object.end - object.start + edit.inserted.len(),
            _ => 0,
        };
        let mut out = Vec::with_capacity(object + 512);
        out.extend_from_slice(b"{\"accepted\":");
        let (accepted, message, code) = match &self.verdict {
            Verdict::Accept | Verdict::Patch { .. } => (true, None, None),
            Verdict::Reject { code, message } => (false, Some(message.as_str()), Some(*code)),
        };
        out.extend_from_slice(if accepted { b"true" } else { b"false" });
        out.extend_from_slice(b",\"message\":");
        match message {
            Some(message) => write_string(message, &mut out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"code\":");
        match code {
            Some(code) => out.extend_from_slice(code.to_string().as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"mutated_object\":");
        match &self.verdict {
            Verdict::Patch { object, edit } => edit.write(payload, *object, &mut out),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"audit_annotations\":");
        write_all(&self.annotations, [b'{', b'}'], &mut out, |(key, value), out| {
            write_string(key, out);
            out.push(b':');
            write_string(value, out);
        });
        out.extend_from_slice(b",\"warnings\":");
        write_all(&self.warnings, [b'[', b']'], &mut out, |warning, out| write_string(warning, out));
        out.push(b'}');
        out
    }
}

/// `null` for nothing, as the SDK writes it.
fn write_all<T>(items: &[T], brackets: [u8; 2], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    if items.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    for (index, item) in items.iter().enumerate() {
        out.push(if index == 0 { brackets[0] } else { b',' });
        write(item, out);
    }
    out.push(brackets[1]);
}

/// A text of the request, short enough to leave room for the sentence around it: the API
/// server cuts warnings at 256 characters.
pub(crate) fn short(text: &str) -> String {
    const HEAD: usize = 56;
    const TAIL: usize = 20;
    let mut starts = text.char_indices().map(|(start, _)| start);
    let ends = starts.nth(HEAD).zip(starts.nth_back(TAIL - 1)).filter(|_| starts.count() >= 3);
    match ends.and_then(|(head, tail)| Some((text.get(..head)?, text.get(tail..)?))) {
        Some((head, tail)) => format!("{head}...{tail}"),
        None => text.to_owned(),
    }
}
