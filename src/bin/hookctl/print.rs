//! What `hookctl` prints looks like this: ticks, aligned details, a mail in a box, one line per delivery.
//!
//! Colour only on a terminal and never against `NO_COLOR`; plain ASCII where the locale is not UTF-8. Text that came
//! over the wire is printed without its control characters.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hookwork::app::operator::doctor::{Check, Verdict};
use hookwork::domain::notice::reorders;
use hookwork::twin::topic::Notice;

use crate::width::{self, fill, hang};

/// Where the right edge of a step's line and of the box is, where there is room for it.
const WIDTH: usize = 96;
/// The widest table of a mail.
const TABLE_WIDTH: usize = 110;
/// The widest column of what was delivered, and what the other columns take.
const WHAT_WIDTH: usize = 46;
const OTHERS_WIDTH: usize = 50;
const LABEL_WIDTH: usize = 13;
/// Where a detail begins, and where its text does that has no room beside its label.
const DETAIL_INDENT: usize = 7;
const BELOW_INDENT: usize = 9;

/// How to print on this stdout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    colour: bool,
    unicode: bool,
    columns: Option<usize>,
}

impl Printer {
    /// As the environment wants it.
    pub(crate) fn from_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            colour: std::io::stdout().is_terminal()
                && set("NO_COLOR").is_none()
                && set("TERM").as_deref() != Some("dumb"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            columns: width::known(std::io::stdout()),
        }
    }

    /// How wide a line may be.
    pub(crate) fn width(&self) -> usize {
        self.columns.unwrap_or(width::USUAL)
    }

    /// The same, where it is known: rows for a program, as in a pipe, are as long as they are.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Writes sentences, broken between words where the width is known.
    pub(crate) fn prose(&self, text: &str) {
        match self.columns {
            Some(columns) => fill(text, columns).iter().for_each(|row| self.line(row)),
            None => self.line(text),
        }
    }

    /// Writes one line. A reader that went away is no reason to fail.
    pub(crate) fn line(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").ok();
        out.flush().ok();
    }

    /// Writes JSON, on one line. What a terminal might act on is escaped beyond what JSON asks for.
    pub(crate) fn json(&self, value: &serde_json::Value) {
        let mut line = String::new();
        for character in value.to_string().chars() {
            if character.is_control() || reorders(character) {
                // Writing to a String cannot fail.
                write!(line, "\\u{:04x}", u32::from(character)).ok();
            } else {
                line.push(character);
            }
        }
        self.line(&line);
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) {
        let rows = fill(text, self.width());
        let rows: Vec<_> = rows.iter().map(|row| self.paint("1", row)).collect();
        self.line(&format!("\n{}\n", rows.join("\n")));
    }

    /// A step that was checked and right.
    pub(crate) fn passed(&self, number: usize, title: &str, took: Duration) {
        let tick = if self.unicode { "✓" } else { "ok" };
        let took = milliseconds(took);
        let width = self.width().min(WIDTH);
        let gap = width.saturating_sub(7 + title.chars().count() + took.len());
        self.line(&format!(
            " {} {number}  {title}{:gap$}{}",
            self.paint("32", &format!("{tick:<2}")),
            "",
            self.paint("2", &took)
        ));
    }

    /// A step that was wrong, and why.
    pub(crate) fn failed(&self, number: usize, title: &str, why: &str) {
        let cross = if self.unicode { "✗" } else { "!!" };
        self.line(&format!(
            " {} {number}  {}",
            self.paint("31", &format!("{cross:<2}")),
            self.paint("31", title)
        ));
        self.detail("why", why);
    }

    /// A check of the doctor's, and what to do about it.
    pub(crate) fn check(&self, check: &Check) {
        let (colour, word) = match check.verdict {
            Verdict::Pass => ("32", "pass"),
            Verdict::Warn => ("33", "warn"),
            Verdict::Fail => ("31", "FAIL"),
        };
        let word = self.paint(colour, word);
        let found = clean(&format!("{}: {}", check.what, check.found));
        let advice = check.advice.as_deref().map(clean);
        let Some(columns) = self.columns else {
            let advice = advice.map(|advice| format!(" -> {advice}"));
            return self.line(&format!("{word}  {found}{}", advice.unwrap_or_default()));
        };
        self.line(&format!("{word}  {}", hang(&found, columns, 6)));
        if let Some(advice) = advice {
            self.line(&format!("      -> {}", hang(&advice, columns, 9)));
        }
    }

    /// Text that is beside the point.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Text that is good news, or bad.
    pub(crate) fn tinted(&self, good: bool, text: &str) -> String {
        self.paint(if good { "32" } else { "31" }, text)
    }

    /// A detail below a step, a heading or nothing.
    pub(crate) fn detail(&self, label: &str, text: &str) {
        let text = clean(text);
        let beside = DETAIL_INDENT + LABEL_WIDTH;
        let longest = text.split(' ').map(|word| word.chars().count()).max();
        let fits = beside + longest.unwrap_or_default() <= self.width();
        let padded = if fits { LABEL_WIDTH } else { 0 };
        let label = self.paint("2", &format!("{label:<padded$}"));
        let text = if fits {
            hang(&text, self.width(), beside)
        } else {
            let text = hang(&text, self.width(), BELOW_INDENT);
            format!("\n{:BELOW_INDENT$}{text}", "")
        };
        self.line(&format!("{:DETAIL_INDENT$}{label}{text}", ""));
    }

    /// A mail as it would be sent, in a box.
    pub(crate) fn mail(&self, notice: &Notice) {
        let [across, down, tl, tr, bl, br] = if self.unicode {
            ["─", "│", "┌", "┐", "└", "┘"]
        } else {
            ["-", "|", "+", "+", "+", "+"]
        };
        // As wide as its table, within what a terminal may have.
        let widest = notice.message.lines().map(|row| row.chars().count()).max();
        let most = (self.width() - 11).min(TABLE_WIDTH);
        let room = widest.unwrap_or_default().clamp(most.min(WIDTH - 11), most);
        let subject = notice.subject.as_deref().unwrap_or("(none)");
        let mut rows = wrap(&format!("Subject: {}", clean(subject)), room);
        rows.push(String::new());
        for text in notice.message.lines() {
            rows.extend(wrap(&clean(text), room));
        }
        let edge = across.repeat(room + 2);
        self.line(&format!(
            "       {}",
            self.paint("2", &format!("{tl}{edge}{tr}"))
        ));
        for row in rows {
            let down = self.paint("2", down);
            let gap = room.saturating_sub(row.chars().count());
            self.line(&format!("       {down} {row}{:gap$} {down}", ""));
        }
        self.line(&format!(
            "       {}",
            self.paint("2", &format!("{bl}{edge}{br}"))
        ));
    }

    /// The names of the columns of [`Printer::delivery`].
    pub(crate) fn delivery_columns(&self) {
        let room = self.what_width();
        let text = format!(
            " {:<9}  {:<8}  {:<room$}  {:<16}  {:>8}",
            "time", "source", "what", "outcome", "took"
        );
        self.line(&self.paint("2", &text));
    }

    /// One delivery in one line.
    pub(crate) fn delivery(&self, row: &Row) {
        let room = self.what_width();
        let what = self.shorten(&clean(&row.what), room);
        let colour = if row.status < 400 { "32" } else { "31" };
        let outcome = self.shorten(&format!("{} {}", row.status, clean(&row.outcome)), 16);
        self.line(&format!(
            " {:<9}  {:<8}  {what:<room$}  {}  {:>8}",
            row.time,
            self.shorten(&clean(&row.source), 8),
            self.paint(colour, &format!("{outcome:<16}")),
            milliseconds(row.took)
        ));
    }

    fn what_width(&self) -> usize {
        let left = self.width().saturating_sub(OTHERS_WIDTH);
        left.clamp(12, WHAT_WIDTH)
    }

    /// `text` in at most `room` characters, its two ends kept.
    pub(crate) fn shorten(&self, text: &str, room: usize) -> String {
        let length = text.chars().count();
        if length <= room {
            return text.to_owned();
        }
        let dots = if self.unicode { "…" } else { ".." };
        let keep = room - dots.chars().count();
        let (head, tail) = (keep / 2, keep - keep / 2);
        let start: String = text.chars().take(head).collect();
        let end: String = text.chars().skip(length - tail).collect();
        format!("{start}{dots}{end}")
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One delivery as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) time: String,
    pub(crate) source: String,
    pub(crate) what: String,
    pub(crate) status: u16,
    pub(crate) outcome: String,
    pub(crate) took: Duration,
}

