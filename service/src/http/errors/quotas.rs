//! What quotas come to, as statuses and texts.

use actix_web::http::StatusCode;

use super::{Message, Problem};
use crate::quota::{Decision, SpecFault};

impl Problem {
    /// A request that a quota does not let through; nothing for one that may go on. The path is repeated if it is of names.
    pub(in crate::http) fn over_quota(path: &str, decision: Decision) -> Result<(), Self> {
        match decision {
            Decision::Allowed => Ok(()),
            Decision::Refused { .. } => {
                let text = if is_of_names(path) {
                    format!("request path \"{path}\": rate limit quota exceeded")
                } else {
                    "rate limit quota exceeded".to_owned()
                };
                Err(Self {
                    retry_after: decision.retry_after_seconds(),
                    ..Self::new(StatusCode::TOO_MANY_REQUESTS, Message::Plain(text.into()))
                })
            }
            Decision::TooMany => Err(Self::bad(
                "the batch has more items than a quota allows at once; send smaller ones",
            )),
        }
    }
}

fn is_of_names(path: &str) -> bool {
    let of_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    path.len() <= MAX_SHOWN && path.bytes().all(of_name)
}

impl From<SpecFault> for Problem {
    fn from(fault: SpecFault) -> Self {
        Self::bad(fault.to_string())
    }
}

const MAX_SHOWN: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_has_vaults_text_and_says_when_to_come_back() {
        let decision = Decision::Refused {
            retry_after: Duration::from_millis(1500),
        };
        let problem = Problem::over_quota("transit/decrypt/pii", decision).unwrap_err();
        assert_eq!(problem.status.as_u16(), 429);
        assert_eq!(problem.retry_after, Some(2));
        let text = "request path \"transit/decrypt/pii\": rate limit quota exceeded";
        assert_eq!(problem.message, Message::Plain(text.into()));
        let odd = Problem::over_quota("transit/decrypt/\n", decision).unwrap_err();
        assert_eq!(
            odd.message,
            Message::Plain("rate limit quota exceeded".into())
        );
        assert_eq!(Problem::over_quota("transit", Decision::Allowed), Ok(()));
        let never = Problem::over_quota("transit", Decision::TooMany).unwrap_err();
        assert_eq!((never.status.as_u16(), never.retry_after), (400, None));
    }
}
