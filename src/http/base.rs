//! Where the function is reached, as the one who asks reached it: what a URL to show begins with.

use super::credentials::text;
use super::{Arrival, Peer};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Uri, header};

const FORWARDED_BY: &str = "x-forwarded-proto";

/// Scheme, domain and stage, without a slash at the end, as a request below `/inbox` tells them: through a gateway by its context,
/// else by the host that was asked for, in plain.
pub(super) fn base(headers: &HeaderMap, extensions: &Extensions) -> Option<String> {
    if let Some(arrival) = extensions.get::<Arrival>() {
        let (base, _) = arrival.url.as_deref()?.split_once("/inbox")?;
        return Some(base.to_owned());
    }
    of_host(headers)
}

/// The path and query of a request as they were called, where the router is asked for another spelling.
#[derive(Clone)]
pub(super) struct Called(pub(super) Uri);

/// The URL that a request without a gateway called: the host that it asked for, in plain, and its path and query.
pub(super) fn called(parts: &Parts) -> Option<String> {
    let of_host = of_host(&parts.headers)?;
    let spelled = parts.extensions.get::<Called>();
    let target = spelled.map_or(&parts.uri, |Called(uri)| uri);
    let target = target.path_and_query()?;
    Some(format!("{of_host}{target}"))
}

/// Whether a request came without TLS on this machine: not through a gateway, and not through a proxy before us.
pub(super) fn in_plain(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let here = extensions
        .get()
        .is_some_and(|Peer(from)| from.is_loopback());
    let proxied = text(headers, FORWARDED_BY).is_some();
    here && !proxied && extensions.get::<Arrival>().is_none()
}

/// Whether it is known that a request came by TLS. A gateway takes nothing else.
pub(super) fn over_tls(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let forwarded = text(headers, FORWARDED_BY);
    extensions.get::<Arrival>().is_some()
        || forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn of_host(headers: &HeaderMap) -> Option<String> {
    let host = text(headers, header::HOST.as_str())?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| format!("http://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn through_gateway(url: Option<&str>) -> Option<String> {
        let mut extensions = Extensions::new();
        extensions.insert(Arrival {
            url: url.map(str::to_owned),
            from: None,
            trace: None,
            deadline: Instant::now(),
        });
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "another.example".parse().unwrap());
        base(&headers, &extensions)
    }

    #[test]
    fn a_gateways_context_counts_and_no_header_beside_it() {
        let url =
            "https://a1.execute-api.us-east-1.amazonaws.com/prod/inbox/api/endpoints?x=/inbox";
        let base = "https://a1.execute-api.us-east-1.amazonaws.com/prod";
        assert_eq!(through_gateway(Some(url)).as_deref(), Some(base));
        assert_eq!(through_gateway(Some("https://x/elsewhere")), None);
        assert_eq!(through_gateway(None), None);
    }

    #[test]
    fn without_a_gateway_it_is_the_host_that_was_asked_for() {
        let of = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            base(&headers, &Extensions::new())
        };
        assert_eq!(
            of("127.0.0.1:8080").as_deref(),
            Some("http://127.0.0.1:8080")
        );
        assert_eq!(of("[::1]:80").as_deref(), Some("http://[::1]:80"));
        for odd in ["", "a/b", "a b", "\"><script>"] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(base(&HeaderMap::new(), &Extensions::new()), None);
    }
}
