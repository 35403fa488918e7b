//! Address blocks (RFC 4632) that tokens and roles are bound to.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A block of addresses: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

impl Cidr {
    /// The block a text spells; without a prefix length it is one address.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.ok().map(|net| Self(net.trunc()))
    }

    /// The block of this address alone.
    pub fn of(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }

    /// The block with its prefix length, also if it is one address.
    pub fn with_prefix(&self) -> String {
        self.0.to_string()
    }

    /// Whether the address lies in it. An IPv4 address mapped into IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// Whether somebody at this address may use what is bound to these blocks; at no address (a Unix socket) only what is
/// bound to none.
pub fn admits(blocks: &[Cidr], remote: Option<IpAddr>) -> bool {
    let within = |address| blocks.iter().any(|block| block.contains(address));
    blocks.is_empty() || remote.is_some_and(within)
}

/// Whether each of `inner` lies within one of `outer`.
pub fn covers(outer: &[Cidr], inner: &[Cidr]) -> bool {
    let within = |block: &Cidr| outer.iter().any(|wide| wide.0.contains(&block.0));
    inner.iter().all(within)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a CIDR"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(blocks: &[&str], remote: &str) -> bool {
        let blocks: Vec<_> = blocks
            .iter()
            .map(|block| Cidr::parse(block).unwrap())
            .collect();
        admits(&blocks, Some(remote.parse().unwrap()))
    }

    #[test]
    fn blocks_hold_their_addresses_and_no_others() {
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.1.2.3/24", "10.1.2.0", "10.1.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(admitted(&[block], inside), "{block} {inside}");
            assert!(!admitted(&[block], outside), "{block} {outside}");
        }
        assert!(admitted(&["::1", "10.0.0.0/8"], "10.0.0.1"));
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        assert!(admitted(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
        assert!(!admitted(&["::/0"], "::ffff:10.0.0.1"));
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(Cidr::of(mapped).to_string(), "10.0.0.1");
    }

    #[test]
    fn who_has_no_address_is_within_no_block() {
        assert!(admits(&[], None));
        assert!(!admits(&[Cidr::parse("0.0.0.0/0").unwrap()], None));
    }

    #[test]
    fn texts_read_back_and_nonsense_is_refused() {
        for (text, printed) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3/32", "10.1.2.3"),
            (" ::1 ", "::1"),
        ] {
            assert_eq!(Cidr::parse(text).unwrap().to_string(), printed);
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "::/129", "host", "1.2.3.4/-1"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
        let read: Cidr = serde_json::from_str("\"10.0.0.0/8\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"10.0.0.0/8\"");
    }
}
