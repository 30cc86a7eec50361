//! What each watch of a process has told so far, and what it tells next.

use std::collections::VecDeque;

use reconcile::input::{WatchEvent, Watched};

use super::Process;
use crate::cluster::{Kind, Record};
use crate::view::SharedViews;

/// Where one watch is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// What of a list is still to come.
    listed: VecDeque<Option<Record>>,
    /// A list was begun.
    began: bool,
    /// Records of the log that were read.
    at: usize,
}

impl Process {
    /// The watch breaks off, and lists anew.
    pub fn relist(&mut self, kind: Kind) {
        self.cursors[kind as usize] = Cursor::default();
    }

    /// Whether the watch has something to tell.
    pub fn is_behind(&self, kind: Kind) -> bool {
        let cursor = &self.cursors[kind as usize];
        !cursor.began || !cursor.listed.is_empty() || cursor.at < self.world.borrow().cluster.log(kind).len()
    }

    pub(super) fn next_event(&mut self, kind: Kind) -> Option<WatchEvent> {
        let world = self.world.borrow();
        let cursor = &mut self.cursors[kind as usize];
        if !cursor.began {
            cursor.began = true;
            cursor.listed = world.cluster.list(kind).into_iter().map(Some).chain([None]).collect();
            cursor.at = world.cluster.log(kind).len();
            return Some(event(&self.views, kind, Watched::ListBegan));
        }
        if let Some(record) = cursor.listed.pop_front() {
            return Some(match record {
                Some(record) => event(&self.views, kind, Watched::Listed(&record)),
                None => event(&self.views, kind, Watched::ListEnded),
            });
        }
        let record = world.cluster.log(kind).get(cursor.at)?;
        cursor.at += 1;
        let is_gone = matches!(
            record,
            Record::Namespace(_, None)
                | Record::Account(_, _, None)
                | Record::SecretGone(..)
                | Record::ObjectGone(_)
                | Record::Password(None)
        );
        Some(event(
            &self.views,
            kind,
            if is_gone { Watched::Deleted(record) } else { Watched::Applied(record) },
        ))
    }
}

fn event(views: &SharedViews, kind: Kind, of: Watched<&Record>) -> WatchEvent {
    match kind {
        Kind::Object => WatchEvent::ImagePullSecret(of.map(|record| {
            Box::new(match record {
                Record::Object(slot, object) => views.object(*slot, object),
                Record::ObjectGone(slot) => views.gone(*slot),
                _ => views.gone(0),
            })
        })),
        Kind::Namespace => WatchEvent::Namespace(of.map(|record| match record {
            Record::Namespace(place, Some((terminating, label))) => {
                views.namespace(*place, *terminating, *label)
            }
            Record::Namespace(place, None) => views.namespace(*place, true, false),
            _ => views.namespace(0, true, false),
        })),
        Kind::Account => WatchEvent::Account(of.map(|record| match record {
            Record::Account(place, index, Some(account)) => views.account(*place, *index, account),
            Record::Account(place, index, None) => views.account_gone(*place, *index),
            _ => views.account_gone(0, 0),
        })),
        Kind::Secret => WatchEvent::Secret(of.map(|record| match record {
            Record::Secret(place, slot, secret) | Record::SecretGone(place, slot, secret) => {
                Some(views.watched(*place, *slot, secret))
            }
            _ => None,
        })),
        Kind::Password => WatchEvent::Password(of.map(|record| match record {
            Record::Password(Some((version, number))) => views.password(*version, *number),
            _ => views.password(0, 0),
        })),
    }
}
