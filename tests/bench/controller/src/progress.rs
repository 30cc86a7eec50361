//! What a person who watches is told.

use std::io::IsTerminal as _;

/// Says how far it is when a person watches.
pub(crate) fn say(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("bench controller: {text}");
    }
}
