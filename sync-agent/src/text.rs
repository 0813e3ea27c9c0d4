//! Text for people: names that may hold anything, and tables.

use std::fmt::Write as _;

/// Bytes of a name or path as text. Control characters are escaped: a name must not command the terminal.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() || is_direction(character) {
            write!(out, "{}", character.escape_default()).expect("a string takes text");
        } else {
            out.push(character);
        }
    }
    out
}

/// Makes what follows it appear in another order.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines with aligned columns. Those in `right` are aligned to the right, as numbers are.
pub fn table(heads: &[&str], right: &[usize], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(printable(b"a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(printable("\u{202e}gpj.exe".as_bytes()), "\\u{202e}gpj.exe");
        assert_eq!(printable("Zoë".as_bytes()), "Zoë");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["7".to_owned(), "a".to_owned()], vec!["12".to_owned(), "bcd".to_owned()]];
        assert_eq!(table(&["No", "Name"], &[0], &rows), ["No  Name", " 7  a", "12  bcd"]);
    }
}
