//! Seals and opens with each key type's cipher.
