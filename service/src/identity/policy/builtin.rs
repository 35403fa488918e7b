//! The text of the policy that comes with the server.

/// The policy `default`: what every token may do with itself.
pub const DEFAULT_TEXT: &str = r#"# Tokens may look up, renew and revoke themselves.
path "auth/token/lookup-self" {
    capabilities = ["read"]
}
path "auth/token/renew-self" {
    capabilities = ["update"]
}
path "auth/token/revoke-self" {
    capabilities = ["update"]
}

# Tokens may ask what they may do.
path "sys/capabilities-self" {
    capabilities = ["update"]
}

# Tokens may have things hashed, which needs no key.
path "sys/tools/hash" {
    capabilities = ["update"]
}
path "sys/tools/hash/*" {
    capabilities = ["update"]
}

# Tokens may wrap values, look up how long wrapping tokens live, and unwrap.
path "sys/wrapping/wrap" {
    capabilities = ["update"]
}
path "sys/wrapping/lookup" {
    capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}
"#;