/// Bytes for people.
pub(crate) fn bytes(count: usize) -> String {
    const MIB: usize = 1024 * 1024;
    if count >= MIB && count.is_multiple_of(MIB) {
        format!("{} MiB", count / MIB)
    } else {
        format!("{count} bytes")
    }
}

fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

/// The text with its control characters made visible: it may come from anywhere.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || reorders(character) {
            // Writing to a String cannot fail.
            write!(clean, "{}", character.escape_default()).ok();
        } else {
            clean.push(character);
        }
    }
    clean
}

/// The same of a text of many lines, which stay.
pub(crate) fn clean_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(clean).collect();
    lines.join("\n")
}

/// Says on stderr what went wrong, which may be in a far side's words.
pub(crate) fn complain(label: &str, problem: &str) {
    let text = format!("{label}: {}", clean_lines(problem));
    match width::known(std::io::stderr()) {
        Some(columns) => {
            for line in text.lines() {
                eprintln!("{}", hang(line, columns, 2));
            }
        }
        None => eprintln!("{text}"),
    }
}

/// The rows of `text`, broken between words where there is a place to.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > room {
        let space = rest[..=room].iter().rposition(|c| *c == ' ');
        let (end, next) = match space.filter(|at| *at > 0) {
            Some(at) => (at, at + 1),
            None => (room, room),
        };
        rows.push(rest[..end].iter().collect());
        rest.drain(..next);
    }
    rows.push(rest.into_iter().collect());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_control_characters_instead_of_obeying_them() {
        assert_eq!(clean("a\x1b[2Jb\r"), "a\\u{1b}[2Jb\\r");
        assert_eq!(clean("ключ"), "ключ");
        assert_eq!(clean("a\u{9b}2J\u{202e}b"), "a\\u{9b}2J\\u{202e}b");
        assert_eq!(clean_lines("<a>\r\n\x1b[2J\n"), "<a>\n\\u{1b}[2J");
    }

    #[test]
    fn shortens_the_middle_and_keeps_both_ends() {
        let plain = Printer {
            colour: false,
            unicode: false,
            columns: None,
        };
        assert_eq!(plain.shorten("abcdefghij", 10), "abcdefghij");
        assert_eq!(plain.shorten("abcdefghijk", 10), "abcd..hijk");
        assert_eq!(plain.shorten("ключключключ", 6), "кл..юч");
    }

    #[test]
    fn wraps_long_rows_and_keeps_empty_ones() {
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("ab cdef", 4), ["ab", "cdef"]);
    }
}
