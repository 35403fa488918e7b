//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) for a listener, with certificate, key and client CAs that can be replaced while
//! connections go on: a connection keeps what it began with, the next one gets what is there then.

mod clients;
mod files;
mod material;
mod reload;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert, ServerConfig,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use self::clients::ClientVerifier;
use self::material::Material;
use crate::config::listener::{ClientAuth, Tls as Settings, TlsVersion};

pub use self::files::{Flaw, TlsFault};
pub use self::reload::keep_current;

/// The TLS of one listener.
#[derive(Debug)]
pub struct Tls {
    settings: Settings,
    current: Arc<Current>,
}

/// What new connections get.
#[derive(Debug)]
struct Current(ArcSwap<Material>);

/// Is told how loading goes. Calls are plain and must not block.
pub trait TlsObserver: Send + Sync + fmt::Debug {
    /// A listener has a certificate that is valid until then, in seconds since 1970.
    fn certificate_loaded(&self, listener: &str, not_after: i64);

    /// A listener's files could not be used; it goes on with what it had.
    fn reload_failed(&self, listener: &str);
}

impl Tls {
    /// Loads what the settings name.
    pub fn load(settings: Settings) -> Result<Self, TlsFault> {
        let material = Material::load(&settings)?;
        Ok(Self {
            settings,
            current: Arc::new(Current(ArcSwap::from_pointee(material))),
        })
    }

    /// Loads it once more. After a fault everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsFault> {
        let material = Material::load(&self.settings)?;
        self.current.0.store(Arc::new(material));
        Ok(())
    }

    /// Until when the certificate is valid, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.current.0.load().not_after
    }

    /// What rustls works by. It follows every reload.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let versions: &[_] = match self.settings.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let asks = self.settings.client_auth != ClientAuth::Off;
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let builder = if asks {
            builder.with_client_cert_verifier(Arc::new(ClientVerifier::new(
                Arc::clone(&self.current),
                &self.settings.client_auth,
            )))
        } else {
            builder.with_client_cert_verifier(Arc::new(NoClientAuth))
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&self.current);
        let mut config = builder.with_cert_resolver(resolver);
        if asks {
            // A resumed session is not asked for its certificate again, so a CA that was taken away would still count.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
