//! The policy's settings, from where each is declared: rows for people, the chart's schema, and the page's module.

use std::fmt::Write as _;

use policy::declared::{
    DESCRIPTIONS, Description, Form, REGISTRY_DESCRIPTIONS, REGISTRY_SETTINGS, SETTINGS, Setting,
    TENANT_DESCRIPTIONS, TENANT_SETTINGS,
};

/// The head of the table in `policy/README.md`, which ends with an empty line.
const TABLE: &str = "| Setting | Default | Meaning |\n|---|---|---|\n";
/// How the schemas of the chart's values under `policy` and of an entry of `tenants` begin, and how both end.
const POLICY: &str = "    \"policy\": {\n";
const TENANT: &str = "    \"tenant\": {\n";
const SCHEMA_END: &str = "\n    },\n";
/// What of the chart's values under `policy` is no setting.
const MODE: &str = "\"mode\": {\n  \"enum\": [\n    \"protect\",\n    \"monitor\"\n  ]\n}";

/// Name, default and meaning of each setting, those of an entry of `registries` or `tenants` behind it.
pub(super) fn rows() -> Vec<[String; 3]> {
    let row =
        |name: String, it: &Description| [format!("`{name}`"), it.default.to_owned(), it.meaning.to_owned()];
    let mut rows = Vec::new();
    for (Setting { name, form }, description) in SETTINGS.iter().zip(DESCRIPTIONS) {
        rows.push(row((*name).to_owned(), description));
        let (settings, descriptions) = match form {
            Form::Registries => (REGISTRY_SETTINGS, REGISTRY_DESCRIPTIONS),
            Form::Tenants => (TENANT_SETTINGS, TENANT_DESCRIPTIONS),
            _ => continue,
        };
        let entries = settings.iter().zip(descriptions);
        rows.extend(entries.map(|(it, description)| row(format!("{name}[].{}", it.name), description)));
    }
    rows
}

/// `policy/README.md` with the table of today.
pub(super) fn readme(text: &str) -> Result<String, String> {
    let mut table = String::from(TABLE);
    for row in rows() {
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    replaced(text, TABLE, "\n\n", table.trim_end_matches('\n'))
}

/// The schema of the chart's values with the settings of today.
pub(super) fn chart_schema(text: &str) -> Result<String, String> {
    let mut properties = vec![MODE.to_owned()];
    properties.extend(chart_properties(SETTINGS, DESCRIPTIONS));
    let text = replaced(text, POLICY, SCHEMA_END, &object_schema(POLICY, &properties, &[]))?;
    let properties: Vec<String> = chart_properties(TENANT_SETTINGS, TENANT_DESCRIPTIONS).collect();
    let required = TENANT_SETTINGS.iter().zip(TENANT_DESCRIPTIONS).filter(|(_, it)| it.default == "required");
    let required: Vec<&str> = required.map(|(setting, _)| setting.name).collect();
    replaced(&text, TENANT, SCHEMA_END, &object_schema(TENANT, &properties, &required))
}

fn chart_properties(
    settings: &'static [Setting],
    descriptions: &'static [Description],
) -> impl Iterator<Item = String> {
    let declared = settings.iter().zip(descriptions).filter(|(_, description)| description.is_in_chart);
    declared.map(|(Setting { name, form }, _)| format!("\"{name}\": {}", schema(*form)))
}

/// Begins with `start`, and ends before what ends it.
fn object_schema(start: &str, properties: &[String], required: &[&str]) -> String {
    let properties = properties.join(",\n").replace('\n', "\n        ");
    let mut block = format!(
        "{start}      \"type\": \"object\",\n      \"additionalProperties\": false,\n      \"properties\": {{\n        \
         {properties}\n      }}"
    );
    if !required.is_empty() {
        let names: Vec<String> = required.iter().map(|name| format!("        \"{name}\"")).collect();
        let _ = write!(block, ",\n      \"required\": [\n{}\n      ]", names.join(",\n"));
    }
    block
}

/// What JSON schema says of a form. The chart has definitions of what several of its values hold.
fn schema(form: Form) -> String {
    let list = |items: &str| format!("{{\n  \"type\": \"array\",\n  \"items\": {{\n{items}\n  }}\n}}");
    let reference = |name: &str| format!("{{\n  \"$ref\": \"#/definitions/{name}\"\n}}");
    match form {
        Form::Registries => list("    \"$ref\": \"#/definitions/registry\""),
        Form::Boolean => "{\n  \"type\": \"boolean\"\n}".to_owned(),
        Form::Word(words) => {
            let is_read_as_false = words.contains(&"off");
            let about = if is_read_as_false {
                "  \"description\": \"YAML reads a bare off as false\",\n"
            } else {
                ""
            };
            let mut values = Vec::new();
            for word in words {
                values.push(format!("    \"{word}\""));
                values.extend((*word == "off").then(|| "    false".to_owned()));
            }
            format!("{{\n{about}  \"enum\": [\n{}\n  ]\n}}", values.join(",\n"))
        }
        Form::Domains => reference("roots"),
        Form::UserNames | Form::Roles => list("    \"type\": \"string\",\n    \"minLength\": 1"),
        Form::Hosts => list("    \"$ref\": \"#/definitions/host\""),
        Form::ClusterId | Form::Region | Form::NameList => "{\n  \"type\": \"string\"\n}".to_owned(),
        Form::Name => reference("objectName"),
        Form::LabelSelector => reference("labelSelector"),
        Form::Tenants => list("    \"$ref\": \"#/definitions/tenant\""),
        Form::Text => "{\n  \"type\": \"string\",\n  \"minLength\": 1\n}".to_owned(),
        Form::Beginnings => list(
            "    \"type\": \"string\",\n    \"description\": \"a name, or the beginning of names before a *\",\n    \
             \"pattern\": \"^(\\\\*|[^*?!, ]+\\\\*?)$\"",
        ),
        Form::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("      \"{word}\"")).collect();
            list(&format!("    \"enum\": [\n{}\n    ]", words.join(",\n")))
        }
        Form::Labels => reference("stringMap"),
    }
}

