//! Every setting, declared once: of this the checks are made, and the README's table, `docs/reference.md`, the chart's
//! schema and the page's choices are printed (`./justw generate`).

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A list of registries, each with the [`REGISTRY_SETTINGS`].
    Registries,
    /// True or false.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of domains without ports.
    Domains,
    /// A list of roles of Tencent Cloud.
    Roles,
    /// A list of user names.
    UserNames,
    /// The id of a cluster; empty for one that has none.
    ClusterId,
    /// A region; empty where nobody knows it.
    Region,
    /// The name of an ImagePullSecret.
    Name,
    /// A list of hosts, at least one.
    Hosts,
    /// Names and globs.
    NameList,
    /// A LabelSelector of Kubernetes.
    LabelSelector,
    /// A list of tenants, each with the [`TENANT_SETTINGS`].
    Tenants,
    /// What a person calls a thing.
    Text,
    /// A list of names, and of beginnings of names that end with `*`.
    Beginnings,
    /// A list of these words.
    Words(&'static [&'static str]),
    /// Labels with their values.
    Labels,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, as it is written.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
}

/// What a person reads about a setting; no part of the wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// What holds where the setting is not given, in Markdown.
    pub default: &'static str,
    /// What it means, in Markdown.
    pub meaning: &'static str,
    /// Whether it is a value under `policy` of the chart, which has the other ones from elsewhere.
    pub is_in_chart: bool,
}

macro_rules! declare {
    (
        $(#[$about:meta])* $settings:ident, $names:ident, $descriptions:ident:
        $($name:literal, $form:expr, default $default:literal, chart $is_in_chart:literal, $meaning:literal;)+
    ) => {
        $(#[$about])*
        pub const $settings: &[Setting] = &[$(Setting { name: $name, form: $form }),+];
        pub(crate) const $names: &[&str] = &[$($name),+];
        /// What a person reads about them, in the same order.
        #[cfg(not(target_family = "wasm"))]
        pub const $descriptions: &[Description] =
            &[$(Description { default: $default, meaning: $meaning, is_in_chart: $is_in_chart }),+];
    };
}

/// What `onDiscoveryFailure` may say.
pub(crate) const DISCOVERY_FAILURE: &[&str] = &["allow", "reject"];
/// What `declared` may say, from the mildest on.
pub(crate) const DECLARED: &[&str] = &["ignore", "warn", "reject"];
/// What `protect` may say, from the mildest on.
pub(crate) const PROTECT: &[&str] = &["off", "warn", "reject"];

declare! {
    /// The settings, in the order in which they are documented and their mistakes are told.
    SETTINGS, NAMES, DESCRIPTIONS:
    "registries", Form::Registries, default "none", chart true,
        "The registries; an entry says what an ImagePullSecret says.";
    "discover", Form::Boolean, default "`false`", chart true,
        "`true`: the cluster's ImagePullSecrets are registries too, after those above; an entry above replaces the object of its name.";
    "onDiscoveryFailure", Form::Word(DISCOVERY_FAILURE), default "`allow`", chart true,
        "What happens when the host cannot list ImagePullSecrets or read a Namespace: `allow` admits with a warning, `reject` refuses with code 503.";
    "declared", Form::Word(DECLARED), default "`warn`", chart true,
        "Templates that repeat a managed Secret, or list only their own for a TCR image: `ignore`, `warn` or `reject`.";
    "protect", Form::Word(PROTECT), default "`warn`", chart true,
        "Changes to managed Secrets and references by others: `off`, `warn` or `reject`.";
    "allowedRoots", Form::Domains, default "`[tencentcloudcr.com]`", chart false,
        "Root domains that registries of ImagePullSecrets must be under.";
    "allowedAliases", Form::Domains, default "none", chart false,
        "Root domains that `spec.tcr.aliases` may be under besides: caches and mirrors, to which the instance's credential is sent.";
    "allowedRoles", Form::Roles, default "none", chart false,
        "Roles (`qcs::cam::uin/NUMBER:roleName/NAME`) that `spec.tcr.roleArn` may name.";
    "controllerUsernames", Form::UserNames,
        default "`[system:serviceaccount:tcr-assistant-system:tcr-assistant-manager]`", chart true,
        "Who may change what is managed, besides Kubernetes' own controllers.";
    "clusterId", Form::ClusterId, default "not judged", chart false,
        "The cluster's id, `cls-...`, which the default description of a credential names. Empty: nobody knows it, so an ImagePullSecret with a long-term credential must describe it.";
    "clusterRegion", Form::Region, default "not judged", chart false,
        "The region that the cluster is in, such as `ap-guangzhou`: an ImagePullSecret of an instance in another one is warned of.";
    "tenants", Form::Tenants, default "everybody's may say anything", chart false,
        "Whose ImagePullSecrets may say what. Where there is an entry, whoever is in none may not write ImagePullSecrets; `controllerUsernames`, Kubernetes' own controllers and the group `system:masters` always may.";
}

declare! {
    /// The fields of an entry of `registries`.
    REGISTRY_SETTINGS, REGISTRY_NAMES, REGISTRY_DESCRIPTIONS:
    "name", Form::Name, default "required", chart true,
        "Name of the ImagePullSecret; the Secret is `tcr.ips<name>`.";
    "hosts", Form::Hosts, default "required", chart true,
        "The registry's hosts, with a port where images have one. A host may be in several entries: each one's Secret is added.";
    "namespaces", Form::NameList, default "all", chart true,
        "`*`, or names and globs joined by commas, `!name` to exclude.";
    "serviceAccounts", Form::NameList, default "all", chart true,
        "The same for ServiceAccounts.";
    "namespaceSelector", Form::LabelSelector, default "all", chart true,
        "A LabelSelector for the Namespace, in addition to `namespaces`.";
}

/// What `conflictPolicies` may say.
const CONFLICT_POLICIES: &[&str] = &["never", "adopt", "overwrite", "*"];

declare! {
    /// The fields of an entry of `tenants`. An ImagePullSecret has to be within one entry, before and after each change.
    TENANT_SETTINGS, TENANT_NAMES, TENANT_DESCRIPTIONS:
    "name", Form::Text, default "required", chart true,
        "What refusals call the tenant.";
    "users", Form::UserNames, default "none", chart true,
        "Its users, such as `system:serviceaccount:team-a:deployer`.";
    "groups", Form::UserNames, default "none", chart true,
        "Groups of users that it has too, such as `system:serviceaccounts:team-a`.";
    "namespaces", Form::Beginnings, default "none", chart true,
        "Names of namespaces that its ImagePullSecrets may select, or beginnings of names, `team-a-*`; `*`: all. Only with `*` may they ask for `privateNetwork.resolve`, because every node gets those entries.";
    "namespaceLabels", Form::Labels, default "none", chart true,
        "Labels that the tenant's namespaces have: with all of them in `namespaceSelector.matchLabels` an ImagePullSecret may select any name.";
    "registryNamespaces", Form::Beginnings, default "required", chart true,
        "Registry namespaces that its service accounts may pull from; other types of credentials, and `docker`, pull whatever their identity may, and need `*`.";
    "instanceIds", Form::Beginnings, default "any", chart true,
        "Instances that it may name.";
    "roleArns", Form::Beginnings, default "none", chart true,
        "Roles that `roleArn` may name, of those in `allowedRoles`.";
    "conflictPolicies", Form::Words(CONFLICT_POLICIES), default "none but `never`", chart true,
        "What `conflictPolicy` may say besides `never`.";
}
