//! What `validate_settings` finds: every mistake at once, each with its path and value.

use serde_json::{Map, Value};
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::registry_host::RegistryHost;
use tcr::rules::{RuleContext, check};
use tcr::sentence::joined;

use super::declared::{Form, NAMES, REGISTRY_NAMES, SETTINGS, Setting};
use super::not_one_of;
use crate::selector::{self, present, unknown_field};

/// Every mistake, in the order of the fields. `null` stands for a field's default, because that
/// is what YAML makes of a field without a value.
pub(super) fn mistakes(settings: &Value) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    match settings {
        Value::Null => {}
        Value::Object(settings) => mistakes.of_settings(settings),
        other => mistakes.add("settings", format!("{} is not an object", shown(other))),
    }
    mistakes.0
}

#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn add(&mut self, path: &str, problem: impl AsRef<str>) {
        self.0.push(format!("{path}: {}", problem.as_ref()));
    }

    fn of_settings(&mut self, settings: &Map<String, Value>) {
        self.unknown_fields("", settings, NAMES);
        for Setting { name, form } in SETTINGS {
            let Some(value) = present(settings, name) else { continue };
            match form {
                Form::Registries => match value.as_array() {
                    Some(registries) => self.of_registries(registries),
                    None => self.add(name, format!("{} is not a list", shown(value))),
                },
                Form::Word(words) => self.word(name, value, words),
                Form::Domains => self.domains(name, value),
                Form::UserNames => self.user_names(name, value),
                Form::Boolean if !value.is_boolean() => {
                    self.add(name, format!("{} is not true or false", shown(value)));
                }
                Form::ClusterId
                    if !value.as_str().is_some_and(|id| id.is_empty() || id.starts_with("cls-")) =>
                {
                    let problem = format!("{} is not a cluster's id, such as \"cls-1a2b3c4d\"", shown(value));
                    self.add(name, problem);
                }
                // A setting of an entry of `registries`, or one that holds what it should.
                _ => {}
            }
        }
    }

    fn domains(&mut self, field: &str, value: &Value) {
        for (path, root) in self.strings(field, value) {
            match root.parse::<RegistryHost>() {
                Ok(host) if host.port().is_some() => {
                    self.add(&path, format!("{root:?} has a port, and a root domain has none"));
                }
                Ok(_) => {}
                Err(error) => self.add(&path, format!("{root:?} is not a domain: {}", error.reason)),
            }
        }
    }

    fn user_names(&mut self, field: &str, value: &Value) {
        for (path, username) in self.strings(field, value) {
            if username.trim().is_empty() {
                self.add(&path, format!("{username:?} is not a user name"));
            }
        }
    }

    fn of_registries(&mut self, registries: &[Value]) {
        let mut names: Vec<&str> = Vec::new();
        for (index, registry) in registries.iter().enumerate() {
            let path = format!("registries[{index}]");
            let Value::Object(registry) = registry else {
                self.add(&path, format!("{} is not an object", shown(registry)));
                names.push("");
                continue;
            };
            self.unknown_fields(&path, registry, REGISTRY_NAMES);
            let name = self.string(&path, registry, "name").unwrap_or_default();
            if let Some(first) = names.iter().position(|other| !name.is_empty() && *other == name) {
                self.add(
                    &format!("{path}.name"),
                    format!("{name:?} is already the name of registries[{first}]"),
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
            Some(other) => return self.add(&path, format!("{} is not a list", shown(other))),
        };
        for (index, host) in hosts.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match host.as_str().map(str::parse::<RegistryHost>) {
                Some(Ok(_)) => {}
                Some(Err(error)) => self.add(&path, error.to_string()),
                None => self.add(&path, format!("{} is not a string", shown(host))),
            }
        }
    }

    /// An entry says what an ImagePullSecret says, so it obeys the same rules.
    fn of_selection(&mut self, path: &str, name: &str, registry: &Map<String, Value>) {
        let namespace_selector = present(registry, "namespaceSelector").map(|value| {
            let (selector, problems) = selector::read(value);
            for (field, problem) in problems {
                self.add(&format!("{path}.namespaceSelector{field}"), problem);
            }
            selector
        });
        let spec = ImagePullSecretSpec {
            namespaces: self.string(path, registry, "namespaces").unwrap_or_default().to_owned(),
            service_accounts: self.string(path, registry, "serviceAccounts").unwrap_or_default().to_owned(),
            namespace_selector,
            ..ImagePullSecretSpec::default()
        };
        let context = RuleContext { allowed_roots: &[], cluster_id: None, description_required: false };
        for finding in check(name, &spec, &context).errors {
            // What the entry has no field for is not its mistake.
            let Some((_, field)) = finding.field.split_once('.') else { continue };
            self.add(&format!("{path}.{field}"), finding.message);
        }
    }

    fn unknown_fields(&mut self, path: &str, object: &Map<String, Value>, known: &[&str]) {
        for field in object.keys().filter(|field| !known.contains(&field.as_str())) {
            let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
            self.add(&path, unknown_field(field, known));
        }
    }

    fn word(&mut self, field: &str, value: &Value, words: &[&str]) {
        match value {
            Value::String(word) if words.contains(&word.as_str()) => {}
            Value::String(word) => self.add(field, not_one_of(word, words)),
            other => self.add(field, format!("{} is not one of {}", shown(other), joined(words, ", "))),
        }
    }

    fn string<'v>(&mut self, path: &str, object: &'v Map<String, Value>, field: &str) -> Option<&'v str> {
        let value = present(object, field)?;
        if !value.is_string() {
            self.add(&format!("{path}.{field}"), format!("{} is not a string", shown(value)));
        }
        value.as_str()
    }

    /// The strings of a list, with their paths.
    fn strings<'v>(&mut self, field: &str, value: &'v Value) -> Vec<(String, &'v str)> {
        let Some(values) = value.as_array() else {
            self.add(field, format!("{} is not a list", shown(value)));
            return Vec::new();
        };
        let mut strings = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = format!("{field}[{index}]");
            match value.as_str() {
                Some(text) => strings.push((path, text)),
                None => self.add(&path, format!("{} is not a string", shown(value))),
            }
        }
        strings
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
