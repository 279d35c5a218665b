//! Points in time as stores spell them. HTTP and S3 have one spelling each; stores and the proxies before them have more.

use time::{Date, Month, Time};

/// The longest spelling that is read, in bytes.
const TEXT_MAX: usize = 64;

/// Seconds since 1970, of a spelling of HTTP (IMF-fixdate, RFC 850, asctime), of ISO 8601, or of Unix time; in small or capital
/// letters, with one digit or two, with any offset. Without an offset it is UTC.
#[must_use]
pub fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > TEXT_MAX || !text.is_ascii() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            9..=11 => Some(number),
            12..=14 => Some(number / 1000),
            _ => None,
        };
    }
    let begins_with_year = text.len() > 8 && text.bytes().take(4).all(|b| b.is_ascii_digit());
    if begins_with_year {
        iso(&text)
    } else {
        http(&text)
    }
}

/// `2023-11-14T22:13:20.007Z`, also without its dashes and colons, or with a blank instead of the T.
fn iso(text: &str) -> Option<i64> {
    let basic = text.bytes().take(8).all(|b| b.is_ascii_digit());
    let (date, rest) = if basic {
        (
            Date::from_calendar_date(
                number(&text[..4])?,
                month(number(&text[4..6])?)?,
                number(&text[6..8])?,
            ),
            &text[8..],
        )
    } else {
        let separator = text[4..].chars().next().filter(|c| "-/.".contains(*c))?;
        let (year, rest) = text.split_once(separator)?;
        let (of_year, rest) = rest.split_once(separator)?;
        let end = rest.bytes().position(|b| !b.is_ascii_digit())?;
        (
            Date::from_calendar_date(
                number(year)?,
                month(number(of_year)?)?,
                number(&rest[..end])?,
            ),
            &rest[end..],
        )
    };
    let rest = rest.trim_start_matches(['t', ' ']);
    let end = rest.find(|c: char| !c.is_ascii_digit() && !":.,".contains(c));
    let (time, zone) = rest.split_at(end.unwrap_or(rest.len()));
    seconds(date.ok()?, clock(time)?, offset(zone)?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
fn http(text: &str) -> Option<i64> {
    let mut words = Vec::new();
    for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        // `06-nov-94`, but not `-0500`.
        let dashed = word.as_bytes()[0].is_ascii_digit() && word.contains('-');
        if dashed && !word.contains(':') {
            words.extend(word.split('-'));
        } else {
            words.push(word);
        }
    }
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let is_day = |word: &&str| word.get(..3).is_some_and(|start| DAYS.contains(&start));
    if words.first().is_some_and(is_day) {
        words.remove(0);
    }
    let (day, of_year, year, time, zone) = match words[..] {
        // Of asctime the year comes last, and it has no zone or one before the year.
        [of_year, day, time, year] if named_month(of_year).is_some() && time.contains(':') => {
            (day, of_year, year, time, "")
        }
        [of_year, day, time, zone, year]
            if named_month(of_year).is_some() && time.contains(':') =>
        {
            (day, of_year, year, time, zone)
        }
        [day, of_year, year, time] => (day, of_year, year, time, ""),
        [day, of_year, year, time, zone] => (day, of_year, year, time, zone),
        _ => return None,
    };
    let year = match (year.len(), number::<i32>(year)?) {
        // Two digits are of RFC 850, which is older than this century.
        (2, year @ 70..) => 1900 + year,
        (2, year) => 2000 + year,
        (4, year) => year,
        _ => return None,
    };
    let date = Date::from_calendar_date(year, named_month(of_year)?, number(day)?);
    seconds(date.ok()?, clock(time)?, offset(zone)?)
}

fn seconds(date: Date, time: Time, offset: i64) -> Option<i64> {
    let at = date.with_time(time).assume_utc().unix_timestamp();
    at.checked_sub(offset)
}

/// Digits alone: no sign.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn month(number: u8) -> Option<Month> {
    Month::try_from(number).ok()
}

fn named_month(name: &str) -> Option<Month> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let found = NAMES
        .iter()
        .position(|full| name.len() >= 3 && full.starts_with(name));
    month(u8::try_from(found? + 1).ok()?)
}

/// `22:13:20.007`, `22:13`, `221320`. A leap second is the second before it.
fn clock(text: &str) -> Option<Time> {
    let (text, fraction) = match text.split_once(['.', ',']) {
        Some((text, fraction)) => (text, fraction),
        None => (text, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, minute, second) = if text.contains(':') {
        let mut parts = text.split(':');
        let parts = (parts.next()?, parts.next()?, parts.next(), parts.next());
        match parts {
            (hour, minute, second, None) => (hour, minute, second.unwrap_or("0")),
            _ => return None,
        }
    } else if text.len() == 6 {
        (text.get(..2)?, text.get(2..4)?, text.get(4..)?)
    } else {
        return None;
    };
    let second = match number::<u8>(second)? {
        60 => 59,
        second => second,
    };
    Time::from_hms(number(hour)?, number(minute)?, second).ok()
}

/// Seconds that a zone is before UTC.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = ["gmt", "utc", "ut", "z"]
        .iter()
        .find_map(|name| text.strip_prefix(name))
        .unwrap_or(text);
    if text.is_empty() {
        return Some(0);
    }
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = match text.split_once(':') {
        Some(both) => both,
        None if text.len() == 4 => text.split_at_checked(2)?,
        None => (text, "0"),
    };
    let (hours, minutes) = (number::<i64>(hours)?, number::<i64>(minutes)?);
    let known = hours <= 14 && minutes < 60;
    known.then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_time_is_that_time() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37",
            "06 Nov 1994 08:49:37 Z",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun,  06  Nov  1994  08:49:37  GMT ",
            "Sun, 06 Nov 1994 03:49:37 -0500",
            "Sun, 06 November 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 UTC 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06T08:49:37.000Z",
            "1994-11-06t08:49:37.999999999z",
            "1994-11-06T08:49:37",
            "1994-11-06 08:49:37",
            "1994-11-06 08:49:37 +0000",
            "1994-11-06 08:49:37 UTC",
            "1994-11-06T08:49:37+00:00",
            "1994-11-06T10:49:37+02:00",
            "1994-11-06T03:49:37-05",
            "1994/11/6 8:49:37",
            "19941106T084937Z",
            "784111777",
            "784111777000",
        ] {
            assert_eq!(read(text), Some(784_111_777), "{text}");
        }
        assert_eq!(read("Tue, 01 Jan 2069 00:00:00 GMT"), Some(3_124_224_000));
        assert_eq!(read("Tuesday, 01-Jan-69 00:00:00 GMT"), Some(3_124_224_000));
        assert_eq!(read("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(read("2016-12-31T23:59:60Z"), Some(1_483_228_799));
        assert_eq!(read("2024-02-29T00:00Z"), Some(1_709_164_800));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            " ",
            "yesterday",
            "0",
            "1994",
            "1994-11-06",
            "1994-13-06T08:49:37Z",
            "1994-02-30T08:49:37Z",
            "1994-11-06T24:00:01Z",
            "1994-11-06T08:49:37X",
            "1994-11-06T08:49:37+99:00",
            "1994-11-06T08:49:37Z trailing",
            "+994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37:00 GMT",
            "Sun, 06 Nov 199 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "\u{e9}",
            "99999999999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ -~]{0,70}|[0-9:TtZz+. /-]{0,40}|\\PC{0,20}") {
            let _ = read(&text);
        }
    }
}
