//! Where the function is reached, as the one who asks reached it: what a URL to show begins with.

use super::Arrival;
use super::credentials::text;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

/// Scheme, domain and stage, without a slash at the end, as a request below `/inbox` tells them: through a gateway by its context,
/// else by the host that was asked for, in plain.
pub(super) fn base(headers: &HeaderMap, extensions: &Extensions) -> Option<String> {
    if let Some(arrival) = extensions.get::<Arrival>() {
        let (base, _) = arrival.url.as_deref()?.split_once("/inbox")?;
        return Some(base.to_owned());
    }
    of_host(headers)
}

/// The URL that a request without a gateway called: the host that it asked for, in plain, and its path and query.
pub(super) fn called(parts: &Parts) -> Option<String> {
    let of_host = of_host(&parts.headers)?;
    let target = parts.uri.path_and_query()?;
    Some(format!("{of_host}{target}"))
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
