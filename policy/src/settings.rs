//! The policy's settings. They come with every request, and a list of a thousand registries must
//! not cost more than reading over it, so a request reads only what it is about.

use std::borrow::Cow;

use serde_json::Value;
use tcr::names::{CONTROLLER_USERNAME, TCR_ROOT_DOMAIN};
use tcr::sentence::joined;

use crate::error::Error;
use crate::json::{self, Malformed, Scanner};
use crate::registry::{Entry, Registry, Wanted, strings};
use crate::text_set::TextSet;

mod check;
pub mod declared;
mod prepared;
#[cfg(test)]
mod tests;

use declared::{DECLARED, DISCOVERY_FAILURE, PROTECT};
pub use prepared::Prepared;

/// How strictly a rule is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Off,
    Warn,
    /// By refusing the request.
    Reject,
}

/// What the settings say about a request.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    /// The registries that the request is about, in the order of the settings.
    pub(crate) registries: Vec<Registry>,
    /// Whether the cluster's ImagePullSecrets are registries too.
    pub(crate) discover: bool,
    /// Whether a request is refused when the cluster cannot be asked.
    pub(crate) refuse_undecided: bool,
    /// Templates that repeat a managed Secret or bring their own.
    pub(crate) declared: Level,
    /// Changes to managed Secrets and references by others.
    pub(crate) protect: Level,
    /// What stands in the settings of [`Text`].
    texts: Texts<'a>,
}

/// A setting that is a text, or a list of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Root domains of registries.
    AllowedRoots,
    /// Root domains that aliases may be under besides.
    AllowedAliases,
    /// Roles that Tencent's API may be called in.
    AllowedRoles,
    /// Who may change what is managed.
    ControllerUsernames,
    /// The cluster's id: not there when the settings do not speak of it, empty when they say that
    /// nobody knows it.
    ClusterId,
    /// The region that the cluster is in; not there or empty where nobody knows it.
    ClusterRegion,
}

/// Each text beside its setting. One list, because code for each setting by itself is a kilobyte of wasm.
type Texts<'a> = Vec<(Text, Cow<'a, str>)>;

