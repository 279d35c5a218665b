//! Where VK posts a bucket's events: `?notification`. A PUT replaces the whole configuration, once every hook in it has answered the
//! handshake.
//!
//! It must never save a hook whose handshake failed.

use http::{Method, Response, StatusCode};
use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;
use s3s::{Body, HttpRequest, HttpResponse};

use super::super::faults::{drain, refusal, xml_answer};
use super::super::sender::{Hook, event_name};
use super::store::{Change, Store};

const ROOT: &str = "NotificationConfiguration";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const HOOK: &str = "SimpleTopicConfiguration";

/// A hook that a bucket has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Its name among those of the bucket.
    pub id: String,
    /// Where events are posted.
    pub url: String,
    /// Which events, with `*` at the end for all that begin so.
    pub events: Vec<String>,
    /// Only keys that begin so.
    pub prefix: String,
}

impl Registered {
    /// Whether a change is to be posted there.
    #[must_use]
    pub fn wants(&self, change: &Change) -> bool {
        let name = event_name(change.event);
        let name = name.strip_prefix("s3:").unwrap_or(name);
        let of = |pattern: &String| {
            let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
            match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == pattern,
            }
        };
        change.key.starts_with(&self.prefix) && self.events.iter().any(of)
    }

    fn xml(&self) -> String {
        let events = self.events.iter();
        let events: String = events
            .map(|event| format!("<Event>{}</Event>", escape(event)))
            .collect();
        let (id, url) = (escape(&self.id), escape(&self.url));
        format!("<{HOOK}><Id>{id}</Id>{events}<Url>{url}</Url></{HOOK}>")
    }
}

impl Store {
    /// Has the buckets speak of notifications as VK Cloud does, in this project.
    pub fn in_project(&self, project: &str) {
        self.lock().project = Some(project.to_owned());
    }

    /// Gives a bucket this one hook, whose handshake was answered.
    pub fn register(&self, bucket: &str, hook: &Registered) {
        let xml = format!("<{ROOT} xmlns=\"{NAMESPACE}\">{}</{ROOT}>", hook.xml());
        if let Ok(bucket) = self.lock().bucket(bucket) {
            bucket.notifications = Some(xml);
        }
    }

    /// The hooks that a bucket has.
    #[must_use]
    pub fn hooks(&self, bucket: &str) -> Vec<Registered> {
        let mut inner = self.lock();
        let known = inner.bucket(bucket).ok();
        let xml = known.and_then(|bucket| bucket.notifications.as_deref());
        xml.and_then(read).unwrap_or_default()
    }
}

/// Answers what is asked about a bucket's notifications; nothing to any other question.
pub(super) async fn answer(store: &Store, request: &mut HttpRequest) -> Option<HttpResponse> {
    let query = request.uri().query()?;
    let asks = |part: &str| part == "notification" || part.starts_with("notification=");
    if !query.split('&').any(asks) {
        return None;
    }
    let project = store.lock().project.clone()?;
    let bucket = request.uri().path().trim_matches('/').to_owned();
    let known = match store.lock().bucket(&bucket) {
        Ok(bucket) => bucket.notifications.clone(),
        Err(_) => return Some(refusal(404, "NoSuchBucket")),
    };
    if request.method() == Method::GET {
        let none = || format!("<{ROOT} xmlns=\"{NAMESPACE}\"/>");
        return Some(xml_answer(known.unwrap_or_else(none)));
    }
    if request.method() != Method::PUT {
        return Some(refusal(405, "MethodNotAllowed"));
    }
    let body = drain(request.body_mut()).await;
    let Some((xml, hooks)) = String::from_utf8(body)
        .ok()
        .and_then(|xml| read(&xml).map(|hooks| (xml, hooks)))
    else {
        return Some(refusal(400, "MalformedXML"));
    };
    let client = reqwest::Client::new();
    for hook in hooks {
        let mut sender = Hook::new(&project, &bucket, &hook.url);
        sender.events = hook.events.join(",");
        let shaken = sender.shake(&client).await;
        if !shaken.is_ok_and(|shaken| shaken.is_right()) {
            return Some(unconfirmed(&hook.url));
        }
    }
    if let Ok(bucket) = store.lock().bucket(&bucket) {
        bucket.notifications = Some(xml);
    }
    Some(Response::new(Body::empty()))
}

