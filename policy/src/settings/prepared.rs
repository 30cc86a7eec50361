//! Settings that were read once, before any request: a host that offers to keep them
//! (`prepare_settings`) sends requests without, and a thousand registries cost what one costs.
//!
//! What is kept is the text, and two tables that say where in it a registry stands. A registry is read
//! when a request is about it. So the memory is a few long pieces and not thousands of small ones with
//! holes between, which each request would write to, page by page.

use std::borrow::Cow;

use super::{Settings, usable};
use crate::error::Error;
use crate::json::Scanner;
use crate::registry::{Entry, Wanted};

/// Settings, with their registries to be found by host and by name.
#[derive(Debug)]
pub struct Prepared {
    text: Vec<u8>,
    /// What does not depend on the request.
    settings: Settings<'static>,
    hosts: Table,
    names: Table,
}

/// Keys, and where the registries stand that have them.
#[derive(Debug, Default)]
struct Table {
    /// All keys, one after another.
    keys: String,
    /// Sorted by the key, then by the index.
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// Where the key starts in the keys.
    start: u32,
    end: u32,
    /// The registry's place in the list.
    index: u32,
    /// The registry's offset in the text.
    offset: u32,
}

impl Prepared {
    /// Reads settings (the bare object) that `validate_settings` takes.
    ///
    /// # Errors
    /// The first mistake that keeps them from being used.
    pub fn read(payload: &[u8]) -> Result<Self, Error> {
        let settings = Settings::read(payload, Some(0), &Wanted::default())?.into_owned();
        let (mut hosts, mut names) = (Table::default(), Table::default());
        let mut index = 0;
        Scanner::new(payload, 0).at_path(&["registries"], |registries| {
            registries.array(|registry| {
                let offset = registry.position();
                registry.object(|key, value| {
                    match key {
                        b"name" => names.insert(&value.string_or_empty()?, index, offset),
                        b"hosts" => {
                            value.array(|host| {
                                hosts.insert(&host.string_or_empty()?.to_ascii_lowercase(), index, offset);
                                Ok(())
                            })?;
                        }
                        _ => value.pass()?,
                    }
                    Ok(())
                })?;
                index += 1;
                Ok(())
            })
        })?;
        Ok(Self { text: payload.to_vec(), settings, hosts, names })
    }

    /// The settings with the registries that are wanted, in their order.
    pub(super) fn select(&self, wanted: &Wanted<'_>) -> Result<Settings<'_>, Error> {
        if wanted.all {
            return Settings::read(&self.text, Some(0), wanted);
        }
        let mut rows: Vec<Row> = Vec::new();
        let mut take = |row: Row| {
            let at = rows.partition_point(|earlier| earlier.index < row.index);
            if rows.get(at).is_none_or(|next| next.index != row.index) {
                rows.insert(at, row);
            }
        };
        wanted.hosts.iter().for_each(|host| self.hosts.each(&host.to_ascii_lowercase(), &mut take));
        wanted.names.iter().for_each(|name| self.names.each(name, &mut take));
        let mut registries = Vec::with_capacity(rows.len());
        for Row { index, offset, .. } in rows {
            let mut scanner = Scanner::new(&self.text, offset as usize);
            registries.push(usable(Entry::of_setting(index as usize, &mut scanner, wanted)?, &self.text)?);
        }
        Ok(Settings {
            registries,
            texts: self.settings.texts.iter().map(|(of, text)| (*of, Cow::Borrowed(text.as_ref()))).collect(),
            ..self.settings
        })
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let mut has = false;
        self.names.each(name, &mut |_| has = true);
        has
    }

    pub(super) fn each_host(&self, host: &mut dyn FnMut(&str)) {
        self.hosts.rows.iter().for_each(|row| host(self.hosts.key(row)));
    }
}

impl Table {
    /// Keeps the rows sorted. Not a sort at the end, which is more code than it saves time: this is done once.
    fn insert(&mut self, key: &str, index: u32, offset: usize) {
        let number = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let start = number(self.keys.len());
        self.keys.push_str(key);
        let row = Row { start, end: number(self.keys.len()), index, offset: number(offset) };
        let at = self.rows.partition_point(|row| self.key(row) <= key);
        self.rows.insert(at, row);
    }

    fn key(&self, row: &Row) -> &str {
        self.keys.get(row.start as usize..row.end as usize).unwrap_or_default()
    }

    /// Calls `take` with each row that has this key.
    fn each(&self, key: &str, take: &mut dyn FnMut(Row)) {
        let first = self.rows.partition_point(|row| self.key(row) < key);
        self.rows[first..].iter().take_while(|row| self.key(row) == key).for_each(|row| take(*row));
    }
}
