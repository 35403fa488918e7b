//! The text form of a ciphertext: `vault:v3:<base64>`.
