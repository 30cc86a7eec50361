//! Completion for shells, and for kubectl's plugin mechanism: one engine for all, which reads the command line's own
//! definition and, for names, the cluster.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, Command, ValueEnum};
use commands::completion::{Names, names};
use kube::config::Kubeconfig;

use super::cluster::ClusterArgs;

/// Whose completion is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash: put it into ~/.local/share/bash-completion/completions/tcr-assistant
    Bash,
    /// zsh: put it into a folder of $fpath, as _tcr-assistant
    Zsh,
    /// fish: put it into ~/.config/fish/completions/tcr-assistant.fish
    Fish,
    /// kubectl: put it onto PATH as kubectl_complete-tcr, executable
    Kubectl,
}

impl Shell {
    /// What makes the shell ask.
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("completion/tcr-assistant.bash"),
            Self::Zsh => include_str!("completion/_tcr-assistant"),
            Self::Fish => include_str!("completion/tcr-assistant.fish"),
            Self::Kubectl => include_str!("completion/kubectl_complete-tcr"),
        }
    }
}

/// What may stand where the last word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Candidates {
    /// One of these, each with a sentence.
    Words(Vec<(String, String)>),
    /// A file.
    Files,
    /// A name of the cluster, or of the kubeconfig; put behind what stands before it in the word.
    Names(Wanted, String, String),
}

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Cluster(Names),
    Contexts,
    Clusters,
    Users,
}

/// The command line so far.
#[derive(Debug, Default)]
struct Words {
    /// Flags that say which cluster is asked, and where in it.
    given: Vec<(String, String)>,
}

/// What completes the last of `words`, and the flags before it that say which cluster is asked.
pub(super) fn candidates(root: &Command, words: &[String]) -> (Candidates, Vec<(String, String)>) {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let (mut command, mut line, mut positional) = (root, Words::default(), 0);
    let mut awaits: Option<&Arg> = None;
    for word in before {
        if let Some(arg) = awaits.take() {
            line.given.extend(arg.get_long().map(|flag| (flag.to_owned(), word.clone())));
        } else if let Some(flag) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            match flag.split_once('=') {
                Some((flag, value)) => {
                    line.given.push((flag.trim_start_matches('-').to_owned(), value.to_owned()))
                }
                None => awaits = flag_of(root, command, word).filter(|arg| arg.get_action().takes_values()),
            }
        } else if let Some(found) = command.find_subcommand(word) {
            command = found;
        } else {
            positional += 1;
        }
    }
    let found = match (awaits, last) {
        (Some(arg), _) => values(arg, last, ""),
        (None, _) if last.starts_with('-') => match last.split_once('=') {
            Some((flag, begun)) => match flag_of(root, command, flag) {
                Some(arg) => values(arg, begun, &format!("{flag}=")),
                None => Candidates::Words(Vec::new()),
            },
            None => Candidates::Words(flags(root, command, last)),
        },
        (None, _) if command.has_subcommands() => {
            let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
            let shown = shown.filter(|it| it.get_name().starts_with(last));
            let about = |it: &Command| it.get_about().map(ToString::to_string).unwrap_or_default();
            Candidates::Words(shown.map(|it| (it.get_name().to_owned(), about(it))).collect())
        }
        (None, _) => match command.get_positionals().nth(positional) {
            Some(arg) => values(arg, last, ""),
            None => Candidates::Words(Vec::new()),
        },
    };
    (found, line.given)
}

/// The flag of this name: of the command, or one that holds for all.
fn flag_of<'a>(root: &'a Command, command: &'a Command, word: &str) -> Option<&'a Arg> {
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    command.get_arguments().chain(global).find(|arg| {
        let is_long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        is_long
            || arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()))
    })
}

fn flags(root: &Command, command: &Command, begun: &str) -> Vec<(String, String)> {
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    let all = command.get_arguments().chain(global).filter(|arg| !arg.is_hide_set());
    let mut flags: Vec<(String, String)> = all
        .filter_map(|arg| {
            let flag = format!("--{}", arg.get_long()?);
            flag.starts_with(begun)
                .then(|| (flag, arg.get_help().map(ToString::to_string).unwrap_or_default()))
        })
        .collect();
    flags.push(("--help".to_owned(), "Print help".to_owned()));
    flags.retain(|(flag, _)| flag.starts_with(begun));
    flags.sort();
    flags.dedup_by(|a, b| a.0 == b.0);
    flags
}

/// What an argument takes, by its values or else by how its value is called.
fn values(arg: &Arg, begun: &str, prefix: &str) -> Candidates {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|it| !it.is_hide_set() && it.get_name().starts_with(begun));
        let help =
            |it: &clap::builder::PossibleValue| it.get_help().map(ToString::to_string).unwrap_or_default();
        return Candidates::Words(shown.map(|it| (format!("{prefix}{}", it.get_name()), help(it))).collect());
    }
    let value = arg.get_value_names().and_then(|names| names.first()).map(|it| it.as_str());
    let names = |wanted| Candidates::Names(wanted, prefix.to_owned(), begun.to_owned());
    match (arg.get_id().as_str(), value) {
        ("context", _) => names(Wanted::Contexts),
        ("cluster", _) => names(Wanted::Clusters),
        ("user", _) => names(Wanted::Users),
        (_, Some("NAME")) => names(Wanted::Cluster(Names::ImagePullSecrets)),
        (_, Some("NS")) => names(Wanted::Cluster(Names::Namespaces)),
        (_, Some("TYPE/NAME")) => names(Wanted::Cluster(Names::Targets)),
        (_, Some("FILE" | "FOLDER")) => Candidates::Files,
        _ => Candidates::Words(Vec::new()),
    }
}

