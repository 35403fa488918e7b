//! What an API server is asked about a token, and what its answer says: `TokenReview` of `authentication.k8s.io/v1`. Pure.

use serde_json::{Value, json};

use super::account::ServiceAccount;
use crate::identity::methods::jose::strict_json;

/// Where reviews are asked for.
pub const PATH: &str = "apis/authentication.k8s.io/v1/tokenreviews";

/// Why an answer vouches for nobody. Says nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewFault {
    /// The token is of somebody, but not of a service account.
    #[error("lookup failed: username returned is not a service account")]
    Account,
    /// It is meant for somebody else, or the API server does not look at audiences.
    #[error("lookup failed: service account jwt is not valid for the role's audience")]
    Audience,
    /// The answer is no review.
    #[error("lookup failed: the answer is not a TokenReview")]
    Malformed,
    /// The API server does not know it.
    #[error("lookup failed: service account jwt not valid")]
    Unauthenticated,
}

/// The question whether a token is valid for an audience, or for the API server itself if that is empty.
pub fn question(token: &str, audience: &str) -> Vec<u8> {
    let spec = if audience.is_empty() {
        json!({"token": token})
    } else {
        json!({"token": token, "audiences": [audience]})
    };
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": spec,
    });
    review.to_string().into_bytes()
}

/// The account that an answer to [`question`] vouches for.
pub fn answer(bytes: &[u8], audience: &str) -> Result<ServiceAccount, ReviewFault> {
    let review = strict_json::read_object(bytes).ok_or(ReviewFault::Malformed)?;
    if review.get("kind").and_then(Value::as_str) != Some("TokenReview") {
        return Err(ReviewFault::Malformed);
    }
    let status = review.get("status").ok_or(ReviewFault::Malformed)?;
    let has_error = status.get("error").is_some_and(|error| error != "");
    if has_error || status.get("authenticated") != Some(&Value::Bool(true)) {
        return Err(ReviewFault::Unauthenticated);
    }
    let audiences = status.get("audiences").and_then(Value::as_array);
    let is_for = |list: &Vec<Value>| list.iter().any(|one| one == audience);
    if !audience.is_empty() && !audiences.is_some_and(is_for) {
        return Err(ReviewFault::Audience);
    }
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
    let user = text("/user/username").ok_or(ReviewFault::Malformed)?;
    let uid = text("/user/uid").unwrap_or_default();
    ServiceAccount::from_user(user, uid).ok_or(ReviewFault::Account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed() -> Value {
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {"creationTimestamp": null},
            "spec": {"token": "t", "audiences": ["sealring"]},
            "status": {
                "authenticated": true,
                "audiences": ["sealring"],
                "user": {
                    "username": "system:serviceaccount:ns:app",
                    "uid": "u-1",
                    "groups": ["system:serviceaccounts", "system:authenticated"],
                },
            },
        })
    }

    fn with(pointer: &str, value: Value) -> Result<ServiceAccount, ReviewFault> {
        let mut review = reviewed();
        *review.pointer_mut(pointer).unwrap() = value;
        answer(review.to_string().as_bytes(), "sealring")
    }

    #[test]
    fn the_question_is_the_api_servers() {
        let asked: Value = serde_json::from_slice(&question("t", "a")).unwrap();
        let expected = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": "t", "audiences": ["a"]},
        });
        assert_eq!(asked, expected);
        let asked: Value = serde_json::from_slice(&question("t", "")).unwrap();
        assert_eq!(asked["spec"], json!({"token": "t"}));
    }

    #[test]
    fn an_answer_vouches_for_the_account_it_names() {
        let account = answer(reviewed().to_string().as_bytes(), "sealring").unwrap();
        assert_eq!(account.user(), "system:serviceaccount:ns:app");
        assert_eq!(account.uid, "u-1");
    }

    #[test]
    fn anything_but_a_clear_yes_is_a_no() {
        for wrong in [json!(false), json!("true"), json!(1), json!(null)] {
            assert_eq!(
                with("/status/authenticated", wrong),
                Err(ReviewFault::Unauthenticated)
            );
        }
        let mut review = reviewed();
        review["status"]["error"] = json!("expired");
        let refused = answer(review.to_string().as_bytes(), "sealring");
        assert_eq!(refused, Err(ReviewFault::Unauthenticated));
        for wrong in [json!([]), json!(["other"]), json!(null), json!("sealring")] {
            assert_eq!(with("/status/audiences", wrong), Err(ReviewFault::Audience));
        }
        for wrong in [json!("admin"), json!("system:node:ns:app"), json!("")] {
            assert_eq!(
                with("/status/user/username", wrong),
                Err(ReviewFault::Account)
            );
        }
        assert_eq!(
            with("/status/user/uid", json!(null)),
            Err(ReviewFault::Account)
        );
        for wrong in [json!("Status"), json!("SubjectAccessReview"), json!(null)] {
            assert_eq!(with("/kind", wrong), Err(ReviewFault::Malformed));
        }
        let twice = reviewed().to_string().replacen(
            "\"authenticated\":true",
            "\"authenticated\":false,\"authenticated\":true",
            1,
        );
        for wrong in [twice.as_str(), "", "[]", "{}"] {
            assert_eq!(
                answer(wrong.as_bytes(), "sealring"),
                Err(ReviewFault::Malformed)
            );
        }
    }

    #[test]
    fn without_an_audience_the_api_servers_own_counts() {
        let mut review = reviewed();
        review["status"]["audiences"] = json!(["https://kubernetes.default.svc"]);
        assert!(answer(review.to_string().as_bytes(), "").is_ok());
    }
}
