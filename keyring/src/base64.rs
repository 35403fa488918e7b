//! Base64 as the protocol has it (RFC 4648 section 4).
