//! The JSON patch (RFC 6902) that leads from one object to another, found on their bytes.
//!
//! A policy answers with the whole changed object, and what changed is mostly one inserted span.
//! So the equal beginning and end of both texts are found first, then the innermost container that
//! holds all of the difference, and only that container's members from the first changed one on are
//! looked at. New values go into the patch as they were written: a number such as `1e400`, which
//! no tree of values can hold, survives.
//!
//! *Guarantee:* applying the patch to the old object gives the new one. *Caveat:* where the new object
//! names a key twice, it is replaced as a whole; an old one that does, which no API server sends, may be
//! one that the patch does not fit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::json::{JsonError, Open, Outline, common_prefix, unescape};

mod container;
#[cfg(test)]
mod tests;

use container::{Member, Members, all_members, differing_members, push_key, push_step};

/// The patch from `old` to `new`, as JSON text; `None` when they mean the same.
///
/// # Errors
/// When one of the two is not JSON.
pub fn diff(old: &str, new: &str) -> Result<Option<String>, JsonError> {
    diff_from(&Outline::unknown(old.trim()), new.trim())
}

/// The same, from an object that was scanned; neither text has white space around it.
pub(crate) fn diff_from(old: &Outline<'_>, new: &str) -> Result<Option<String>, JsonError> {
    let mut patch = Patch { text: String::new() };
    changed(&mut patch, old, new, "")?;
    match patch.text.is_empty() {
        true => Ok(None),
        false => {
            patch.text.push(']');
            Ok(Some(patch.text))
        }
    }
}

struct Patch {
    text: String,
}

impl Patch {
    fn operation(&mut self, op: &str, path: &str, value: Option<&str>) {
        self.text.reserve(64 + path.len() + value.map_or(0, str::len));
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        let _ = write!(self.text, r#"{{"op":"{op}","path":{}"#, serde_json::Value::from(path));
        if let Some(value) = value {
            self.text.push_str(r#","value":"#);
            self.text.push_str(value);
        }
        self.text.push('}');
    }
}

/// One value became another.
fn changed(patch: &mut Patch, outline: &Outline<'_>, new: &str, path: &str) -> Result<(), JsonError> {
    let old = outline.text();
    if old == new {
        return Ok(());
    }
    match (old.as_bytes().first(), new.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) | (Some(b'['), Some(b'[')) => containers(patch, outline, new, path),
        (Some(b'{' | b'['), _) | (_, Some(b'{' | b'[')) => {
            patch.operation("replace", path, Some(new));
            Ok(())
        }
        _ => {
            if !same_scalar(old, new) {
                patch.operation("replace", path, Some(new));
            }
            Ok(())
        }
    }
}

/// Whether two scalars are two spellings of the same value.
fn same_scalar(old: &str, new: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    matches!((value(old), value(new)), (Some(old), Some(new)) if old == new)
}

/// Two different texts that are both an object or both an array.
fn containers(patch: &mut Patch, outline: &Outline<'_>, new: &str, path: &str) -> Result<(), JsonError> {
    let old = outline.text();
    let prefix = common_prefix(old.as_bytes(), new.as_bytes());
    let suffix = common_suffix(&old.as_bytes()[prefix..], &new.as_bytes()[prefix..]);
    let mut open = outline.open_at(prefix);
    // From the inside out: the first container in which both texts meet again behind the difference.
    while let Some(container) = open.pop() {
        let Some((olds, news)) = differing_members(old, new, &container, suffix)? else { continue };
        let mut path = path.to_owned();
        for parent in &open {
            push_step(&mut path, parent, old)?;
        }
        return match container.is_object {
            true => object_members(patch, (old, new), &container, &olds, &news, &path),
            false => {
                array_elements(patch, container.index, &values(&olds.members), &values(&news.members), &path)
            }
        };
    }
    patch.operation("replace", path, Some(new));
    Ok(())
}

fn values<'a>(members: &[Member<'a>]) -> Vec<&'a str> {
    members.iter().map(|member| member.value).collect()
}

