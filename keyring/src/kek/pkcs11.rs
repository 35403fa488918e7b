//! A KEK in a PKCS#11 token.
