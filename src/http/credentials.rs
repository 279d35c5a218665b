//! What a request shows to be let in: a token in its header, or a cookie.

use axum::http::{HeaderMap, HeaderValue, header};

/// So many cookies of one name are looked at: as many as the headers that a gateway lets through have room for.
const COOKIES_MAX: usize = 512;

/// The token of `Authorization: Bearer <token>` (RFC 6750).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The values of the cookies of this name (RFC 6265), the first few where there are several.
pub(super) fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(header::COOKIE).iter();
    let pairs = values.filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|pairs| pairs.split(';'));
    let named = pairs.filter_map(move |pair| {
        let (its_name, value) = pair.trim().split_once('=')?;
        (its_name == name).then_some(value)
    });
    named.take(COOKIES_MAX)
}

/// The first value of a header, as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn a_token_is_found_however_its_scheme_is_spelled() {
        let found = |value: &str| bearer(&of(&[("authorization", value)])).map(str::to_owned);
        assert_eq!(found("Bearer t").as_deref(), Some("t"));
        assert_eq!(found("bearer  t ").as_deref(), Some("t"));
        for none in ["t", "Basic t", "Bearert", "Bearer\u{e9} t"] {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn a_cookie_is_found_among_others_and_of_many_the_first_few() {
        let found = |value: &str| {
            let headers = of(&[("cookie", value)]);
            cookies(&headers, "a")
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(found("b=1; a=2;a=x=y ; aa=3"), ["2", "x=y"]);
        assert_eq!(found("a"), [""; 0]);
        assert_eq!(found("A=1"), [""; 0]);
        assert_eq!(found(&"a=1;".repeat(1000)).len(), COOKIES_MAX);
    }
}
