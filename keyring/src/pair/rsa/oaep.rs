//! RSAES-OAEP (RFC 8017 section 7.1) with an empty label.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm,
};
use zeroize::Zeroizing;

use super::Rsa;
use crate::pair::{OaepError, OaepHash};
use crate::secret::SecretBytes;

impl Rsa {
    pub(in crate::pair) fn oaep_encrypt(
        &self,
        plaintext: &[u8],
        hash: OaepHash,
    ) -> Result<Vec<u8>, OaepError> {
        let algorithm = algorithm(hash);
        if plaintext.len() > self.encrypting.max_plaintext_size(algorithm) {
            return Err(OaepError::TooLong);
        }
        let mut ciphertext = vec![0; self.modulus_len()];
        let encrypted = self
            .encrypting
            .encrypt(algorithm, plaintext, &mut ciphertext, None);
        let length = encrypted.map_err(|_| OaepError::Failed)?.len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }

    pub(in crate::pair) fn oaep_decrypt(
        &self,
        ciphertext: &[u8],
        hash: OaepHash,
    ) -> Result<SecretBytes, OaepError> {
        let private = self.private.as_ref().ok_or(OaepError::NoPrivateKey)?;
        let mut plaintext = Zeroizing::new(vec![0; self.modulus_len()]);
        let decrypted =
            private
                .decrypting
                .decrypt(algorithm(hash), ciphertext, &mut plaintext, None);
        let length = decrypted.map_err(|_| OaepError::Failed)?.len();
        plaintext.truncate(length);
        Ok(SecretBytes::new(std::mem::take(&mut *plaintext)))
    }
}

fn algorithm(hash: OaepHash) -> &'static OaepAlgorithm {
    match hash {
        OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        OaepHash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        OaepHash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    }
}
