//! The addresses that a source may be delivered from.

use core::net::IpAddr;
use ipnet::IpNet;
use serde::Deserialize;

/// Addresses and networks; none at all is any.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Vec<String>")]
pub struct Addresses(Vec<IpNet>);

impl TryFrom<Vec<String>> for Addresses {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("from: is empty: nothing would be let in".to_owned());
        }
        let parsed = texts.iter().map(|text| {
            let net = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| {
                format!(
                    "from: expected an address or a network such as 192.0.2.0/24, found \"{text}\""
                )
            })
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }
}

impl Addresses {
    /// Whether a delivery from there is let in. Where there is a list, one from nobody knows where is not.
    #[must_use]
    pub fn allow(&self, from: Option<IpAddr>) -> bool {
        // An IPv4 address that came through an IPv6 socket is the same one.
        let from = from.map(|from| from.to_canonical());
        self.0.is_empty() || from.is_some_and(|from| self.0.iter().any(|net| net.contains(&from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Addresses, String> {
        Addresses::try_from(
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn only_what_is_listed_is_let_in() {
        let listed = of(&["95.163.216.92", "192.0.2.0/24", "2001:db8::/32"]).unwrap();
        let allows = |from: &str| listed.allow(Some(from.parse().unwrap()));
        for inside in [
            "95.163.216.92",
            "192.0.2.255",
            "2001:db8::1",
            "::ffff:192.0.2.7",
        ] {
            assert!(allows(inside), "{inside}");
        }
        for outside in ["95.163.216.93", "192.0.3.0", "2001:db9::", "::1"] {
            assert!(!allows(outside), "{outside}");
        }
        assert!(!listed.allow(None));
        assert!(Addresses::default().allow(None));
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        assert!(of(&[]).unwrap_err().contains("is empty"));
        for odd in ["", "example.org", "192.0.2.0/33", "192.0.2"] {
            assert!(of(&[odd]).unwrap_err().contains("found"), "{odd}");
        }
    }
}
