//! `tcr-assistant events`: the Events about ImagePullSecrets and about objects that the add-on writes, newest
//! last.

mod line;

pub use line::Line;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt as _, watcher};
use tcr::names::{IMAGE_PULL_SECRET_KIND, MANAGED_BY, SYSTEM_NAMESPACE};

use crate::output::Output;
use crate::reader::{Reader, Right};

/// Events in one page.
const PAGE: u32 = 500;

/// A namespace and filter for Events.
struct Place {
    api: Api<Event>,
    fields: String,
    right: Right,
}

/// Prints each Event to `out` and, if asked, later ones until it is interrupted. `tell` receives what could
/// not be read.
///
/// # Errors
/// No Events can be read, or `out` cannot be written.
pub async fn run(
    reader: &Reader,
    name: Option<&str>,
    watch: bool,
    output: Output,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    let (mut lines, mut not_known) = (BTreeMap::new(), Vec::new());
    let places = places(reader, name);
    for place in &places {
        let params = ListParams::default().fields(&place.fields);
        let take = |event: Event| drop(lines.insert(event.metadata.uid.clone(), Line::of(event)));
        let read = reader.each(&place.api, params, PAGE, place.right.clone(), take).await;
        not_known.extend(read.missing());
    }
    if not_known.len() == places.len() {
        bail!("cannot read Events: {}", not_known.first().cloned().unwrap_or_default());
    }
    not_known.iter().for_each(|why| tell(&format!("not known: {why}")));
    let mut all: Vec<Line> = lines.into_values().filter(|line| line.is_about(name)).collect();
    all.sort_by(|a, b| a.last_seen.cmp(&b.last_seen));
    if all.is_empty() && !watch && output == Output::Text {
        tell("there are no Events; the API server keeps them for an hour");
    }
    for line in &all {
        print(line, output, out)?;
    }
    if !watch {
        return Ok(());
    }
    let newest = all.iter().filter_map(|line| line.last_seen.clone()).max();
    follow(places, name, newest, output, out).await
}

/// Prints each Event that is created or counted up, until the watches end.
async fn follow(
    places: Vec<Place>,
    name: Option<&str>,
    newest: Option<String>,
    output: Output,
    out: &mut dyn Write,
) -> Result<()> {
    let streams = places.into_iter().map(|place| {
        let config = watcher::Config::default().fields(&place.fields);
        watcher(place.api, config).default_backoff().touched_objects().boxed()
    });
    let mut events = futures::stream::select_all(streams);
    // A watch begins with all existing Events, and several watches may report the same one.
    let mut told: BTreeMap<Option<String>, Option<String>> = BTreeMap::new();
    while let Some(event) = events.next().await {
        // A watch that broke off is started again by itself.
        let Ok(event) = event else { continue };
        let (uid, version) = (event.metadata.uid.clone(), event.metadata.resource_version.clone());
        let line = Line::of(event);
        if told.insert(uid, version.clone()) == Some(version)
            || !line.is_about(name)
            || line.last_seen <= newest
        {
            continue;
        }
        print(&line, output, out)?;
        out.flush().context("cannot write to stdout")?;
    }
    Ok(())
}

/// Events about ImagePullSecrets, those that the controller wrote, and those about the add-on's own Pods.
fn places(reader: &Reader, name: Option<&str>) -> Vec<Place> {
    let all: Api<Event> = Api::all(reader.client.clone());
    let of_kind = format!("involvedObject.kind={IMAGE_PULL_SECRET_KIND}");
    let mut places = vec![
        // Events about objects without a namespace are in the namespace default.
        Place {
            api: Api::namespaced(reader.client.clone(), "default"),
            fields: match name {
                Some(name) => format!("{of_kind},involvedObject.name={name}"),
                None => of_kind,
            },
            right: Right::list("events", "default"),
        },
        Place {
            api: all,
            fields: format!("reportingComponent={MANAGED_BY}"),
            right: Right::list_all("events"),
        },
    ];
    if name.is_none() {
        let api = Api::namespaced(reader.client.clone(), SYSTEM_NAMESPACE);
        places.push(Place { api, fields: String::new(), right: Right::list("events", SYSTEM_NAMESPACE) });
    }
    places
}

fn print(line: &Line, output: Output, out: &mut dyn Write) -> Result<()> {
    let text = match output {
        Output::Text => line.text(Timestamp::now()),
        Output::Json => serde_json::to_string(line)?,
    };
    writeln!(out, "{text}").context("cannot write to stdout")
}
