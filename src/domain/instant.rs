//! Points in time as the inbox spells them: RFC 3339, UTC, with milliseconds.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Of milliseconds since 1970; what no calendar has a date for is the last one that has.
#[must_use]
pub fn instant(ms: u64) -> String {
    const LAST: u64 = 253_402_300_799_999;
    let nanoseconds = i128::from(ms.min(LAST)) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds);
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = at.time().as_hms_milli();
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Milliseconds since 1970 of any time of RFC 3339 from then on.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spells_milliseconds_and_reads_any_offset() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(instant(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(
            parse("2023-11-15T00:13:20.007+02:00"),
            Some(1_700_000_000_007)
        );
        assert_eq!(parse("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        for none in [
            "",
            "yesterday",
            "2023-11-14",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_read(ms in 0u64..253_402_300_800_000) {
            prop_assert_eq!(parse(&instant(ms)), Some(ms));
        }
    }
}