/// What is answered where a hook did not prove itself.
fn unconfirmed(url: &str) -> HttpResponse {
    let url = escape(url);
    let mut response = xml_answer(format!(
        "<Error><Code>InvalidArgument</Code><Message>the handshake with {url} failed: no answer, or another signature</Message></Error>"
    ));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The hooks of a configuration; none where it is not one.
fn read(xml: &str) -> Option<Vec<Registered>> {
    let mut reader = Reader::from_str(xml);
    let (mut path, mut start) = (Vec::<String>::new(), 0);
    let (mut found, mut rule, mut rooted) = (Vec::<Registered>::new(), String::new(), false);
    loop {
        let before = usize::try_from(reader.buffer_position()).ok()?;
        let event = reader.read_event().ok()?;
        start = match event {
            Event::Start(tag) => {
                path.push(String::from_utf8_lossy(tag.local_name().as_ref()).into_owned());
                rooted |= path.len() == 1 && path[0] == ROOT;
                if path.len() == 2 && path[1] == HOOK {
                    found.push(Registered::default());
                }
                usize::try_from(reader.buffer_position()).ok()?
            }
            Event::Empty(tag) => {
                rooted |= path.is_empty() && tag.local_name().as_ref() == ROOT.as_bytes();
                start
            }
            Event::End(_) => {
                let name = path.pop()?;
                let text = unescape(xml.get(start..before)?).ok();
                let text = text.map_or_else(String::new, |text| text.trim().to_owned());
                if let Some(hook) = found.last_mut().filter(|_| path.len() > 1) {
                    match (path.len(), name.as_str()) {
                        (2, "Id") => hook.id = text,
                        (2, "Url") => hook.url = text,
                        (2, "Event") => hook.events.push(text),
                        (_, "Name") => rule = text.to_ascii_lowercase(),
                        (_, "Value") if rule == "prefix" => hook.prefix = text,
                        _ => {}
                    }
                }
                start
            }
            Event::Eof => return (rooted && path.is_empty()).then_some(found),
            _ => start,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::s3::ChangeKind;
    use std::time::SystemTime;

    fn change(key: &str, event: ChangeKind) -> Change {
        Change {
            bucket: "origin".to_owned(),
            key: key.to_owned(),
            event,
            etag: String::new(),
            size: 0,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn reads_what_hookctl_registers_and_what_it_writes_itself() {
        let hook = crate::domain::notification::Hook {
            id: "hookwork".to_owned(),
            url: "http://x/hooks/vk/k?a=1&b=2".to_owned(),
            prefix: Some("photos/".to_owned()),
        };
        let merged = crate::domain::notification::merged("", &hook).unwrap();
        let hooks = read(&merged.xml).unwrap();
        assert_eq!(hooks.len(), 1);
        assert_eq!((&hooks[0].id, &hooks[0].url), (&hook.id, &hook.url));
        assert_eq!(hooks[0].prefix, "photos/");
        assert!(hooks[0].wants(&change("photos/a", ChangeKind::Put)));
        assert!(hooks[0].wants(&change("photos/a", ChangeKind::Delete)));
        assert!(!hooks[0].wants(&change("a", ChangeKind::Put)));

        let store = Store::new(&["origin"]);
        let only = Registered {
            events: vec!["s3:ObjectCreated:Put".to_owned()],
            prefix: String::new(),
            ..hooks[0].clone()
        };
        store.register("origin", &only);
        assert_eq!(store.hooks("origin"), std::slice::from_ref(&only));
        assert!(!only.wants(&change("a", ChangeKind::Copy)));
        assert_eq!(store.hooks("nowhere"), []);
    }

    #[test]
    fn takes_nothing_else_for_a_configuration() {
        assert_eq!(read("<NotificationConfiguration/>"), Some(Vec::new()));
        for odd in [
            "",
            "<html/>",
            "{}",
            "<NotificationConfiguration>",
            "<a></b>",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
