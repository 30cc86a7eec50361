//! A table with columns as wide as their content, as kubectl prints them.

use std::fmt::Write as _;

/// Writes rows; the first is the header.
pub fn write<const N: usize>(out: &mut String, rows: Vec<[String; N]>) {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}   ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
