//! What `validate_settings` finds: every mistake at once, each with its path and value.

use serde_json::{Map, Value};
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::region::is_region;
use tcr::registry_host::RegistryHost;
use tcr::rules::{RuleContext, check};
use tcr::sentence::joined;

use super::declared::{Form, NAMES, REGISTRY_NAMES, SETTINGS, Setting, TENANT_NAMES, TENANT_SETTINGS};
use super::not_one_of;
use crate::selector::{self, present, unknown_field};

/// Every mistake, in the order of the fields. `null` stands for a field's default, because that
/// is what YAML makes of a field without a value.
pub(super) fn mistakes(settings: &Value) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    match settings {
        Value::Null => {}
        Value::Object(settings) => mistakes.of_settings("", settings, NAMES, SETTINGS),
        other => mistakes.is_not("settings", other, "an object"),
    }
    mistakes.0
}

/// What an entry of `allowedRoles` is.
const ROLE: &str = "a role, such as qcs::cam::uin/NUMBER:roleName/NAME";
/// What an entry of a tenant's lists is.
const BEGINNING: &str = "a name, nor the beginning of names before a *";

fn is_beginning(text: &str) -> bool {
    let beginning = text.strip_suffix('*').unwrap_or(text);
    !text.is_empty() && !beginning.contains(['*', '?', '!', ',', ' '])
}

