//! The route that a request is for: its path without what stands before the API. That is the name of a stage, the mapping of a
//! custom domain, both or neither, and each form of event tells it in another field.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::HashMap;

/// The routes that the function has whatever its sources are.
const ROOTS: [&str; 4] = ["/hooks", "/in", "/inbox", "/ping"];

/// What an event says of the path that was called.
pub(super) struct Path<'a> {
    /// As the event has it.
    pub(super) path: &'a str,
    /// The API's own route that took it, such as `/hooks/{proxy+}`; none of `$default`.
    pub(super) template: Option<&'a str>,
    /// The values of the template's parameters.
    pub(super) parameters: &'a HashMap<String, String>,
    /// The stage, where the path may begin with it.
    pub(super) stage: Option<&'a str>,
}

impl Path<'_> {
    /// The path from its route on, and whether that is certain.
    pub(super) fn route(&self) -> (String, bool) {
        match self.by_template() {
            Some(route) => (route.to_owned(), true),
            None => (without_stage(self.path, self.stage), false),
        }
    }

    /// The end of the path that the template, with its parameters filled in, is.
    fn by_template(&self) -> Option<&str> {
        let template = self.template.filter(|template| template.starts_with('/'))?;
        let mut filled = String::new();
        for segment in template.split('/').filter(|segment| !segment.is_empty()) {
            let name = segment
                .strip_prefix('{')
                .and_then(|it| it.strip_suffix('}'));
            let value: &str = match name {
                Some(name) => self.parameters.get(name.trim_end_matches('+'))?,
                None => segment,
            };
            filled.push('/');
            filled.push_str(value.trim_matches('/'));
        }
        let wanted = decoded(filled.trim_end_matches('/'));
        if wanted.is_empty() {
            return Some("/");
        }
        let slashes = self.path.match_indices('/');
        let mut ends = slashes.map(|(at, _)| &self.path[at..]);
        ends.find(|end| decoded(end).trim_end_matches('/') == wanted)
    }
}

/// The gateway decodes values of parameters, and a path perhaps.
fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// A named stage is the first segment of the path of an HTTP API.
pub(super) fn without_stage(path: &str, stage: Option<&str>) -> String {
    let stage = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/".to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// The target from the first segment on that is a route, of a custom domain whose mapping nothing tells; `own` are routes of
/// sources. Whatever has no such segment stays as it is.
pub(super) fn without_mapping<'a>(target: &str, own: impl Iterator<Item = &'a str>) -> &str {
    let roots: Vec<_> = ROOTS.into_iter().chain(own).collect();
    let begins = |end: &str| {
        let mut rests = roots.iter().filter_map(|root| end.strip_prefix(*root));
        rests.any(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let path = target.split('?').next().unwrap_or_default();
    let slashes = path.match_indices('/');
    let mut ends = slashes.map(|(at, _)| &target[at..]);
    ends.find(|end| begins(end)).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, template: &str, parameters: &[(&str, &str)]) -> (String, bool) {
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let parameters = parameters.collect();
        Path {
            path,
            template: Some(template),
            parameters: &parameters,
            stage: Some("prod"),
        }
        .route()
    }

    #[test]
    fn the_apis_own_route_tells_where_the_path_begins() {
        for (path, template, parameters, expected) in [
            (
                "/base/hooks/o",
                "/{proxy+}",
                ("proxy", "hooks/o"),
                "/hooks/o",
            ),
            (
                "/a/b/hooks/o",
                "/{proxy+}",
                ("proxy", "hooks/o"),
                "/hooks/o",
            ),
            ("/hooks/o", "/{proxy+}", ("proxy", "hooks/o"), "/hooks/o"),
            (
                "/hooks/hooks/o",
                "/{proxy+}",
                ("proxy", "hooks/o"),
                "/hooks/o",
            ),
            (
                "/base/hooks/o/",
                "/{proxy+}",
                ("proxy", "hooks/o"),
                "/hooks/o/",
            ),
            (
                "/base/hooks/o/",
                "/{proxy+}",
                ("proxy", "hooks/o/"),
                "/hooks/o/",
            ),
            (
                "/base/hooks/a%20b",
                "/{proxy+}",
                ("proxy", "hooks/a b"),
                "/hooks/a%20b",
            ),
            (
                "/base/hooks/a b",
                "/{proxy+}",
                ("proxy", "hooks/a%20b"),
                "/hooks/a b",
            ),
            (
                "/base/hooks/o/k",
                "/hooks/{proxy+}",
                ("proxy", "o/k"),
                "/hooks/o/k",
            ),
            (
                "/prod/hooks/o",
                "/hooks/{source}",
                ("source", "o"),
                "/hooks/o",
            ),
            ("/base/ping", "/ping", ("", ""), "/ping"),
            ("/base", "/", ("", ""), "/"),
        ] {
            let found = route(path, template, &[parameters]);
            assert_eq!(found, (expected.to_owned(), true), "{path} {template}");
        }
        let odd = route("/prod/hooks/o", "/{proxy+}", &[("proxy", "elsewhere")]);
        assert_eq!(odd, ("/hooks/o".to_owned(), false), "then the stage counts");
        let none = route("/prod/hooks/o", "$default", &[]);
        assert_eq!(none, ("/hooks/o".to_owned(), false));
    }

    #[test]
    fn a_named_stage_is_no_part_of_the_route() {
        for (path, stage, expected) in [
            ("/prod/hooks/vk", "prod", "/hooks/vk"),
            ("/hooks/vk", "$default", "/hooks/vk"),
            ("/production", "prod", "/production"),
            ("/hooks/vk", "prod", "/hooks/vk"),
            ("/hooks/hooks/vk", "hooks", "/hooks/vk"),
            ("/prod", "prod", "/"),
            ("/prod/", "prod", "/"),
        ] {
            assert_eq!(without_stage(path, Some(stage)), expected, "{path}");
        }
    }

    #[test]
    fn a_mapping_that_nothing_tells_ends_where_a_route_begins() {
        let own = || ["/webhook"].into_iter();
        for (target, expected) in [
            ("/base/hooks/vk?a=/in/b", "/hooks/vk?a=/in/b"),
            ("/a/b/c/inbox", "/inbox"),
            ("/base/webhook?x", "/webhook?x"),
            ("/hooks/inbox/in", "/hooks/inbox/in"),
            (
                "/base/elsewhere?to=/hooks/vk",
                "/base/elsewhere?to=/hooks/vk",
            ),
            ("/inboxes/hooksy", "/inboxes/hooksy"),
            ("", ""),
        ] {
            assert_eq!(without_mapping(target, own()), expected, "{target}");
        }
    }
}
