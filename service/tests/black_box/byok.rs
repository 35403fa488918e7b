//! Keys brought along: blobs for a mount's wrapping key, as a client makes them.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use data_encoding::BASE64;

use crate::app::TestApp;

/// The public half of a mount's wrapping key.
#[derive(Debug)]
pub(crate) struct WrappingKey {
    key: OaepPublicEncryptingKey,
}

impl WrappingKey {
    /// The one of this mount, which makes it when it is first asked for.
    pub(crate) fn of(app: &TestApp, mount: &str) -> Self {
        let data = app.get(&format!("{mount}/wrapping_key")).data();
        let block = pem::parse(data["public_key"].as_str().unwrap()).unwrap();
        let key = PublicEncryptingKey::from_der(block.contents()).unwrap();
        Self {
            key: OaepPublicEncryptingKey::new(key).unwrap(),
        }
    }

    /// This material under a new ephemeral key. PKCS#8 for key pairs, the key itself for all others.
    pub(crate) fn blob(&self, material: &[u8]) -> String {
        let mut ephemeral = [0; 32];
        rand::fill(&mut ephemeral).unwrap();
        let mut wrapped = vec![0; material.len() + 16];
        let kek = AesKek::new(&AES_256, &ephemeral).unwrap();
        let wrapped = kek.wrap_with_padding(material, &mut wrapped).unwrap();
        self.blob_of(&ephemeral, wrapped)
    }

    /// An ephemeral key with what is said to be wrapped under it.
    pub(crate) fn blob_of(&self, ephemeral: &[u8], wrapped: &[u8]) -> String {
        let mut blob = vec![0; self.key.ciphertext_size()];
        let oaep = &OAEP_SHA256_MGF1SHA256;
        self.key.encrypt(oaep, ephemeral, &mut blob, None).unwrap();
        blob.extend_from_slice(wrapped);
        BASE64.encode(&blob)
    }
}
