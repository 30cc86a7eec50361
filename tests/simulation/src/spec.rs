//! The specs that an ImagePullSecret may have here, by number.

use tcr::image_pull_secret::{
    ConflictPolicy, CredentialKind, CredentialSpec, Docker, ImagePullSecretSpec, OnDelete, SecretKeyRef, Tcr,
};
use tcr::label_selector::LabelSelector;
use tcr::sensitive::Sensitive;

/// The label that the selectors here ask for.
pub const LABEL: (&str, &str) = ("pulls", "yes");
/// The Secret with the password.
pub const PASSWORD_SECRET: &str = "registry-password";
/// The key of the password in it.
pub const PASSWORD_KEY: &str = "password";

/// What one spec says, in the model's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecChoice {
    /// Where.
    pub places: Places,
    /// Which ServiceAccounts.
    pub accounts: Accounts,
    /// What to do with somebody else's Secret.
    pub policy: ConflictPolicy,
    /// The credential.
    pub login: Login,
}

/// Which namespaces are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// All.
    All,
    /// Only the first.
    First,
    /// All but the first.
    NotFirst,
    /// Those with the label.
    Labelled,
}

/// Which ServiceAccounts are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// All.
    All,
    /// Only `default`.
    Default,
}

/// Where the login comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// A password in the spec.
    Password(usize),
    /// One in a Secret.
    Reference,
    /// A long-term credential of the instance, renewed in time or not.
    Instance {
        /// It is renewed after two hours.
        renewed: bool,
        /// It is revoked with its last user.
        revoked: bool,
    },
    /// A temporary one.
    Temporary,
    /// The spec says something impossible.
    Invalid,
}

/// Passwords that there are; those that begin with `good` are let in.
pub const PASSWORDS: [&str; 4] = ["good-0", "good-1", "bad-2", "good-3"];

/// How many numbers there are.
pub const SPECS: usize = 4 * 2 * 3 * LOGINS;
const LOGINS: usize = 10;

/// What the number says.
pub fn choice(number: usize) -> SpecChoice {
    let (number, login) = (number / LOGINS, number % LOGINS);
    let (number, places) = (number / 4, number % 4);
    let (number, accounts) = (number / 2, number % 2);
    SpecChoice {
        places: [Places::All, Places::First, Places::NotFirst, Places::Labelled][places],
        accounts: [Accounts::All, Accounts::Default][accounts],
        policy: [ConflictPolicy::Never, ConflictPolicy::Adopt, ConflictPolicy::Overwrite][number % 3],
        login: match login {
            0..=3 => Login::Password(login),
            4 => Login::Reference,
            5 => Login::Instance { renewed: false, revoked: false },
            6 => Login::Instance { renewed: false, revoked: true },
            7 => Login::Instance { renewed: true, revoked: true },
            8 => Login::Temporary,
            _ => Login::Invalid,
        },
    }
}

impl SpecChoice {
    /// Whether the namespace is selected.
    pub fn selects(&self, place: usize, label: bool) -> bool {
        match self.places {
            Places::All => true,
            Places::First => place == 0,
            Places::NotFirst => place != 0,
            Places::Labelled => label,
        }
    }

    /// Whether the ServiceAccount is selected.
    pub fn selects_account(&self, index: usize) -> bool {
        self.accounts == Accounts::All || index == 0
    }
}

/// The spec itself, or what is wrong with it.
pub fn spec(number: usize) -> Result<ImagePullSecretSpec, String> {
    let SpecChoice { places, accounts, policy, login } = choice(number);
    let docker = |password: Sensitive, password_secret_ref| Docker {
        server: "demo.tencentcloudcr.com".to_owned(),
        username: "100012345678".to_owned(),
        password,
        password_secret_ref,
    };
    let tcr = |kind, rotate_after: Option<&str>, on_delete| Tcr {
        instance_id: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        credential: CredentialSpec {
            kind,
            rotate_after: rotate_after.map(str::to_owned),
            on_delete: Some(on_delete),
            ..CredentialSpec::default()
        },
        ..Tcr::default()
    };
    let mut spec = ImagePullSecretSpec {
        namespaces: match places {
            Places::All | Places::Labelled => "*",
            Places::First => "shop",
            Places::NotFirst => "!shop",
        }
        .to_owned(),
        service_accounts: if accounts == Accounts::All { "*" } else { "default" }.to_owned(),
        conflict_policy: Some(policy),
        ..ImagePullSecretSpec::default()
    };
    if places == Places::Labelled {
        let mut selector = LabelSelector::default();
        selector.match_labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
        spec.namespace_selector = Some(selector);
    }
    match login {
        Login::Password(number) => spec.docker = Some(docker(Sensitive::new(PASSWORDS[number]), None)),
        Login::Reference => {
            let reference = SecretKeyRef { name: PASSWORD_SECRET.to_owned(), key: PASSWORD_KEY.to_owned() };
            spec.docker = Some(docker(Sensitive::default(), Some(reference)));
        }
        Login::Instance { renewed, revoked } => {
            let on_delete = if revoked { OnDelete::Revoke } else { OnDelete::Retain };
            spec.tcr = Some(tcr(CredentialKind::Longterm, renewed.then_some("2h"), on_delete));
        }
        Login::Temporary => spec.tcr = Some(tcr(CredentialKind::Temp, None, OnDelete::Retain)),
        Login::Invalid => return Err("spec: exactly one of docker and tcr must be set".to_owned()),
    }
    Ok(spec)
}
