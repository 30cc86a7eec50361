//! Reduces objects to the few members that the controller reads, byte by byte, as they arrive from the API
//! server.
//!
//! A list of a hundred objects of a megabyte is a hundred megabytes before anything of it can be parsed, and
//! any user who may create Pods or ServiceAccounts may create such objects. So all bytes pass through here
//! first: unread members are skipped in place, and the kept part of an object is bounded. The memory that
//! this takes does not depend on the objects.

/// Bytes of a member's name that are compared; no kept name is longer.
const LONGEST_NAME: usize = 128;
/// Nesting depth up to which members are chosen.
const DEEPEST: usize = 32;

/// Members that are kept of an object, or of each object of an array.
pub type Keep = &'static [Member];

/// A kept member.
#[derive(Debug)]
pub struct Member {
    name: &'static str,
    keep: What,
}

/// The kept part of a value.
#[derive(Clone, Copy, Debug)]
enum What {
    Nothing,
    All,
    /// Only these members are kept.
    Some(Keep),
}

/// A member that is kept whole.
pub const fn all(name: &'static str) -> Member {
    Member { name, keep: What::All }
}

/// A member of which some members are kept.
pub const fn some(name: &'static str, keep: Keep) -> Member {
    Member { name, keep: What::Some(keep) }
}

/// The structure of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One object; the limit applies to each of its `items`.
    List,
    /// Objects one after the other; the limit applies to each.
    Objects,
}

/// Reduces the body of one answer.
#[derive(Debug)]
pub struct Projection {
    shape: Shape,
    root: Keep,
    /// Bytes that are kept of one object. An object with more is left out.
    most: usize,
    frames: Vec<Frame>,
    state: State,
    out: Vec<u8>,
    /// The object that is being read, if any.
    object: Option<Object>,
    left_out: u64,
}

/// An object or array whose members are chosen.
#[derive(Clone, Copy, Debug)]
struct Frame {
    is_array: bool,
    keep: Keep,
    /// No part of it was kept so far.
    is_empty: bool,
    /// Its elements are the objects that the limit applies to.
    holds_objects: bool,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    /// The position in the output where it begins, including the comma before it.
    start: usize,
    /// The number of frames around it.
    depth: usize,
    is_too_large: bool,
    /// Whether it is the first kept element of its array.
    was_first: bool,
}

#[derive(Debug)]
enum State {
    /// A value, or the end of an array, comes next.
    Value(What),
    /// A member, or the end of an object, comes next.
    Member,
    /// Inside a member's name.
    Name { name: Vec<u8>, is_escaped: bool },
    /// The colon after the name comes next.
    Colon(What),
    /// Inside a value that is kept or skipped as a whole.
    Whole { is_kept: bool, depth: u32, place: Place },
}

/// The position within a value that is kept or skipped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between tokens.
    Between,
    /// In a number, `true`, `false` or `null`, which end at the next other character.
    Word,
    Text,
    /// After a backslash in a string.
    Escape,
}

impl Projection {
    /// Keeps the members `root`, and at most `most` bytes, of each object of a body of this shape.
    pub fn new(shape: Shape, root: Keep, most: usize) -> Self {
        let (frames, out) = (Vec::new(), Vec::new());
        Self {
            shape,
            root,
            most,
            frames,
            state: State::Value(What::Some(root)),
            out,
            object: None,
            left_out: 0,
        }
    }

