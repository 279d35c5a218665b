//! The page: one file, with one script and one style in it, which its policy names by their hashes. Nothing else may run in it.

use crate::domain::signature::sha256;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The page. No data is in it: anybody may have it.
pub(super) const PAGE: &str = include_str!("page.html");

/// The page's policy.
pub(super) fn policy() -> HeaderValue {
    let hash = |element| STANDARD.encode(sha256(&[inside(element).unwrap_or_default().as_bytes()]));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash("script"),
        hash("style"),
    );
    policy.try_into().expect("base64 and plain text")
}

/// What is between the tags of the one element of this name.
fn inside(element: &str) -> Option<&'static str> {
    let (_, after) = PAGE.split_once(&format!("<{element}>"))?;
    let (inside, _) = after.split_once(&format!("</{element}>"))?;
    Some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_that_its_policy_stops() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            assert!(inside(element).is_some_and(|inside| !inside.is_empty()));
        }
        let odd = [
            " style=\"",
            " onclick=",
            " onload=",
            " onsubmit=",
            "innerHTML",
            "javascript:",
            "\r",
        ];
        for odd in odd {
            assert!(!PAGE.contains(odd), "{odd:?}");
        }
        // It would print the word false of a condition that is not met; `add` does not.
        assert_eq!(PAGE.matches(".append(").count(), 1);
    }
}