/// The module of the page.
pub(super) fn web_module() -> String {
    let mut module = String::from(
        "/** The policy's settings. Printed by `./justw generate` from policy/src/settings/declared.rs; change it there. */\n",
    );
    module.push_str(
        "\n/** Every setting, in the order in which they are documented. */\nexport const SETTINGS = [\n",
    );
    for Setting { name, .. } in SETTINGS {
        let _ = writeln!(module, "  \"{name}\",");
    }
    module.push_str("] as const;\n\n/** What those that are a choice may say. */\nexport const WORDS = {\n");
    for Setting { name, form } in SETTINGS {
        if let Form::Word(words) = form {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let _ = writeln!(module, "  {name}: [{}],", words.join(", "));
        }
    }
    module.push_str("} as const;\n");
    module
}

/// The text with `part` in the place of what begins with `start` and ends before `end`.
fn replaced(text: &str, start: &str, end: &str, part: &str) -> Result<String, String> {
    let found = text.split_once(start).and_then(|(before, rest)| {
        let at = rest.find(end)?;
        Some(format!("{before}{part}{}", rest.get(at..)?))
    });
    found.ok_or_else(|| {
        format!("there is no part that begins with {:?}", start.lines().next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_is_replaced() {
        let text = "a\n| Setting | Default | Meaning |\n|---|---|---|\n| `old` | x | y |\n\nb\n\nc\n";
        let page = readme(text).unwrap();
        assert!(
            page.starts_with("a\n| Setting |") && page.ends_with(" |\n\nb\n\nc\n") && !page.contains("`old`")
        );
        assert!(page.contains("| `registries[].name` | required | Name of the ImagePullSecret;"), "{page}");
        assert!(readme("nothing").is_err());
    }

    #[test]
    fn every_setting_is_described() {
        assert_eq!(SETTINGS.len(), DESCRIPTIONS.len());
        assert!(rows().iter().all(|[_, _, meaning]| meaning.ends_with('.')), "{:?}", rows());
    }
}
