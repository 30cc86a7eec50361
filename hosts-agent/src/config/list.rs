//! The YAML of `hosts.yaml`, read from the parser's events; where the controller has written it, line
//! by line, in a fifth of the time.
//!
//! The controller and the policy read YAML through serde. That layer, with its reports and
//! conversions, is a tenth of this program's size, and what is read here is one list of five
//! fields; the parser below it is the same one.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use tcr::hosts_entry::{HostsEntry, HostsEntryError, HostsList, MAX_ENTRIES, TooManyEntries};
use tcr::image_pull_secret::WhenLinkDown;

/// What an error shows of a value, in characters.
const SHOWN: usize = 80;
/// Characters of a value that are kept: longer than any valid one, and short enough to cost little.
const KEPT: usize = 300;

/// Why a text is no list of entries.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    /// The text is not YAML.
    #[error(transparent)]
    Yaml(#[from] ScanError),
    #[error("it is empty: write [] for no entries")]
    Empty,
    #[error("line {line}: {expected}")]
    Form { line: usize, expected: &'static str },
    #[error("entry {number}: {problem} (line {line})")]
    Entry { number: usize, line: usize, problem: Problem },
    #[error(transparent)]
    TooMany(#[from] TooManyEntries),
}

/// The mistake in one entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0:?} is no field: the fields are domain, ip, disabled, vpcId and whenLinkDown")]
    Unknown(String),
    #[error("{0} stands there twice")]
    Twice(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("disabled: {0:?} is not true or false")]
    Disabled(String),
    #[error("whenLinkDown: {0:?} is not Keep or Remove")]
    WhenLinkDown(String),
    #[error(transparent)]
    Rule(#[from] HostsEntryError),
}

/// Reads one YAML document that is a list of `{domain, ip, disabled, vpcId, whenLinkDown}`. No document is no list:
/// removing every entry takes a deliberate `[]`.
pub(super) fn read(text: &str) -> Result<HostsList, ListError> {
    written_by_controller(text).map_or_else(|| yaml(text), Ok)
}

/// The list of which `text` is what the controller writes; none for every other text, good or bad.
fn written_by_controller(text: &str) -> Option<HostsList> {
    let mut entries = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(domain) = lines.next() {
        if entries.len() == MAX_ENTRIES {
            return None;
        }
        let domain = domain.strip_prefix("- domain: ")?.trim_matches('"');
        let ip = lines.next()?.strip_prefix("  ip: ")?.trim_matches('"');
        let is_disabled = lines.next()? == "  disabled: true";
        let mut entry = HostsEntry::new(domain, ip, is_disabled).ok()?;
        if let Some(line) = lines.next_if(|line| line.starts_with("  vpcId: ")) {
            entry = entry.of_vpc(line.strip_prefix("  vpcId: ")?).ok()?;
        }
        let when = lines.next_if(|line| line.starts_with("  whenLinkDown: "));
        entries.push(match when {
            None => entry,
            Some(line) if line.ends_with(" Keep") => entry.of_link(WhenLinkDown::Keep),
            Some(_) => entry.of_link(WhenLinkDown::Remove),
        });
    }
    let list = HostsList::new(entries).ok()?;
    // Text with another meaning than the one read here would be formatted differently.
    (list.to_yaml() == text).then_some(list)
}

fn yaml(text: &str) -> Result<HostsList, ListError> {
    let mut events = Events { parser: Parser::new_from_str(text), line: 1 };
    let form = |line, expected| Err(ListError::Form { line, expected });
    match events.next()? {
        Event::SequenceStart(..) => {}
        Event::StreamEnd => return Err(ListError::Empty),
        Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() => return Err(ListError::Empty),
        _ => return form(events.line, "a list of entries is expected here, or [] for none"),
    }
    let mut entries = Vec::new();
    loop {
        match events.next()? {
            Event::SequenceEnd => break,
            // Counted while reading, so that a hostile list costs no memory.
            Event::MappingStart(..) if entries.len() == MAX_ENTRIES => return Err(TooManyEntries.into()),
            Event::MappingStart(..) => entries.push(entry(&mut events, entries.len() + 1)?),
            _ => return form(events.line, "an entry with the fields domain and ip is expected here"),
        }
    }
    match events.next()? {
        Event::StreamEnd => Ok(HostsList::new(entries)?),
        _ => form(events.line, "one list is expected, and here is a second document"),
    }
}

/// The rest of a mapping, up to its end.
fn entry(events: &mut Events<'_>, number: usize) -> Result<HostsEntry, ListError> {
    let first_line = events.line;
    let [mut domain, mut ip, mut disabled, mut vpc_id, mut when_link_down] = [None, None, None, None, None];
    loop {
        let field = match events.next()? {
            Event::MappingEnd => break,
            Event::Scalar(name, ..) => name,
            _ => {
                return Err(ListError::Form {
                    line: events.line,
                    expected: "a field's name is expected here",
                });
            }
        };
        let line = events.line;
        let problem = |problem| ListError::Entry { number, line, problem };
        let (name, place) = match field.as_ref() {
            "domain" => ("domain", &mut domain),
            "ip" => ("ip", &mut ip),
            "disabled" => ("disabled", &mut disabled),
            "vpcId" => ("vpcId", &mut vpc_id),
            "whenLinkDown" => ("whenLinkDown", &mut when_link_down),
            _ => return Err(problem(Problem::Unknown(beginning(&field, SHOWN)))),
        };
        let Event::Scalar(value, style, ..) = events.next()? else {
            return Err(ListError::Form { line: events.line, expected: "a field's text is expected here" });
        };
        if place.replace((beginning(&value, KEPT), style, line)).is_some() {
            return Err(problem(Problem::Twice(name)));
        }
    }
    let problem = |line| move |problem| ListError::Entry { number, line, problem };
    let missing = |name| problem(first_line)(Problem::Missing(name));
    let domain = domain.filter(|(text, style, _)| !is_null(text, *style));
    let (domain, _, line) = domain.ok_or_else(|| missing("domain"))?;
    let (ip, ..) = ip.ok_or_else(|| missing("ip"))?;
    let disabled = match disabled {
        None => false,
        Some((text, style, line)) => {
            is_true(&text, style).ok_or_else(|| problem(line)(Problem::Disabled(beginning(&text, SHOWN))))?
        }
    };
    let mut entry = HostsEntry::new(&domain, &ip, disabled).map_err(|error| problem(line)(error.into()))?;
    // An empty value is no id: an entry for one network must not become one for all.
    if let Some((text, _, line)) = vpc_id {
        entry = entry.of_vpc(&text).map_err(|error| problem(line)(error.into()))?;
    }
    Ok(match when_link_down {
        None => entry,
        Some((text, _, line)) => match text.as_str() {
            "Keep" => entry.of_link(WhenLinkDown::Keep),
            "Remove" => entry.of_link(WhenLinkDown::Remove),
            _ => return Err(problem(line)(Problem::WhenLinkDown(beginning(&text, SHOWN)))),
        },
    })
}

fn beginning(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// The core schema's way of saying that nothing is there; quoted it is a text.
fn is_null(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "null" | "Null" | "NULL")
}

/// The core schema's booleans; quoted they are texts.
fn is_true(text: &str, style: ScalarStyle) -> Option<bool> {
    match text {
        _ if style != ScalarStyle::Plain => None,
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The events that matter, and the line of the last one, from 1.
struct Events<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    line: usize,
}

impl<'a> Events<'a> {
    /// The next event; the stream's end for ever after it.
    fn next(&mut self) -> Result<Event<'a>, ScanError> {
        loop {
            let Some(next) = self.parser.next_event() else { return Ok(Event::StreamEnd) };
            let (event, Span { start, .. }) = next?;
            self.line = start.line();
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::Anchor(..) | Event::Comment(..) => {}
                event => return Ok(event),
            }
        }
    }
}

#[cfg(test)]
mod tests;
