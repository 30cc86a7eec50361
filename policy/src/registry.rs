//! Registries: which Pods get whose Secret. An entry of the settings and an ImagePullSecret of the cluster
//! have the same meaning, and only those that concern a request are parsed in full.

use std::borrow::Cow;

use tcr::image_ref::host_of;
use tcr::label_selector::LabelSelector;
use tcr::name_list::{NameList, NameListError};
use tcr::names::{SECRET_PREFIX, derived_secret_name};
use tcr::pull_rights::may_pull;
use tcr::selection::Selection;

use crate::json::{self, Malformed, Scanner, Span};
use crate::selector;
use crate::text_set::TextSet;

#[cfg(test)]
mod tests;

/// A registry that the request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    /// Name of the ImagePullSecret.
    pub(crate) name: String,
    /// Name of the Secret.
    pub(crate) secret: String,
    /// Whether it is an ImagePullSecret of the cluster; else it is an entry of the settings.
    pub(crate) discovered: bool,
    /// The wanted hosts that are this registry's.
    pub(crate) hosts: Vec<String>,
    /// The registry namespaces that its credential pulls from; without any it pulls from all of the registry.
    pub(crate) registry_namespaces: Vec<String>,
    /// Whom the Secret is for.
    pub(crate) selection: Selection,
}

/// Which registries a request is about: those with one of the hosts or one of the names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'w> {
    /// Hosts of the request's images, as they are written.
    pub(crate) hosts: &'w [&'w str],
    /// Names of registries whose Secrets the request mentions, in their order.
    pub(crate) names: &'w [&'w str],
    /// Id of a TCR instance that the request is about.
    pub(crate) instance: Option<&'w str>,
    /// Every registry, whatever its hosts and name.
    pub(crate) all: bool,
}

/// A registry as it is written: an entry of the settings, or an ImagePullSecret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry<'a> {
    /// Its place in the list.
    pub(crate) index: usize,
    name: Cow<'a, str>,
    /// Which of the wanted hosts are this registry's.
    hosts: Vec<String>,
    /// Whether it names any host at all.
    names_host: bool,
    namespaces: Cow<'a, str>,
    service_accounts: Cow<'a, str>,
    namespace_selector: Option<Span>,
    instance: Cow<'a, str>,
    deleting: bool,
    /// It asks for no credential, so that there is no Secret of it.
    without_credential: bool,
    registry_namespaces: Vec<String>,
    discovered: bool,
}

/// A field of an entry that cannot be used, and why.
pub(crate) type Unusable = (&'static str, String);

/// An image with its host, which is looked for once and not for each registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'i> {
    /// The image as it is written.
    pub(crate) reference: &'i str,
    /// Its registry host as it is written.
    pub(crate) host: &'i str,
}

impl<'i> Image<'i> {
    /// Each of these.
    pub(crate) fn all(references: &'i [Cow<'_, str>]) -> Vec<Self> {
        references.iter().map(|reference| Self { reference, host: host_of(reference) }).collect()
    }
}

impl Registry {
    /// Those of `images` that are of this registry, and that its credential may pull.
    pub(crate) fn images<'i>(&self, images: &[Image<'i>]) -> impl Iterator<Item = &'i str> {
        images.iter().filter(|image| self.pulls(**image)).map(|image| image.reference)
    }

    /// Whether an image is of this registry, and its credential may pull it.
    pub(crate) fn pulls(&self, image: Image<'_>) -> bool {
        self.has(image.host) && may_pull(&self.registry_namespaces, image.reference)
    }

    /// Whether a wanted host is this registry's.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

impl Wanted<'_> {
    fn matching(&self, host: &str, matched: &mut Vec<String>) {
        if self.hosts.iter().any(|wanted| wanted.eq_ignore_ascii_case(host)) {
            matched.push(host.to_ascii_lowercase());
        }
    }

    /// Whether an entry with this string in it, as it is written, may be wanted. None without such a
    /// string is.
    fn may_be(&self, string: &[u8]) -> bool {
        self.hosts.iter().any(|host| string.eq_ignore_ascii_case(host.as_bytes()))
            || self.names.binary_search_by(|name| name.as_bytes().cmp(string)).is_ok()
            || self.instance.is_some_and(|instance| string == instance.as_bytes())
    }

    /// Calls `read` with each element of a list that may be wanted, and its index.
    fn each<'a>(
        &self,
        list: &mut Scanner<'a>,
        mut read: impl FnMut(usize, &mut Scanner<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut index = 0;
        list.array(|element| {
            if self.all || !element.pass_unless(|string| self.may_be(string))? {
                read(index, element)?;
            }
            index += 1;
            Ok(())
        })?;
        Ok(())
    }

    fn takes(&self, entry: &Entry<'_>) -> bool {
        !entry.deleting
            && !entry.without_credential
            && !entry.name.is_empty()
            && (self.all
                || !entry.hosts.is_empty()
                || self.names.binary_search(&entry.name.as_ref()).is_ok()
                || self.instance.is_some_and(|wanted| entry.instance == wanted))
    }
}

