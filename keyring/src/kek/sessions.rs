//! The threads that own PKCS#11 sessions.
