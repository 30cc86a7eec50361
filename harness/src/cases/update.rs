//! Writes what a policy answers into a file of cases, in the place of what was expected. All else of the text stays as
//! its author wrote it.

use std::ops::Range;

use granit_parser::{Event, Parser, ScanError, Span, StrInput};
use serde_json::Value;

/// The text with another expectation for the case of that index.
///
/// # Errors
/// The place is not found: the text is not what the cases were read from, or an alias stands there.
pub fn with_expectation(text: &str, index: usize, expected: &Value) -> Result<String, String> {
    let mut events = Events { parser: Parser::new_from_str(text), ended: 0 };
    let found = events.expectation(index).map_err(|error| error.to_string())?;
    let range = found.ok_or_else(|| "the place of its \"expect\" is not found".to_owned())?;
    let written =
        text.get(range.clone()).ok_or_else(|| "the place of its \"expect\" is not found".to_owned())?;
    // Blank lines at the end of a block do not belong to it.
    let end = range.start + written.trim_end().len();
    let (before, after) = (&text[..range.start], &text[end..]);
    Ok(format!("{before}{expected}{after}"))
}

struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Where the last node's text ended, in bytes.
    ended: usize,
}

impl<'a> Events<'a> {
    fn expectation(&mut self, index: usize) -> Result<Option<Range<usize>>, ScanError> {
        let (root, _) = self.next()?;
        if !self.member(&root, "cases")? {
            return Ok(None);
        }
        if !matches!(self.next()?.0, Event::SequenceStart(..)) {
            return Ok(None);
        }
        for _ in 0..index {
            let (item, _) = self.next()?;
            if item == Event::SequenceEnd {
                return Ok(None);
            }
            self.skip(&item)?;
        }
        let (case, _) = self.next()?;
        if !self.member(&case, "expect")? {
            return Ok(None);
        }
        let (value, start) = self.next()?;
        if matches!(value, Event::Alias(_)) {
            return Ok(None);
        }
        self.skip(&value)?;
        Ok(Some(start..self.ended))
    }

    /// Goes to a map's value; `map` is its first event.
    fn member(&mut self, map: &Event<'_>, name: &str) -> Result<bool, ScanError> {
        if !matches!(map, Event::MappingStart(..)) {
            return Ok(false);
        }
        loop {
            let (key, _) = self.next()?;
            match &key {
                Event::MappingEnd | Event::StreamEnd => return Ok(false),
                Event::Scalar(text, ..) if text == name => return Ok(true),
                _ => self.skip(&key)?,
            }
            let (value, _) = self.next()?;
            self.skip(&value)?;
        }
    }

    /// Goes behind a node, whose first event was taken.
    fn skip(&mut self, first: &Event<'_>) -> Result<(), ScanError> {
        let mut depth = usize::from(matches!(first, Event::MappingStart(..) | Event::SequenceStart(..)));
        while depth > 0 {
            match self.next()?.0 {
                Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => depth -= 1,
                Event::StreamEnd => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// The next event of a node, and where it begins.
    fn next(&mut self) -> Result<(Event<'a>, usize), ScanError> {
        loop {
            let Some(next) = self.parser.next_event() else { return Ok((Event::StreamEnd, self.ended)) };
            let (event, Span { start, end, .. }) = next?;
            let (start, end) = (start.byte_offset().unwrap_or(0), end.byte_offset().unwrap_or(0));
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::Anchor(..) | Event::Comment(..) => {}
                // A block ends where the next thing begins, which is not where its text does.
                Event::MappingEnd | Event::SequenceEnd if start == end => return Ok((event, start)),
                event => {
                    self.ended = end;
                    return Ok((event, start));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, index: usize, expected: Expect) {
        let updated = with_expectation(text, index, &json!({"allowed": false, "code": 422}));
        expected.assert_eq(&updated.unwrap_or_else(|error| format!("error: {error}\n")));
    }

    #[test]
    fn only_what_was_expected_is_replaced() {
        let text = "\
# ours
settings: {a: 1}
cases:
  - name: first # kept
    object: a.yaml
    expect:
      # what was
      message: |
        several
        lines
      warnings: [x]

  - {name: second, object: b.yaml, expect: {}}
  - name: third
    expect: {allowed: false,
             code: 1}
    object: c.yaml
";
        check(
            text,
            0,
            expect![[r#"
                # ours
                settings: {a: 1}
                cases:
                  - name: first # kept
                    object: a.yaml
                    expect:
                      # what was
                      {"allowed":false,"code":422}

                  - {name: second, object: b.yaml, expect: {}}
                  - name: third
                    expect: {allowed: false,
                             code: 1}
                    object: c.yaml
            "#]],
        );
        check(
            text,
            1,
            expect![[r#"
                # ours
                settings: {a: 1}
                cases:
                  - name: first # kept
                    object: a.yaml
                    expect:
                      # what was
                      message: |
                        several
                        lines
                      warnings: [x]

                  - {name: second, object: b.yaml, expect: {"allowed":false,"code":422}}
                  - name: third
                    expect: {allowed: false,
                             code: 1}
                    object: c.yaml
            "#]],
        );
        check(
            "cases:\n- expect: {allowed: false,\n    code: 1}\n  name: ä\n",
            0,
            expect![[r#"
                cases:
                - expect: {"allowed":false,"code":422}
                  name: ä
            "#]],
        );
        check(
            r#"{"cases": [{"name": "ä", "expect": {"message": "é"}, "object": {}}]}"#,
            0,
            expect![[r#"{"cases": [{"name": "ä", "expect": {"allowed":false,"code":422}, "object": {}}]}"#]],
        );
    }

    #[test]
    fn what_is_not_there_is_told() {
        check(
            "cases: []",
            0,
            expect![[r#"
            error: the place of its "expect" is not found
        "#]],
        );
        check(
            "a: &x {}\ncases: [{expect: *x}]",
            0,
            expect![[r#"
            error: the place of its "expect" is not found
        "#]],
        );
    }
}