impl<'a> Entry<'a> {
    /// Reads the list of the setting `registries` and keeps what is wanted.
    pub(crate) fn in_settings(
        scanner: &mut Scanner<'a>,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Self>, Malformed> {
        let mut entries = Vec::new();
        wanted.each(scanner, |index, element| {
            let entry = Self::of_setting(index, element, wanted)?;
            if wanted.takes(&entry) {
                entries.push(entry);
            }
            Ok(())
        })?;
        Ok(entries)
    }

    /// Reads one entry of the setting `registries`.
    pub(crate) fn of_setting(
        index: usize,
        scanner: &mut Scanner<'a>,
        wanted: &Wanted<'_>,
    ) -> Result<Self, Malformed> {
        let mut entry = Entry { index, ..Entry::default() };
        scanner.object(|key, value| {
            match key {
                b"name" => entry.name = value.string_or_empty()?,
                b"hosts" => {
                    entry.hosts.clear();
                    value.array(|host| {
                        if let Some(host) = host.string()? {
                            wanted.matching(&host, &mut entry.hosts);
                        }
                        Ok(())
                    })?;
                }
                _ => entry.read_selection(key, value)?,
            }
            Ok(())
        })?;
        Ok(entry)
    }

    /// Reads a list of ImagePullSecrets and keeps what is wanted.
    pub(crate) fn in_cluster(scanner: &mut Scanner<'a>, wanted: &Wanted<'_>) -> Result<Vec<Self>, Malformed> {
        let mut entries = Vec::new();
        scanner.at_path(&["items"], |items| {
            entries.clear();
            wanted.each(items, |index, item| {
                let (entry, _) = Self::of_object(index, item, wanted)?;
                if wanted.takes(&entry) {
                    entries.push(entry);
                }
                Ok(())
            })
        })?;
        Ok(entries)
    }

    /// Calls `each_host` with every host in a list of ImagePullSecrets, except those of objects that are
    /// being deleted or ask for no credential, and with `None` for an object whose hosts are not known yet.
    pub(crate) fn hosts_in_cluster(
        scanner: &mut Scanner<'a>,
        mut each_host: impl FnMut(Option<&str>),
    ) -> Result<(), Malformed> {
        scanner.at_path(&["items"], |items| {
            items.array(|item| {
                let (entry, hosts) = Self::of_object(0, item, &Wanted::default())?;
                if !entry.deleting && !entry.without_credential {
                    hosts.iter().for_each(|host| each_host(Some(host)));
                    if !entry.names_host {
                        each_host(None);
                    }
                }
                Ok(())
            })
        })?;
        Ok(())
    }

    fn of_object(
        index: usize,
        scanner: &mut Scanner<'a>,
        wanted: &Wanted<'_>,
    ) -> Result<(Self, Vec<Cow<'a, str>>), Malformed> {
        let mut entry = Entry { index, discovered: true, ..Entry::default() };
        let (mut server, mut domains, mut resolved) = (Cow::default(), Vec::new(), Vec::new());
        scanner.object(|key, value| {
            match key {
                b"metadata" => {
                    value.object(|key, value| {
                        match key {
                            b"name" => entry.name = value.string_or_empty()?,
                            b"deletionTimestamp" => entry.deleting = value.string()?.is_some(),
                            _ => value.pass()?,
                        }
                        Ok(())
                    })?;
                }
                b"spec" => {
                    value.object(|key, value| {
                        match key {
                            b"docker" => {
                                server =
                                    value.at_path(&["server"], Scanner::string_or_empty)?.unwrap_or_default()
                            }
                            b"tcr" => {
                                value.object(|key, value| {
                                    match key {
                                        b"instanceId" => entry.instance = value.string_or_empty()?,
                                        b"domains" | b"aliases" => domains.append(&mut strings(value)?),
                                        b"credential" => {
                                            entry.read_credential(value)?;
                                        }
                                        _ => value.pass()?,
                                    }
                                    Ok(())
                                })?;
                            }
                            _ => entry.read_selection(key, value)?,
                        }
                        Ok(())
                    })?;
                }
                // What `default` and `vpc` mean for an instance only the controller finds out.
                b"status" => resolved = value.at_path(&["hosts"], strings)?.unwrap_or_default(),
                _ => value.pass()?,
            }
            Ok(())
        })?;
        entry.names_host = !server.is_empty() || !resolved.is_empty();
        let mut hosts = resolved;
        hosts.extend(domains.into_iter().filter(|domain| domain != "default" && domain != "vpc"));
        hosts.extend((!server.is_empty()).then_some(server));
        for host in &hosts {
            wanted.matching(host, &mut entry.hosts);
        }
        Ok((entry, hosts))
    }

