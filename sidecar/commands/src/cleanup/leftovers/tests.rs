use super::*;
use distribution::{Account, Desired, Observed, SeenSecret, Version, plan};

fn namespace(accounts: &[(&str, &[&str])], secrets: &[&str]) -> Namespace {
    let account = |(name, references): &(&str, &[&str])| {
        let references = references.iter().map(|name| (*name).into()).collect();
        ((*name).to_owned(), Account { resource_version: "7".into(), references, has_list: true })
    };
    let secret = |name: &&str| {
        let ours = SeenSecret::Ours {
            uid: "u1".into(),
            version: Version(1),
            digest: None,
            labelled: true,
            mendable: true,
            marked: true,
            unread: true,
        };
        ((*name).to_owned(), ours)
    };
    let mut observed = Observed::default();
    let seen = observed.entry("shop");
    seen.exists = true;
    seen.accounts = accounts.iter().map(account).collect();
    seen.secrets = secrets.iter().map(secret).collect();
    seen.clone()
}

#[track_caller]
fn check(seen: &Namespace, refused: &[(TargetKind, &str)], expected: &[&str]) {
    let refused =
        refused.iter().map(|(kind, name)| ((*kind, (*name).to_owned()), "denied".to_owned())).collect();
    let left = left(seen, plan("shop", seen, &Desired::default()), &refused, "it was not tried");
    let line = |it: &Left| {
        let word = if it.is_refused { "failed" } else { "left" };
        format!("{} {} of {} {word}: {}", it.kind.as_str(), it.name, it.image_pull_secrets.join(","), it.why)
    };
    assert_eq!(left.iter().map(line).collect::<Vec<_>>(), expected);
}

#[test]
fn each_thing_that_is_left_is_named_with_what_keeps_it() {
    let refers: &[&str] = &["tcr.ipsa"];
    check(
        &namespace(&[("argocd-manager", refers), ("default", &[])], &["tcr.ipsa"]),
        &[(TargetKind::ServiceAccount, "argocd-manager")],
        &[
            "ServiceAccount argocd-manager of a failed: denied",
            "Secret tcr.ipsa of a left: ServiceAccount argocd-manager still refers to it",
        ],
    );
    check(
        &namespace(&[("one", refers), ("three", refers), ("two", refers)], &["tcr.ipsa", "tcr.ipsb"]),
        &[(TargetKind::ServiceAccount, "one"), (TargetKind::Secret, "tcr.ipsb")],
        &[
            "ServiceAccount one of a failed: denied",
            "ServiceAccount three of a left: it was not tried",
            "ServiceAccount two of a left: it was not tried",
            "Secret tcr.ipsa of a left: ServiceAccounts one and 2 more still refer to it",
            "Secret tcr.ipsb of b failed: denied",
        ],
    );
}

#[test]
fn what_was_written_is_not_left() {
    let mut seen = namespace(&[("default", &["tcr.ipsa"]), ("gone", &["tcr.ipsa"])], &["tcr.ipsa"]);
    apply(
        &[
            Written::Account(distribution::Placed {
                namespace: "shop".into(),
                name: "default".into(),
                seen: Account { resource_version: "8".into(), references: [].into(), has_list: true },
            }),
            Written::AccountGone { name: "gone".to_owned() },
            Written::Secret { name: "tcr.ipsa".to_owned(), seen: None },
        ],
        &mut seen,
    );
    check(&seen, &[], &[]);
}
