//! The trace that an invocation belongs to, as X-Ray's header tells it: what goes with a delivery's jobs through the queue.

use std::sync::Arc;

/// The longest header that is carried on, in bytes. X-Ray's own are under 200.
const HEADER_MAX: usize = 512;

/// A trace header of X-Ray that is well-formed: `Root=1-<8 hex>-<24 hex>`, and what else belongs to it. SQS refuses a
/// message whose header is not, so that there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(Arc<str>);

impl Trace {
    /// Reads a header; of one that is not well-formed there is nothing to carry on.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        let fits = header.len() <= HEADER_MAX && header.bytes().all(|b| b.is_ascii_graphic());
        let right = |id: &str| {
            let mut parts = id.split('-');
            let mut hex = |length| {
                parts.next().is_some_and(|part: &str| {
                    part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
                })
            };
            id.starts_with("1-") && hex(1) && hex(8) && hex(24) && parts.next().is_none()
        };
        let whole = header.split(';').all(|field| {
            field
                .split_once('=')
                .is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
        });
        (fits && whole && root(header).is_some_and(right)).then(|| Self(header.into()))
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.0
    }

    /// The trace's id, as the log and X-Ray's console name it.
    #[must_use]
    pub fn id(&self) -> &str {
        root(&self.0).unwrap_or_default()
    }
}

fn root(header: &str) -> Option<&str> {
    header
        .split(';')
        .find_map(|field| field.strip_prefix("Root="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_header_is_carried_on_as_it_came() {
        for header in [
            format!("Root={ID}"),
            format!("Root={ID};Parent=53995c3f42cd8ad8;Sampled=1"),
            format!("Self=1-67891234-12456789abcdef012345678;Root={ID};Sampled=0"),
            format!("Root={ID};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0|68fd508a:5"),
        ] {
            let trace = Trace::parse(&header).unwrap();
            assert_eq!((trace.header(), trace.id()), (header.as_str(), ID));
        }
    }

    #[test]
    fn what_is_no_header_is_no_trace() {
        for header in [
            String::new(),
            ID.to_owned(),
            format!("Root={}", &ID[..34]),
            format!("Root={ID}0"),
            format!("Root=2{}", &ID[1..]),
            format!("Root={ID}-1"),
            format!("Root={}", ID.replace('5', "x")),
            format!("Root={ID};"),
            format!("Root={ID};Parent"),
            format!("Root={ID};Parent=a b"),
            format!("Root={ID};Parent=é"),
            format!("Root={ID};Lineage={}", "a".repeat(HEADER_MAX)),
            "Parent=53995c3f42cd8ad8;Sampled=1".to_owned(),
        ] {
            assert_eq!(Trace::parse(&header), None, "{header}");
        }
    }
}
