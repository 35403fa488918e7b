//! Who is asking: the one place that turns a request's token into a caller.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::identity::Identity;
use crate::identity::token::entry::TokenEntry;
use crate::identity::token::registry::Refusal;

/// Somebody whose token is known.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token.
    pub token: Arc<TokenEntry>,
}

/// The header that carries a token; it goes before `Authorization`.
pub const TOKEN_HEADER: &str = "x-vault-token";

impl Caller {
    /// The caller of a request with these headers from this address; `None` without a token or with one that is not
    /// known. Needs nothing but the headers, so that no byte of a body is read for strangers.
    pub async fn identify(
        identity: &Identity,
        headers: &HeaderMap,
        remote: Option<IpAddr>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(text) = presented_token(headers) else {
            return Ok(None);
        };
        match identity.registry.resolve(text, remote).await {
            Ok(token) => Ok(Some(Self { token })),
            Err(Refusal::Denied) => Ok(None),
            Err(refusal @ (Refusal::Tampered | Refusal::Unavailable)) => Err(refusal),
        }
    }
}

/// The token a request shows, whether or not it is good.
pub fn presented_token(headers: &HeaderMap) -> Option<&str> {
    if let Some(token) = headers.get(TOKEN_HEADER) {
        let token = token.to_str().ok()?.trim();
        if !token.is_empty() {
            return Some(token);
        }
    }
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn token(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        presented_token(&map).map(str::to_owned)
    }

    #[test]
    fn the_vault_header_goes_before_authorization() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("x-vault-token", "a")]).as_deref(), Some("a"));
        let both = [("authorization", "Bearer b"), ("x-vault-token", "a")];
        assert_eq!(token(&both).as_deref(), Some("a"));
        let empty = [("authorization", "bearer  b "), ("x-vault-token", "")];
        assert_eq!(token(&empty).as_deref(), Some("b"));
    }

    #[test]
    fn other_schemes_and_empty_tokens_are_no_token() {
        for value in ["Basic b", "Bearer", "Bearer ", "b", ""] {
            assert_eq!(token(&[("authorization", value)]), None, "{value}");
        }
    }
}
