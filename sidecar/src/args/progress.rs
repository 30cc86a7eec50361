//! What a command tells a person who watches it.

use std::io::{IsTerminal as _, Write as _};

/// Tells a person who watches what is waited for; each text takes the place of the one before it.
pub(super) fn progress() -> impl FnMut(&str) {
    let watched = std::io::stderr().is_terminal();
    move |text: &str| {
        // Nowhere to tell that stderr is closed.
        let _ = watched.then(|| write!(std::io::stderr(), "\r\x1b[K{text}"));
    }
}
