//! What changes of tokens and of their roles come to.

use super::Problem;
use crate::identity::token::create::CreateFault;
use crate::identity::token::renew::RenewError;
use crate::identity::token::role::RoleFault;
use crate::identity::token_params::ParamsFault;

impl From<CreateFault> for Problem {
    fn from(fault: CreateFault) -> Self {
        match fault {
            // What was asked for is not repeated.
            CreateFault::Disallowed(_) => Self::bad("a token policy is disallowed by this role"),
            CreateFault::Alias
            | CreateFault::AliasWithoutRole
            | CreateFault::BatchCreator
            | CreateFault::BatchHas(_)
            | CreateFault::Choice
            | CreateFault::CountedCreator
            | CreateFault::ExpiringRoot
            | CreateFault::NotAllowed
            | CreateFault::Orphan
            | CreateFault::Period
            | CreateFault::Root
            | CreateFault::Subset
            | CreateFault::Type => Self::bad(fault.to_string()),
        }
    }
}

impl From<ParamsFault> for Problem {
    fn from(fault: ParamsFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Entropy(error) => Self::without_entropy(error),
            RenewError::Store(error) => Self::identity_store(&error),
            RenewError::PastMax(error) => Self::multi(error.to_string()),
            RenewError::Batch | RenewError::NotFound | RenewError::NotRenewable => {
                Self::bad(error.to_string())
            }
        }
    }
}

impl From<RoleFault> for Problem {
    fn from(fault: RoleFault) -> Self {
        Self::bad(fault.to_string())
    }
}
