//! How often somebody may be wrong about the inbox's token. In process: each instance of the function counts for itself. The right
//! token is never counted: it is long and random, so that no number of guesses finds it, and a limit that it met would lock out
//! whoever has it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// A failure counts for so long.
const COUNTS_FOR: Duration = Duration::from_secs(60);
/// So many of one address, and of all together; more wait. Those of all are the bound of what is remembered.
const OF_ONE: usize = 5;
const OF_ALL: usize = 60;

/// The failures of the last minute.
#[derive(Debug, Default)]
pub(super) struct Limit(VecDeque<(SystemTime, Option<IpAddr>)>);

impl Limit {
    /// Counts a wrong token of this address.
    ///
    /// # Errors
    /// There were too many before it: how many seconds it must wait.
    pub(super) fn count(&mut self, from: Option<IpAddr>, now: SystemTime) -> Result<(), u64> {
        let from = from.map(network);
        // One from the future is of a clock that was set back.
        let fresh = |then: SystemTime| {
            let age = now.duration_since(then);
            age.is_ok_and(|age| age < COUNTS_FOR)
        };
        self.0.retain(|(then, _)| fresh(*then));
        let of_one = self.0.iter().filter(|(_, who)| *who == from);
        let full = (self.0.len() >= OF_ALL).then(|| self.0.front());
        let full =
            full.or_else(|| (of_one.clone().count() >= OF_ONE).then(|| of_one.clone().next()));
        if let Some(Some((first, _))) = full {
            let age = now.duration_since(*first).unwrap_or_default();
            let wait = COUNTS_FOR.saturating_sub(age);
            return Err(wait.as_secs().max(1));
        }
        self.0.push_back((now, from));
        Ok(())
    }
}

/// Whom an address belongs to: of IPv6 everybody has at least the 2^64 of a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn five_failures_of_an_address_end_its_minute() {
        let mut limit = Limit::default();
        for second in 0..5 {
            assert_eq!(limit.count(from("192.0.2.1"), at(second)), Ok(()));
        }
        assert_eq!(limit.count(from("192.0.2.1"), at(10)), Err(50));
        assert_eq!(limit.count(from("::ffff:192.0.2.1"), at(10)), Err(50));
        assert_eq!(limit.count(from("192.0.2.2"), at(10)), Ok(()));
        assert_eq!(limit.count(None, at(10)), Ok(()));
        assert_eq!(
            limit.count(from("192.0.2.1"), at(60)),
            Ok(()),
            "the first is over"
        );
        assert_eq!(limit.count(from("192.0.2.1"), at(60)), Err(1));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut limit = Limit::default();
        for last in 0..5 {
            let address = format!("2001:db8:1:2::{last}");
            assert_eq!(limit.count(from(&address), at(0)), Ok(()));
        }
        assert_eq!(limit.count(from("2001:db8:1:2:ffff::"), at(0)), Err(60));
        assert_eq!(limit.count(from("2001:db8:1:3::"), at(0)), Ok(()));
    }

    #[test]
    fn sixty_of_all_end_everybodys_and_no_more_is_remembered() {
        let mut limit = Limit::default();
        for host in 0..1_000u32 {
            let address = IpAddr::V4(host.into());
            assert_eq!(limit.count(Some(address), at(0)).is_ok(), host < 60);
        }
        assert_eq!(limit.0.len(), 60);
        assert_eq!(limit.count(from("192.0.2.1"), at(59)), Err(1));
        assert_eq!(limit.count(from("192.0.2.1"), at(60)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut limit = Limit::default();
        for _ in 0..5 {
            assert_eq!(limit.count(from("192.0.2.1"), at(1_000_000)), Ok(()));
        }
        assert_eq!(limit.count(from("192.0.2.1"), at(0)), Ok(()));
    }
}