#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn add(&mut self, path: &str, problem: &str) {
        self.0.push(format!("{path}: {problem}"));
    }

    /// Says what a value is not.
    fn is_not(&mut self, path: &str, value: &Value, what: &str) {
        self.add(path, &format!("{} is not {what}", shown(value)));
    }

    /// `declared` are the settings that there are at `path`, and `names` their names.
    fn of_settings(
        &mut self,
        path: &str,
        settings: &Map<String, Value>,
        names: &[&str],
        declared: &[Setting],
    ) {
        self.unknown_fields(path, settings, names);
        for Setting { name, form } in declared {
            let Some(value) = present(settings, name) else { continue };
            let path = inside(path, name);
            let name = path.as_str();
            let elements = value.as_array().map_or(&[][..], Vec::as_slice);
            let list = (value.is_array(), "a list");
            let (is_right, what) = match form {
                Form::Registries => {
                    self.of_registries(elements);
                    list
                }
                Form::Tenants => {
                    self.of_tenants(elements);
                    list
                }
                Form::Domains => {
                    self.domains(name, elements);
                    list
                }
                Form::Beginnings => {
                    self.each(name, elements, BEGINNING, is_beginning);
                    list
                }
                Form::UserNames => {
                    self.each(name, elements, "a user name", |text| !text.trim().is_empty());
                    list
                }
                Form::Roles => {
                    self.each(name, elements, ROLE, |text| text.starts_with("qcs::cam::uin/"));
                    list
                }
                Form::Words(words) => {
                    elements.iter().for_each(|value| self.word(name, value, words));
                    list
                }
                Form::Word(words) => {
                    self.word(name, value, words);
                    continue;
                }
                Form::Text => (value.is_string(), "a string"),
                Form::Boolean => (value.is_boolean(), "true or false"),
                Form::Labels => {
                    let labels = value.as_object();
                    let are_texts = labels.is_some_and(|labels| labels.values().all(Value::is_string));
                    (are_texts, "a map of labels to their values")
                }
                Form::ClusterId => {
                    let is_id = value.as_str().is_some_and(|id| id.is_empty() || id.starts_with("cls-"));
                    (is_id, "a cluster's id, such as \"cls-1a2b3c4d\"")
                }
                Form::Region => {
                    let is_region = value.as_str().is_some_and(|it| it.is_empty() || is_region(it));
                    (is_region, "a region, such as \"ap-guangzhou\"")
                }
                // Settings of an entry of `registries`, which are judged with the entry.
                Form::Name | Form::Hosts | Form::NameList | Form::LabelSelector => continue,
            };
            if !is_right {
                self.is_not(name, value, what);
            }
        }
    }

    fn domains(&mut self, field: &str, domains: &[Value]) {
        for (path, root) in self.strings(field, domains) {
            match root.parse::<RegistryHost>() {
                Ok(host) if host.port().is_some() => {
                    self.add(&path, &format!("{root:?} has a port, and a root domain has none"));
                }
                Ok(_) => {}
                Err(error) => self.add(&path, &format!("{root:?} is not a domain: {}", error.reason)),
            }
        }
    }

    /// Says which texts of a list are not what they have to be.
    fn each(&mut self, field: &str, values: &[Value], what: &str, is_one: fn(&str) -> bool) {
        for (path, text) in self.strings(field, values) {
            if !is_one(text) {
                self.add(&path, &format!("{text:?} is not {what}"));
            }
        }
    }

    /// The path of an entry of a list, and its fields.
    fn entry<'v>(
        &mut self,
        list: &str,
        index: usize,
        entry: &'v Value,
    ) -> (String, Option<&'v Map<String, Value>>) {
        let path = format!("{list}[{index}]");
        if !entry.is_object() {
            self.is_not(&path, entry, "an object");
        }
        (path, entry.as_object())
    }

    fn of_tenants(&mut self, tenants: &[Value]) {
        for (index, tenant) in tenants.iter().enumerate() {
            let (path, Some(tenant)) = self.entry("tenants", index, tenant) else { continue };
            self.of_settings(&path, tenant, TENANT_NAMES, TENANT_SETTINGS);
            for (field, other) in NEEDED_OF_TENANTS {
                if [field, other].into_iter().all(|field| is_empty(present(tenant, field))) {
                    self.add(&inside(&path, field), "is empty");
                }
            }
        }
    }

    fn of_registries(&mut self, registries: &[Value]) {
        let mut names: Vec<&str> = Vec::new();
        for (index, registry) in registries.iter().enumerate() {
            let (path, Some(registry)) = self.entry("registries", index, registry) else {
                names.push("");
                continue;
            };
            self.unknown_fields(&path, registry, REGISTRY_NAMES);
            let name = self.string(&path, registry, "name").unwrap_or_default();
            if let Some(first) = names.iter().position(|other| !name.is_empty() && *other == name) {
                self.add(
                    &inside(&path, "name"),
                    &format!("{name:?} is already the name of registries[{first}]"),
                );
            }
            names.push(name);
            self.of_hosts(&path, registry);
            self.of_selection(&path, name, registry);
        }
    }

    fn of_hosts(&mut self, path: &str, registry: &Map<String, Value>) {
        let path = format!("{path}.hosts");
        let hosts = match present(registry, "hosts") {
            Some(Value::Array(hosts)) if !hosts.is_empty() => hosts,
            Some(Value::Array(_)) | None => {
                return self
                    .add(&path, "names no host; list the registry's hosts, such as demo.tencentcloudcr.com");
            }
            Some(other) => return self.is_not(&path, other, "a list"),
        };
        for (index, host) in hosts.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match host.as_str().map(str::parse::<RegistryHost>) {
                Some(Ok(_)) => {}
                Some(Err(error)) => self.add(&path, &error.to_string()),
                None => self.is_not(&path, host, "a string"),
            }
        }
    }

    /// An entry says what an ImagePullSecret says, so it obeys the same rules.
    fn of_selection(&mut self, path: &str, name: &str, registry: &Map<String, Value>) {
        let namespace_selector = present(registry, "namespaceSelector").map(|value| {
            let (selector, problems) = selector::read(value);
            for (field, problem) in problems {
                self.add(&format!("{path}.namespaceSelector{field}"), &problem);
            }
            selector
        });
        let spec = ImagePullSecretSpec {
            namespaces: self.string(path, registry, "namespaces").unwrap_or_default().to_owned(),
            service_accounts: self.string(path, registry, "serviceAccounts").unwrap_or_default().to_owned(),
            namespace_selector,
            ..ImagePullSecretSpec::default()
        };
        for finding in check(name, &spec, &RuleContext::default()).errors {
            // What the entry has no field for is not its mistake.
            let Some((_, field)) = finding.field.split_once('.') else { continue };
            self.add(&inside(path, field), &finding.message);
        }
    }

    fn unknown_fields(&mut self, path: &str, object: &Map<String, Value>, known: &[&str]) {
        for field in object.keys().filter(|field| !known.contains(&field.as_str())) {
            let path = inside(path, field);
            self.add(&path, &unknown_field(field, known));
        }
    }

    fn word(&mut self, field: &str, value: &Value, words: &[&str]) {
        match value {
            Value::String(word) if words.contains(&word.as_str()) => {}
            Value::String(word) => self.add(field, &not_one_of(word, words)),
            other => self.is_not(field, other, &format!("one of {}", joined(words, ", "))),
        }
    }

    fn string<'v>(&mut self, path: &str, object: &'v Map<String, Value>, field: &str) -> Option<&'v str> {
        let value = present(object, field)?;
        if !value.is_string() {
            self.is_not(&inside(path, field), value, "a string");
        }
        value.as_str()
    }

    /// The strings of a list, with their paths.
    fn strings<'v>(&mut self, field: &str, values: &'v [Value]) -> Vec<(String, &'v str)> {
        let mut strings = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = format!("{field}[{index}]");
            match value.as_str() {
                Some(text) => strings.push((path, text)),
                None => self.is_not(&path, value, "a string"),
            }
        }
        strings
    }
}

/// The path of a field of what is at a path, which is empty for the settings themselves.
fn inside(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Of each pair an entry of `tenants` has one.
const NEEDED_OF_TENANTS: [(&str, &str); 4] = [
    ("name", "name"),
    ("users", "groups"),
    ("namespaces", "namespaceLabels"),
    ("registryNamespaces", "registryNamespaces"),
];

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        other => other.is_none(),
    }
}

/// A value as a mistake shows it, not longer than a line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        // Not Number's own Display: the tables it prints fractions with are 10 KB of wasm.
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.to_string(),
            (_, Some(number)) => number.to_string(),
            _ => "a fraction".to_owned(),
        },
        Value::String(text) => format!("{:?}", crate::verdict::short(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
