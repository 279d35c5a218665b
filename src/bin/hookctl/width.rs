//! How wide a line may be, and text that is broken between its words to fit.

use std::os::fd::AsFd;

use terminal_size::{Width, terminal_size_of};

/// As wide as a terminal usually is.
pub(crate) const USUAL: usize = 80;
/// Less than this is no terminal that anything could be laid out for.
const LEAST: usize = 40;

/// The columns of what is written to: as `COLUMNS` says, else as the terminal does; none where it is no terminal.
pub(crate) fn known(out: impl AsFd) -> Option<usize> {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.trim().parse::<usize>().ok());
    let terminal = || terminal_size_of(out).map(|(Width(columns), _)| usize::from(columns));
    let columns = said.filter(|columns| *columns > 0).or_else(terminal)?;
    Some(columns.max(LEAST))
}

/// The rows of `text`, broken between words alone: a word that is longer than the room stands in a row of its own, whole, so that it can
/// be copied.
pub(crate) fn fill(text: &str, room: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut length = 0;
    // Each word with the blanks before it, which may be more than one.
    let mut words = text.split(' ').peekable();
    let mut blanks = 0;
    while let Some(word) = words.next() {
        if word.is_empty() && words.peek().is_some() {
            blanks += 1;
            continue;
        }
        let long = word.chars().count();
        if length > 0 && length + blanks + long > room {
            rows.push(std::mem::take(&mut row));
            length = 0;
        } else {
            row.extend(std::iter::repeat_n(' ', blanks));
            length += blanks;
        }
        row.push_str(word);
        length += long;
        blanks = 1;
    }
    rows.push(row);
    rows
}

/// The same with `indent` blanks before every row but the first.
pub(crate) fn hang(text: &str, room: usize, indent: usize) -> String {
    let rows = fill(text, room.saturating_sub(indent).max(1));
    rows.join(&format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_words_and_never_in_one() {
        assert_eq!(fill("", 4), [""]);
        assert_eq!(fill("abcdef", 4), ["abcdef"]);
        assert_eq!(fill("a bc def", 4), ["a bc", "def"]);
        assert_eq!(fill("ab cdefgh i", 4), ["ab", "cdefgh", "i"]);
        assert_eq!(fill("a  b   c", 4), ["a  b", "c"]);
        assert_eq!(fill("ключ ключ", 9), ["ключ ключ"]);
        assert_eq!(fill("  a b", 9), ["  a b"]);
        assert_eq!(hang("a bc def", 6, 2), "a bc\n  def");
    }
}