    /// Takes in bytes; returns the reduced output that is complete so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            // Most bytes of a large object are in skipped strings.
            let text = match self.state {
                State::Whole { is_kept: false, place: Place::Text, .. } => {
                    rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\')).count()
                }
                _ => 0,
            };
            if text > 0 {
                rest = &rest[text..];
            } else if self.take(*byte) {
                rest = after;
            }
        }
        let unfinished = self.out.split_off(self.object.map_or(self.out.len(), |object| object.start));
        if let Some(object) = &mut self.object {
            object.start = 0;
        }
        std::mem::replace(&mut self.out, unfinished)
    }

    /// Objects that were left out because their kept part was too large.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes in a byte. Returns false where the byte follows a value and has to be taken in again.
    fn take(&mut self, byte: u8) -> bool {
        match &mut self.state {
            State::Value(what) => {
                let what = *what;
                match byte {
                    // Line ends separate the events of a watch.
                    b'\n' if self.frames.is_empty() => self.put(b"\n"),
                    b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    b']' | b'}' => self.end_frame(),
                    _ => return self.begin(byte, what),
                }
            }
            State::Member => match byte {
                b'"' => self.state = State::Name { name: Vec::new(), is_escaped: false },
                b'}' | b']' => self.end_frame(),
                _ => {}
            },
            State::Name { is_escaped: false, name } if byte == b'"' => {
                let name = std::mem::take(name);
                self.choose(&name);
            }
            State::Name { name, is_escaped } => {
                *is_escaped = byte == b'\\' && !*is_escaped;
                if name.len() <= LONGEST_NAME {
                    name.push(byte);
                }
            }
            State::Colon(what) => {
                if byte == b':' {
                    self.state = State::Value(*what);
                }
            }
            State::Whole { is_kept, depth, place } => {
                let is_kept = *is_kept;
                let ends_before = *place == Place::Word && *depth == 0 && is_end_of_word(byte);
                if ends_before {
                    self.end_value();
                    return false;
                }
                let ends = step(depth, place, byte);
                if is_kept {
                    self.put(&[byte]);
                }
                if ends {
                    self.end_value();
                }
            }
        }
        true
    }

    fn begin(&mut self, byte: u8, what: What) -> bool {
        let around = self.frames.last().copied();
        let is_bounded = match (self.shape, around) {
            (Shape::Objects, None) => true,
            (_, around) => around.is_some_and(|frame| frame.holds_objects),
        };
        if is_bounded {
            self.object = Some(Object {
                start: self.out.len(),
                depth: self.frames.len(),
                is_too_large: false,
                was_first: around.is_none_or(|frame| frame.is_empty),
            });
        }
        if around.is_some_and(|frame| frame.is_array) {
            self.separate();
        }
        match (what, byte) {
            (What::Some(keep), b'{' | b'[') if self.frames.len() < DEEPEST => {
                self.put(&[byte]);
                let is_array = byte == b'[';
                let holds_objects = is_array && self.shape == Shape::List && self.frames.len() == 1;
                self.frames.push(Frame { is_array, keep, is_empty: true, holds_objects });
                self.state = if is_array { State::Value(What::Some(keep)) } else { State::Member };
                true
            }
            _ => {
                let is_kept = !matches!(what, What::Nothing);
                self.state = State::Whole { is_kept, depth: 0, place: Place::Between };
                self.take(byte)
            }
        }
    }

    /// Whether the member of this name is kept; if so, its name is written.
    fn choose(&mut self, name: &[u8]) {
        let keep = self.frames.last().map_or(self.root, |frame| frame.keep);
        let member = keep.iter().find(|member| member.name.as_bytes() == name);
        self.state = State::Colon(member.map_or(What::Nothing, |member| member.keep));
        if let Some(member) = member {
            self.separate();
            self.put(b"\"");
            self.put(member.name.as_bytes());
            self.put(b"\":");
        }
    }

    /// Writes the comma before the next kept element, unless it is the first.
    fn separate(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        if !std::mem::replace(&mut frame.is_empty, false) {
            self.put(b",");
        }
    }

    fn end_frame(&mut self) {
        // Without a frame the body is no JSON, and its parser reports that.
        if let Some(frame) = self.frames.pop() {
            self.put(if frame.is_array { b"]" } else { b"}" });
        } else {
            self.put(b"}");
        }
        self.end_value();
    }

    fn end_value(&mut self) {
        if let Some(object) = self.object.filter(|object| object.depth == self.frames.len()) {
            self.object = None;
            if object.is_too_large {
                self.left_out += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.is_empty = object.was_first;
                }
            }
        }
        self.state = match self.frames.last() {
            Some(frame) if frame.is_array => State::Value(What::Some(frame.keep)),
            Some(_) => State::Member,
            None => State::Value(What::Some(self.root)),
        };
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(object) = &mut self.object {
            object.is_too_large |= self.out.len() - object.start + bytes.len() > self.most;
            if object.is_too_large {
                self.out.truncate(object.start);
                return;
            }
        }
        self.out.extend_from_slice(bytes);
    }
}

fn is_end_of_word(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
}

/// Takes in a byte of a value that is kept or skipped as a whole; returns whether it is the value's last.
fn step(depth: &mut u32, place: &mut Place, byte: u8) -> bool {
    match (*place, byte) {
        (Place::Escape, _) => *place = Place::Text,
        (Place::Text, b'\\') => *place = Place::Escape,
        (Place::Text, b'"') => {
            *place = Place::Between;
            return *depth == 0;
        }
        (Place::Text, _) => {}
        (_, b'"') => *place = Place::Text,
        (_, b'{' | b'[') => {
            *place = Place::Between;
            *depth = depth.saturating_add(1);
        }
        (_, b'}' | b']') => {
            *place = Place::Between;
            *depth = depth.saturating_sub(1);
            return *depth == 0;
        }
        (_, byte) => *place = if is_end_of_word(byte) { Place::Between } else { Place::Word },
    }
    false
}

#[cfg(test)]
mod tests;
