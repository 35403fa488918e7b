//! What changes of policies come to.

use super::Problem;
use crate::identity::policies::PolicyChangeError;
use crate::identity::policy::{PolicyFault, PolicyNameFault};

impl From<PolicyChangeError> for Problem {
    fn from(error: PolicyChangeError) -> Self {
        match error {
            PolicyChangeError::Entry(error) => error.into(),
            PolicyChangeError::DeleteDefault
            | PolicyChangeError::DeleteRoot
            | PolicyChangeError::Text(_)
            | PolicyChangeError::UpdateRoot => Self::bad(error.to_string()),
        }
    }
}

impl From<PolicyFault> for Problem {
    fn from(fault: PolicyFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<PolicyNameFault> for Problem {
    fn from(fault: PolicyNameFault) -> Self {
        Self::bad(fault.to_string())
    }
}
