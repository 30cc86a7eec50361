//! Commands, their flags, environment variables and exit codes, from their own help.

use clap::{Arg, Command};

use super::{Page, code};

/// A command and those below it. What clap hides, and its own `help`, is left out.
pub(super) fn commands(command: &Command, page: &mut Page) {
    let shown: Vec<&Command> =
        command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help").collect();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.text(&format!("\n## `{name}`\n\n{about}\n"));
    if let Some(exit_codes) = exit_codes(command) {
        page.text(&format!("\n{exit_codes}\n"));
    }
    let rows: Vec<Vec<String>> = command.get_arguments().filter(|it| !it.is_hide_set()).map(row).collect();
    if !rows.is_empty() {
        page.table(["Flag", "Variable", "Default", "Meaning"], rows);
    }
    shown.into_iter().for_each(|it| commands(it, page));
}

fn row(argument: &Arg) -> Vec<String> {
    let value = argument
        .get_value_names()
        .map(|names| names.iter().map(|it| it.to_string()).collect::<Vec<_>>().join(" "));
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), short) => {
            let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
            match value.filter(|_| argument.get_action().takes_values()) {
                Some(value) => format!("{short}--{long} {value}"),
                None => format!("{short}--{long}"),
            }
        }
        (None, Some(short)) => format!("-{short}"),
        (None, None) => value.unwrap_or_default(),
    };
    let variable = argument.get_env().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|it| it.to_string_lossy().into_owned()).collect();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults = if argument.get_action().takes_values() { defaults.join(", ") } else { String::new() };
    vec![code(&name), code(&variable), code(&defaults), help]
}

/// The line of the help that says them.
fn exit_codes(command: &Command) -> Option<String> {
    let help = command.get_after_help()?.to_string();
    let at = help.find("Exit codes:")?;
    Some(help[at..].split("\n\n").next().unwrap_or_default().replace('\n', " "))
}