/// Where the settings of a request are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// In the request's payload, from this offset on; `None` stands for `{}`.
    Payload(&'a [u8], Option<usize>),
    /// The settings that were read before any request.
    Prepared(&'a Prepared),
}

impl<'a> Source<'a> {
    /// The settings with the registries that are wanted.
    pub(crate) fn settings(self, wanted: &Wanted<'_>) -> Result<Settings<'a>, Error> {
        match self {
            Source::Payload(payload, at) => Settings::read(payload, at, wanted),
            Source::Prepared(prepared) => prepared.select(wanted),
        }
    }

    /// Leaves out those of the registries from this place on that have the name of one of the settings. The text is read
    /// once, however many there are.
    pub(crate) fn without_own(self, registries: &mut Vec<Registry>, from: usize) -> Result<(), Malformed> {
        let mut own = Vec::new();
        if let Source::Payload(payload, Some(at)) = self
            && registries.len() > from
        {
            let names: TextSet<'_> = registries[from..].iter().map(|it| it.name.as_str()).collect();
            let wanted = Wanted { names: names.as_slice(), ..Wanted::default() };
            own = Written::read(&mut Scanner::new(payload, at), &wanted)?.registries;
        }
        let mut at = from;
        while let Some(Registry { name, .. }) = registries.get(at) {
            let is_own = match self {
                Source::Prepared(prepared) => prepared.has(name),
                Source::Payload(..) => own.iter().any(|entry| entry.is_named(name)),
            };
            if is_own {
                registries.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// Whose ImagePullSecrets may say what; empty where everybody's may say anything.
    pub(crate) fn tenants(self) -> Result<Vec<Value>, Malformed> {
        let (text, at) = match self {
            Source::Payload(_, None) => return Ok(Vec::new()),
            Source::Payload(payload, Some(at)) => (payload, at),
            Source::Prepared(prepared) => (prepared.text(), 0),
        };
        let span = Scanner::new(text, at).at_path(&["tenants"], Scanner::skip)?;
        match span.map(|span| json::value(span.of(text))).transpose()? {
            Some(Value::Array(tenants)) => Ok(tenants),
            // Settings that are not valid let nobody in.
            Some(other) if !other.is_null() => Ok(vec![other]),
            _ => Ok(Vec::new()),
        }
    }

    /// Every host of every registry.
    pub(crate) fn each_host(self, host: &mut dyn FnMut(&str)) -> Result<(), Malformed> {
        match self {
            Source::Payload(_, None) => {}
            Source::Payload(payload, Some(at)) => {
                Scanner::new(payload, at).at_path(&["registries"], |registries| {
                    registries.array(|registry| {
                        registry.at_path(&["hosts"], |hosts| {
                            strings(hosts)?.iter().for_each(|text| host(text));
                            Ok(())
                        })?;
                        Ok(())
                    })
                })?;
            }
            Source::Prepared(prepared) => prepared.each_host(host),
        }
        Ok(())
    }
}

/// Every mistake of settings as the host passes them, in the order of the fields.
pub(crate) fn mistakes(payload: &[u8]) -> Vec<String> {
    match json::value(payload) {
        Ok(settings) => check::mistakes(&settings),
        Err(error) => vec![format!("cannot read the settings: {error}")],
    }
}

/// The settings as they are written, before anything is parsed.
#[derive(Default)]
struct Written<'a> {
    registries: Vec<Entry<'a>>,
    discover: Option<bool>,
    on_discovery_failure: Option<Cow<'a, str>>,
    declared: Option<Cow<'a, str>>,
    protect: Option<Cow<'a, str>>,
    texts: Texts<'a>,
}

impl<'a> Settings<'a> {
    /// The Secrets of the registries.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.registries.iter().map(|registry| registry.secret.as_str())
    }

    /// The texts of a setting.
    pub(crate) fn texts(&self, setting: Text) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(move |(of, _)| *of == setting).map(|(_, text)| text.as_ref())
    }

    fn into_owned(self) -> Settings<'static> {
        let owned = |(of, text): (Text, Cow<'_, str>)| (of, Cow::Owned(text.into_owned()));
        Settings {
            registries: self.registries,
            texts: self.texts.into_iter().map(owned).collect(),
            discover: self.discover,
            refuse_undecided: self.refuse_undecided,
            declared: self.declared,
            protect: self.protect,
        }
    }

    /// Reads the settings that start at the offset `at` of `payload`; `None` stands for `{}`.
    pub(crate) fn read(payload: &'a [u8], at: Option<usize>, wanted: &Wanted<'_>) -> Result<Self, Error> {
        let written = match at {
            Some(at) => Written::read(&mut Scanner::new(payload, at), wanted)?,
            None => Written::new(),
        };
        let mut registries = Vec::with_capacity(written.registries.len());
        for entry in written.registries {
            registries.push(usable(entry, payload)?);
        }
        let refuse_undecided = match written.on_discovery_failure.as_deref() {
            None | Some("allow") => false,
            Some("reject") => true,
            Some(other) => {
                return Err(Error::settings("onDiscoveryFailure", not_one_of(other, DISCOVERY_FAILURE)));
            }
        };
        Ok(Settings {
            registries,
            discover: written.discover.unwrap_or(false),
            refuse_undecided,
            declared: level("declared", written.declared, DECLARED)?,
            protect: level("protect", written.protect, PROTECT)?,
            texts: written.texts,
        })
    }
}

impl<'a> Written<'a> {
    fn new() -> Self {
        let texts = vec![
            (Text::AllowedRoots, Cow::Borrowed(TCR_ROOT_DOMAIN)),
            (Text::ControllerUsernames, Cow::Borrowed(CONTROLLER_USERNAME)),
        ];
        Self { texts, ..Self::default() }
    }

    /// Keeps what is written in the place of the default, if it is of the setting's type.
    fn set(&mut self, setting: Text, value: &mut Scanner<'a>) -> Result<(), Malformed> {
        let is_text = matches!(setting, Text::ClusterId | Text::ClusterRegion);
        let mut texts = Vec::new();
        if is_text {
            texts.extend(value.string()?);
        } else if value.peek() == Some(b'[') {
            texts = strings(value)?;
        } else {
            return value.pass();
        }
        self.texts.retain(|(of, _)| *of != setting);
        for text in texts {
            self.texts.push((setting, text));
        }
        Ok(())
    }

    fn read(scanner: &mut Scanner<'a>, wanted: &Wanted<'_>) -> Result<Self, Malformed> {
        let mut written = Written::new();
        scanner.object(|key, value| {
            match key {
                b"registries" => written.registries = Entry::in_settings(value, wanted)?,
                b"discover" => written.discover = value.boolean()?,
                b"onDiscoveryFailure" => written.on_discovery_failure = value.string()?,
                b"declared" => written.declared = value.string()?,
                b"protect" => written.protect = value.string()?,
                b"allowedRoots" => written.set(Text::AllowedRoots, value)?,
                b"allowedAliases" => written.set(Text::AllowedAliases, value)?,
                b"allowedRoles" => written.set(Text::AllowedRoles, value)?,
                b"controllerUsernames" => written.set(Text::ControllerUsernames, value)?,
                b"clusterId" => written.set(Text::ClusterId, value)?,
                b"clusterRegion" => written.set(Text::ClusterRegion, value)?,
                _ => value.pass()?,
            }
            Ok(())
        })?;
        Ok(written)
    }
}

/// The registry that an entry of the settings describes.
fn usable(entry: Entry<'_>, payload: &[u8]) -> Result<Registry, Error> {
    let index = entry.index;
    let registry = entry.into_registry(payload);
    registry.map_err(|(field, problem)| Error::settings(format!("registries[{index}].{field}"), problem))
}

fn level(field: &str, written: Option<Cow<'_, str>>, words: &[&str]) -> Result<Level, Error> {
    match written.as_deref() {
        None | Some("warn") => Ok(Level::Warn),
        Some("reject") => Ok(Level::Reject),
        Some(word) if words.first() == Some(&word) => Ok(Level::Off),
        Some(other) => Err(Error::settings(field, not_one_of(other, words))),
    }
}

/// `"wran" is not one of ignore, warn, reject`
fn not_one_of(written: &str, words: &[&str]) -> String {
    format!("{written:?} is not one of {}", joined(words, ", "))
}