    fn read_credential(&mut self, value: &mut Scanner<'a>) -> Result<(), Malformed> {
        let mut kind = Cow::default();
        value.object(|key, value| {
            match key {
                b"type" => kind = value.string_or_empty()?,
                b"registryNamespaces" => {
                    self.registry_namespaces.clear();
                    value.array(|name| {
                        if let Some(name) = name.string()? {
                            self.registry_namespaces.push(name.into_owned());
                        }
                        Ok(())
                    })?;
                }
                _ => value.pass()?,
            }
            Ok(())
        })?;
        self.without_credential = kind == "none";
        // Whatever else pulls all that its identity may.
        if kind != "serviceAccount" {
            self.registry_namespaces.clear();
        }
        Ok(())
    }

    fn read_selection(&mut self, key: &[u8], value: &mut Scanner<'a>) -> Result<(), Malformed> {
        match key {
            b"namespaces" => self.namespaces = value.string_or_empty()?,
            b"serviceAccounts" => self.service_accounts = value.string_or_empty()?,
            b"namespaceSelector" => {
                let is_object = value.peek() == Some(b'{');
                let span = value.skip()?;
                self.namespace_selector = is_object.then_some(span);
            }
            _ => value.pass()?,
        }
        Ok(())
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name
    }

    /// The registry, with its lists and selector parsed. `source` is the scanned text.
    pub(crate) fn into_registry(self, source: &[u8]) -> Result<Registry, Unusable> {
        let namespaces = names("namespaces", &self.namespaces)?;
        let service_accounts = names("serviceAccounts", &self.service_accounts)?;
        let namespace_selector = match self.namespace_selector {
            Some(span) => Some(selector(span.of(source)).map_err(|problem| ("namespaceSelector", problem))?),
            None => None,
        };
        Ok(Registry {
            secret: derived_secret_name(&self.name),
            name: self.name.into_owned(),
            discovered: self.discovered,
            hosts: self.hosts,
            registry_namespaces: self.registry_namespaces,
            selection: Selection { namespaces, service_accounts, namespace_selector },
        })
    }
}

fn selector(text: &[u8]) -> Result<LabelSelector, String> {
    let value = json::value(text).map_err(|malformed| malformed.to_string())?;
    let (selector, problems) = selector::read(&value);
    match problems.into_iter().next() {
        None => Ok(selector),
        Some((field, problem)) => Err(format!("{} {problem}", field.trim_start_matches('.'))),
    }
}

fn names(field: &'static str, text: &str) -> Result<NameList, Unusable> {
    text.parse().map_err(|error: NameListError| (field, error.to_string()))
}

/// The distinct hosts of images, as they are written.
pub(crate) fn hosts_of<'i>(images: &[Image<'i>]) -> TextSet<'i> {
    images.iter().map(|image| image.host).collect()
}

/// The names of the registries that Secrets are named after.
pub(crate) fn names_of<'s>(secrets: impl Iterator<Item = &'s str>) -> TextSet<'s> {
    secrets.filter_map(|secret| secret.strip_prefix(SECRET_PREFIX)).collect()
}

/// The strings of a list.
pub(crate) fn strings<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Cow<'a, str>>, Malformed> {
    let mut strings = Vec::new();
    scanner.array(|element| {
        strings.extend(element.string()?);
        Ok(())
    })?;
    Ok(strings)
}
