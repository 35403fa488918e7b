//! Every label and every derivation, on one screen (HKDF-SHA-256, RFC 5869).