fn object_members<'a>(
    patch: &mut Patch,
    (old, new): (&'a str, &'a str),
    container: &Open,
    olds: &Members<'a>,
    news: &Members<'a>,
    path: &str,
) -> Result<(), JsonError> {
    // A key of the difference that also stands in the equal part, or may do so in another spelling,
    // is given twice: the last one counts, whichever that is.
    let equal_part = [&old[container.start..container.member], &old[olds.end..]];
    let twice = |key: &str| equal_part.iter().any(|text| text.contains(key) || text.contains("\\u"));
    let equal = |one: &Member<'a>, others: &[Member<'a>]| {
        others.iter().any(|other| (other.key, other.value) == (one.key, one.value))
    };
    let gone = olds.members.iter().filter(|member| !equal(member, &news.members));
    let come = news.members.iter().filter(|member| !equal(member, &olds.members));
    let simple =
        gone.chain(come).filter_map(|member| member.key).all(|key| !key.contains('\\') && !twice(key));
    if simple && distinct(&olds.members) && distinct(&news.members) {
        return apply_members(patch, &olds.members, &news.members, path);
    }
    // The careful way: all members of both, by the meaning of their keys.
    let (olds, _) = all_members(old, container)?;
    let (news, new_object) = all_members(new, container)?;
    match distinct(&olds) && distinct(&news) {
        true => apply_members(patch, &olds, &news, path),
        false => {
            patch.operation("replace", path, Some(new_object));
            Ok(())
        }
    }
}

/// Whether no key means the same as another.
fn distinct(members: &[Member<'_>]) -> bool {
    if members.len() < 2 {
        return true;
    }
    let mut keys: Vec<_> =
        members.iter().filter_map(|member| member.key).map(|key| unescape(key).unwrap_or_default()).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

fn apply_members(
    patch: &mut Patch,
    olds: &[Member<'_>],
    news: &[Member<'_>],
    path: &str,
) -> Result<(), JsonError> {
    let (old_keys, new_keys) = (by_key(olds), by_key(news));
    for (key, at) in &old_keys {
        let old = &olds[*at];
        let mut path = path.to_owned();
        push_key(&mut path, old.key.unwrap_or_default())?;
        match new_keys.get(key) {
            Some(at) => changed(patch, &Outline::unknown(old.value), news[*at].value, &path)?,
            None => patch.operation("remove", &path, None),
        }
    }
    for (key, at) in &new_keys {
        if !old_keys.contains_key(key) {
            let new = &news[*at];
            let mut path = path.to_owned();
            push_key(&mut path, new.key.unwrap_or_default())?;
            patch.operation("add", &path, Some(new.value));
        }
    }
    Ok(())
}

/// Where in the list the member of each key is.
fn by_key<'a>(members: &[Member<'a>]) -> BTreeMap<Cow<'a, str>, usize> {
    let key = |member: &Member<'a>| unescape(member.key.unwrap_or_default()).unwrap_or_default();
    members.iter().enumerate().map(|(at, member)| (key(member), at)).collect()
}

fn array_elements(
    patch: &mut Patch,
    first: usize,
    olds: &[&str],
    news: &[&str],
    path: &str,
) -> Result<(), JsonError> {
    let equal = |(old, new): &(&&str, &&str)| old == new;
    let before = olds.iter().zip(news).take_while(equal).count();
    let (olds, news) = (&olds[before..], &news[before..]);
    let after = olds.iter().rev().zip(news.iter().rev()).take_while(equal).count();
    let (olds, news) = (&olds[..olds.len() - after], &news[..news.len() - after]);
    let first = first + before;
    let both = olds.len().min(news.len());
    for (at, (old, new)) in olds.iter().zip(news).enumerate() {
        changed(patch, &Outline::unknown(old), new, &format!("{path}/{}", first + at))?;
    }
    for at in (both..olds.len()).rev() {
        patch.operation("remove", &format!("{path}/{}", first + at), None);
    }
    for (at, new) in news.iter().enumerate().skip(both) {
        patch.operation("add", &format!("{path}/{}", first + at), Some(new));
    }
    Ok(())
}

fn common_suffix(old: &[u8], new: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = old.rchunks_exact(BLOCK).zip(new.rchunks_exact(BLOCK));
    let equal = blocks.take_while(|(old, new)| old == new).count() * BLOCK;
    let (old, new) = (&old[..old.len() - equal], &new[..new.len() - equal]);
    equal + old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count()
}
