//! What logins by tokens of others and by certificates come to, as statuses and texts.

use actix_web::http::StatusCode;

use super::{Message, Problem};
use crate::identity::auth_methods::RenewalFault;
use crate::identity::methods::cert::{CertLoginError, RenewalRefusal};
use crate::identity::methods::jose::jws::JwsFault;
use crate::identity::methods::jwt::key_source::SourceFault;
use crate::identity::methods::jwt::remote_keys::{RemoteFault, VerifyFault};
use crate::identity::methods::jwt::{JwtLoginError, ProbeFault};
use crate::identity::methods::kubernetes::AccountLoginError;
use crate::identity::methods::kubernetes::connection::VouchFault;
use crate::identity::methods::kubernetes::offline::OfflineFault;
use crate::identity::outbound::FetchFault;

impl Problem {
    /// Somebody is who they say, and that is not enough.
    fn forbidden(text: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, Message::Plain(text.into()))
    }
}

impl From<JwtLoginError> for Problem {
    fn from(error: JwtLoginError) -> Self {
        match error {
            JwtLoginError::Claims(_)
            | JwtLoginError::MissingRole
            | JwtLoginError::MissingToken
            | JwtLoginError::NoRole
            | JwtLoginError::NotConfigured
            | JwtLoginError::Token(VerifyFault::Token(_)) => Self::bad(error.to_string()),
            JwtLoginError::LookUp(error) => error.into(),
            JwtLoginError::Source(fault) => Self::bad(error.to_string()).alarmed(&fault),
            JwtLoginError::Token(VerifyFault::NoKeys(fault)) => {
                Self::unavailable("error validating token: the issuer's keys cannot be fetched now")
                    .warned(&fault)
            }
        }
    }
}

impl From<ProbeFault> for Problem {
    fn from(fault: ProbeFault) -> Self {
        match fault {
            ProbeFault::Remote(RemoteFault::NotRun) => Self::busy(),
            ProbeFault::Remote(
                cause @ (RemoteFault::Discovery
                | RemoteFault::Fetch(_)
                | RemoteFault::Keys(_)
                | RemoteFault::Url(_)),
            ) => Self::bad(format!(
                "error checking jwks URL or oidc discovery URL: {cause}"
            ))
            .warned(&cause),
            ProbeFault::Source(
                fault @ (SourceFault::Client(_) | SourceFault::Config(_) | SourceFault::Url(_)),
            ) => Self::bad(fault.to_string()),
        }
    }
}

impl From<AccountLoginError> for Problem {
    fn from(error: AccountLoginError) -> Self {
        match error {
            AccountLoginError::Address => Self::permission_denied(),
            AccountLoginError::Binding(fault) => Self::forbidden(fault.to_string()),
            // Nobody can be vouched for until an administrator writes another configuration.
            AccountLoginError::Connection(fault) => Self::permission_denied().warned(&fault),
            AccountLoginError::LookUp(error) => error.into(),
            AccountLoginError::NoRole => Self::bad("invalid role name"),
            AccountLoginError::NotConfigured => Self::multi("could not load backend configuration"),
            AccountLoginError::Vouch(fault) => fault.into(),
        }
    }
}

impl From<VouchFault> for Problem {
    fn from(fault: VouchFault) -> Self {
        match fault {
            VouchFault::Busy => Self::busy(),
            VouchFault::ShareFull => Self::share_full(),
            VouchFault::Mismatch
            | VouchFault::Offline(OfflineFault::Token(JwsFault::Signature))
            | VouchFault::Review(_) => Self::permission_denied(),
            VouchFault::Issuer | VouchFault::Offline(_) | VouchFault::TooLong => {
                Self::forbidden(fault.to_string())
            }
            // Here this server has nothing to ask with, or the API server does not let it.
            VouchFault::NoReviewer | VouchFault::Unanswered(FetchFault::Status(400..=499)) => {
                Self::permission_denied().warned(&fault)
            }
            VouchFault::Unanswered(_) => {
                Self::unavailable("the Kubernetes API cannot be asked now").warned(&fault)
            }
        }
    }
}

impl From<RenewalFault> for Problem {
    fn from(fault: RenewalFault) -> Self {
        match fault {
            RenewalFault::Certificate(RenewalRefusal::Entry(error))
            | RenewalFault::Entry(error) => error.into(),
            RenewalFault::Certificate(RenewalRefusal::Other) => Self::forbidden(fault.to_string()),
            RenewalFault::Gone => Self::bad(fault.to_string()),
        }
    }
}

impl From<CertLoginError> for Problem {
    fn from(error: CertLoginError) -> Self {
        match error {
            CertLoginError::Certificate(_) | CertLoginError::NoName => Self::bad(error.to_string()),
            CertLoginError::LookUp(error) => error.into(),
            CertLoginError::Turn(error) => error.into(),
        }
    }
}
