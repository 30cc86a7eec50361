//! Prints the table as a page of the documentation.

use std::fmt::Write as _;

use super::all;
use super::condition::Condition;
use crate::explain::findings::Who;

const HEAD: &str = "\
# What nodes say when a pull fails

`kubectl tcr explain pod/NAME` reads this from the Pod's status and Events, and never says the opposite of it.
Words that are not here it repeats, and calls unknown. The list is printed by `tcr-assistant pull-errors`; `./justw check` compares.
`*` is any text. Of several that fit a message, the first in this list counts.
";

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for condition in all() {
        row(&mut page, condition);
    }
    page
}

fn row(page: &mut String, condition: &Condition) {
    let Condition { reason, who, wordings, cause, to_do, .. } = condition;
    let named = |text: &str| text.replace("{host}", "the host").replace("{registry}", "the registry");
    let who = match who {
        Who::Workload => "whoever runs the Pod",
        Who::Platform => "the platform team",
        Who::Author => "the image's author",
    };
    let _ = write!(page, "\n## {reason}\n\n{}.\n\n", capitalised(&named(cause)));
    let _ = write!(page, "To do, by {who}: {}.\n\n| words | of |\n| --- | --- |\n", named(to_do));
    for wording in *wordings {
        // A bar would end the table's cell.
        let _ = writeln!(page, "| `{}` | {} |", wording.words.replace('|', "\\|"), wording.by);
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
