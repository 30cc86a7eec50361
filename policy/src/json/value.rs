//! A whole text as a `serde_json::Value`, for settings and ImagePullSecrets, which are checked
//! rarely and in full. Not serde_json's own reader: that would be a seventh of the wasm.

use serde_json::{Map, Number, Value};

use super::{Expected, Malformed, Scanner};

/// More levels than settings or an ImagePullSecret have.
const DEEPEST: usize = 64;

/// Reads a text that is one value.
pub(crate) fn value(text: &[u8]) -> Result<Value, Malformed> {
    let mut scanner = Scanner::new(text, 0);
    let value = read(&mut scanner, DEEPEST)?;
    match scanner.peek() {
        None => Ok(value),
        Some(_) => Err(scanner.expected(Expected::End)),
    }
}

fn read(scanner: &mut Scanner<'_>, levels: usize) -> Result<Value, Malformed> {
    let first = scanner.peek();
    if levels == 0 && matches!(first, Some(b'{' | b'[')) {
        return Err(scanner.expected(Expected::FewerLevels));
    }
    match first {
        Some(b'{') => {
            let mut members = Map::new();
            scanner.object(|key, value| {
                members.insert(String::from_utf8_lossy(key).into_owned(), read(value, levels - 1)?);
                Ok(())
            })?;
            Ok(Value::Object(members))
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            scanner.array(|element| {
                elements.push(read(element, levels - 1)?);
                Ok(())
            })?;
            Ok(Value::Array(elements))
        }
        Some(b'"') => Ok(scanner.string()?.map_or(Value::Null, |text| Value::String(text.into_owned()))),
        _ => {
            let span = scanner.skip()?;
            let malformed = |expected| Malformed::new(span.start, expected);
            match span.of(scanner.text) {
                b"null" => Ok(Value::Null),
                b"true" => Ok(Value::Bool(true)),
                b"false" => Ok(Value::Bool(false)),
                text => match std::str::from_utf8(text) {
                    Ok(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                        number(text).map(Value::Number).ok_or(malformed(Expected::SmallerNumber))
                    }
                    _ => Err(malformed(Expected::Value)),
                },
            }
        }
    }
}

/// An integer exactly, a fraction to about the last digit: a message is all that shows it.
fn number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(integer.into());
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let mut exponent = exponent.parse::<i32>().ok()?;
    let mut number = 0.0;
    let mut in_fraction = false;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => in_fraction = true,
            b'0'..=b'9' => {
                number = number * 10.0 + f64::from(byte - b'0');
                exponent = exponent.saturating_sub(i32::from(in_fraction));
            }
            _ => {}
        }
    }
    let number = if text.starts_with('-') { -number } else { number };
    Number::from_f64(number * 10_f64.powi(exponent))
}