/// Prints what completes the last word, as cobra's programs answer `__complete`: a candidate and a sentence in each line,
/// and last what the shell may do besides.
///
/// # Errors
/// Nothing can be written.
pub async fn complete(root: &Command, words: &[String], out: &mut dyn Write) -> anyhow::Result<()> {
    /// ShellCompDirectiveNoFileComp of cobra.
    const NO_FILES: u8 = 4;
    /// ShellCompDirectiveNoSpace of cobra, too.
    const NO_FILES_NO_SPACE: u8 = 6;
    let (candidates, given) = candidates(root, words);
    let (found, directive) = match candidates {
        Candidates::Files => (Vec::new(), 0),
        Candidates::Words(words) => (words, NO_FILES),
        Candidates::Names(wanted, prefix, begun) => {
            let found = names_of(wanted, &given, &begun).await;
            let is_part = !found.is_empty() && found.iter().all(|name| name.ends_with('/'));
            let found = found.into_iter().map(|name| (format!("{prefix}{name}"), String::new())).collect();
            (found, if is_part { NO_FILES_NO_SPACE } else { NO_FILES })
        }
    };
    let mut text = String::new();
    for (word, help) in found {
        // A name is anybody's; what would end the line or the word is none.
        if word.chars().any(|c| c.is_control() || c.is_whitespace()) {
            continue;
        }
        let help = help.lines().next().unwrap_or_default().replace('\t', " ");
        text.push_str(&if help.is_empty() { format!("{word}\n") } else { format!("{word}\t{help}\n") });
    }
    text.push_str(&format!(":{directive}\n"));
    out.write_all(text.as_bytes()).context("cannot write to stdout")
}

async fn names_of(wanted: Wanted, given: &[(String, String)], begun: &str) -> Vec<String> {
    let value = |flags: &[&str]| {
        let found = given.iter().rev().find(|(flag, _)| flags.contains(&flag.as_str()));
        found.map(|(_, value)| value.clone())
    };
    let cluster = ClusterArgs {
        kubeconfig: value(&["kubeconfig"]).map(Into::into),
        context: value(&["context"]),
        cluster: value(&["cluster"]),
        user: value(&["user"]),
        impersonate: value(&["as"]),
        impersonate_groups: value(&["as-group"]).into_iter().collect(),
        request_timeout: Duration::from_secs(2),
    };
    match wanted {
        Wanted::Cluster(wanted) => match cluster.connect(value(&["namespace", "n"])).await {
            Ok((client, namespace)) => names(client, &namespace, wanted, begun).await,
            Err(_) => Vec::new(),
        },
        _ => {
            let read = match &cluster.kubeconfig {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            let Ok(read) = read else { return Vec::new() };
            let mut all: Vec<String> = match wanted {
                Wanted::Clusters => read.clusters.into_iter().map(|it| it.name).collect(),
                Wanted::Users => read.auth_infos.into_iter().map(|it| it.name).collect(),
                _ => read.contexts.into_iter().map(|it| it.name).collect(),
            };
            all.retain(|name| name.starts_with(begun));
            all.sort();
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use expect_test::{Expect, expect};

    use super::*;
    use crate::args::Args;
    use crate::args::people::PluginArgs;

    #[track_caller]
    fn check(words: &[&str], expected: Expect) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (found, given) = candidates(&PluginArgs::command(), &words);
        let found = match found {
            Candidates::Words(words) => words.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" "),
            other => format!("{other:?}"),
        };
        expected.assert_eq(&format!("{found} {given:?}"));
    }

    #[test]
    fn commands_flags_and_values_come_from_the_command_line_itself() {
        check(&["e"], expect!["explain events []"]);
        check(&["events", "--w"], expect!["--watch []"]);
        check(&["plan", "-o", ""], expect!["text json diff []"]);
        check(&["plan", "--output=j"], expect!["--output=json []"]);
        check(&["plan", "-f", ""], expect!["Files []"]);
        check(&["secrets", "demo", ""], expect![" []"]);
    }

    #[test]
    fn names_are_asked_of_the_cluster_that_the_flags_name() {
        check(
            &["secrets", "--context", "test", "de"],
            expect![[r#"Names(Cluster(ImagePullSecrets), "", "de") [("context", "test")]"#]],
        );
        check(
            &["explain", "-n", "shop", "pod/w"],
            expect![[r#"Names(Cluster(Targets), "", "pod/w") [("namespace", "shop")]"#]],
        );
        check(
            &["explain", "--namespace=sh"],
            expect![[r#"Names(Cluster(Namespaces), "--namespace=", "sh") []"#]],
        );
        check(&["status", "--context", "t"], expect![[r#"Names(Contexts, "", "t") []"#]]);
    }

    #[test]
    fn every_command_that_is_shown_is_completed() {
        for root in [Args::command(), PluginArgs::command()] {
            let (Candidates::Words(words), _) = candidates(&root, &[String::new()]) else { panic!() };
            let shown = root.get_subcommands().filter(|it| !it.is_hide_set());
            assert_eq!(words.len(), shown.count());
            assert!(words.iter().all(|(_, about)| !about.is_empty()));
        }
    }
}
