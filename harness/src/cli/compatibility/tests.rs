use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use expect_test::expect_file;

use super::*;
use crate::cli::Cli;

#[test]
fn the_documentation_has_the_table() {
    expect_file!["../../../../docs/kubewarden-options.md"].assert_eq(&table());
}

/// Every option of theirs, with its command here.
fn all() -> impl Iterator<Item = (&'static str, &'static Known)> {
    let kwctl = KWCTL.iter().flat_map(|(command, options)| options.iter().map(|option| (*command, option)));
    POLICY_SERVER.iter().map(|option| ("serve", option)).chain(kwctl)
}

#[test]
fn a_flag_is_understood_or_refused_with_the_reason_as_the_table_says() {
    let cli = Cli::command();
    for (command, known) in all() {
        let words: Vec<&str> = command.split(' ').collect();
        let subcommand = words.iter().fold(&cli, |within, word| within.find_subcommand(word).unwrap());
        let names = |argument: &clap::Arg| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            argument.get_long().into_iter().chain(aliases).any(|name| format!("--{name}") == known.flag)
        };
        let is_understood = subcommand.get_arguments().chain(cli.get_arguments()).any(names);
        match known.here {
            Same | Different(_) => assert!(is_understood, "{command} {}", known.flag),
            Refused(why) => {
                let arguments = ["harness"].iter().chain(&words).chain([&known.flag]);
                let error = Cli::try_parse_from(arguments).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{command} {}", known.flag);
                assert_eq!(reason(command, known.flag), Some(why));
            }
        }
    }
}

#[test]
fn a_variable_is_read_or_refused_with_the_reason_as_the_table_says() {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    for Known { flag, variable, here } in POLICY_SERVER {
        let Some(name) = variable.filter(|name| *name != "NO_COLOR") else { continue };
        let set =
            |value: &'static str| refuse_variables(move |asked| (asked == name).then(|| value.to_owned()));
        match here {
            Same | Different(_) => {
                let of =
                    serve.get_arguments().find(|argument| argument.get_env().is_some_and(|it| it == name));
                let long = of.and_then(clap::Arg::get_long).unwrap_or_else(|| panic!("{name} is not read"));
                assert_eq!(format!("--{long}"), *flag);
                assert!(set("x").is_ok(), "{name}");
            }
            Refused(why) => {
                let error = set("true").unwrap_err().to_string();
                assert_eq!(error, format!("{name} is set, and cannot be honoured: {why}"));
                assert!(set("false").is_ok() && set("").is_ok());
            }
        }
    }
}
