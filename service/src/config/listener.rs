//! `server.listen` and `[listener.NAME]`: where the service listens, and who may talk to it there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::layers::Layers;
use super::section::{Placed, Section};
use super::value::{FileMode, FromValue, Value};

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is called, in the log and in metrics.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whose `X-Forwarded-For` is believed. On a Unix socket, any entry means that all who may connect are proxies.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A TCP address; port 0 takes a free one.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// How it is encrypted; absent for plain HTTP.
        tls: Option<Tls>,
    },
    /// A Unix socket.
    Unix {
        /// The socket's file.
        path: PathBuf,
        /// Who may connect.
        mode: FileMode,
    },
}

/// How a listener is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM, the server's own first.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// What a listener asks of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    Off,
    /// A certificate, if they have one. They prove to own its key; whether it is worth anything is for those to say who read it.
    Request,
    /// A certificate that leads to one of the CAs in this PEM file.
    Require(PathBuf),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    V1_2,
    /// 1.3 (RFC 8446).
    V1_3,
}

impl Listener {
    /// Reads the default listener, which is there if it is named or nothing else is, and all the others.
    pub fn read_all(layers: &mut Layers) -> Vec<Self> {
        let remote = layers.section("server").or("allow_plain_remote", false);
        let names = layers.names("listener");
        let simple = simple(&mut layers.section("server"), remote, names.is_empty());
        let has_simple = simple.is_some();
        let mut all = Vec::from_iter(simple);
        for name in names {
            let mut section = layers.named("listener", &name);
            if has_simple && name == DEFAULT_NAME {
                section.add(
                    "address",
                    "is of the listener that server.listen gives already",
                );
            }
            let place = place(&mut section, remote);
            let trusted_proxies = section.or("trusted_proxies", Vec::new());
            all.extend(place.map(|place| Self {
                name,
                place,
                trusted_proxies,
            }));
        }
        all
    }
}

/// `server.listen`: plain HTTP.
fn simple(section: &mut Section<'_>, remote: bool, needed: bool) -> Option<Listener> {
    let given = section.is_given("listen");
    let placed = section.placed::<SocketAddr>("listen");
    if !given && !needed {
        return None;
    }
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let address = placed.map_or(default, |placed| plain(section, placed, remote));
    Some(Listener {
        name: DEFAULT_NAME.to_owned(),
        place: Place::Tcp { address, tls: None },
        trusted_proxies: Vec::new(),
    })
}

fn place(section: &mut Section<'_>, remote: bool) -> Option<Place> {
    if section.is_given("unix_socket") {
        let path = section.required::<PathBuf>("unix_socket")?;
        let mode = section.or("unix_mode", FileMode(0o600));
        if let Some(Placed { place, .. }) = section.placed::<SocketAddr>("address") {
            section.add_at(place, "is given beside unix_socket; give one of them");
        }
        return Some(Place::Unix { path, mode });
    }
    if !section.is_given("address") {
        section.add("address", "is missing; give it or unix_socket");
        // What else is there is right or wrong only with one of them.
        section.pass_over();
        return None;
    }
    let address = section.placed::<SocketAddr>("address");
    let encrypted = section.is_given("tls_cert_file") || section.is_given("tls_key_file");
    let tls = if encrypted { tls(section) } else { None };
    let address = address?;
    let address = if encrypted {
        address.value
    } else {
        plain(section, address, remote)
    };
    Some(Place::Tcp { address, tls })
}

fn tls(section: &mut Section<'_>) -> Option<Tls> {
    let cert_file = section.required("tls_cert_file");
    let key_file = section.required("tls_key_file");
    let client_auth = client_auth(section);
    let min_version = section.or("tls_min_version", TlsVersion::V1_2);
    Some(Tls {
        cert_file: cert_file?,
        key_file: key_file?,
        client_auth: client_auth?,
        min_version,
    })
}

fn client_auth(section: &mut Section<'_>) -> Option<ClientAuth> {
    let wish = section.or("tls_client_auth", Wish::Off);
    match wish {
        Wish::Require => section
            .required("tls_client_ca_file")
            .map(ClientAuth::Require),
        Wish::Off | Wish::Request => {
            if let Some(Placed { place, .. }) = section.placed::<PathBuf>("tls_client_ca_file") {
                section.add_at(place, "is used only with tls_client_auth = \"require\"");
            }
            Some(if wish == Wish::Off {
                ClientAuth::Off
            } else {
                ClientAuth::Request
            })
        }
    }
}

/// An address for plain HTTP, which must not leave the machine unless somebody said so.
fn plain(section: &mut Section<'_>, address: Placed<SocketAddr>, remote: bool) -> SocketAddr {
    let Placed { value, place } = address;
    if !value.ip().to_canonical().is_loopback() && !remote {
        section.add_at(
            place,
            "is not a loopback address, and plain HTTP would show tokens and plaintexts to the network; \
             give a [listener.NAME] with tls_cert_file and tls_key_file, or put TLS in front of it and set \
             server.allow_plain_remote = true (SEALRING_SERVER__ALLOW_PLAIN_REMOTE=true)",
        );
    }
    value
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Off,
    Request,
    Require,
}

impl FromValue for Wish {
    const FORM: &'static str = "\"off\", \"request\" or \"require\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "off" => Some(Self::Off),
            "request" => Some(Self::Request),
            "require" => Some(Self::Require),
            _ => None,
        }
    }
}

impl FromValue for TlsVersion {
    const FORM: &'static str = "\"1.2\" or \"1.3\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "1.2" => Some(Self::V1_2),
            "1.3" => Some(Self::V1_3),
            _ => None,
        }
    }
}

/// What `server.listen` is called among the listeners.
const DEFAULT_NAME: &str = "default";

/// Vault's port, so that clients find us where they look.
const DEFAULT_PORT: u16 = 8200;
