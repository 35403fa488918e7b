//! What auth methods and wrapped responses come to, as statuses and texts.

use keyring::name::MountPath;

use super::Problem;
use crate::identity::auth_methods::DisableError;
use crate::identity::auth_mounts::AuthMountError;
use crate::identity::methods::approle::AppRoleError;
use crate::identity::methods::approle::login::LoginError;
use crate::identity::methods::turns::TurnError;
use crate::identity::methods::userpass::UserLoginError;
use crate::identity::methods::userpass::password::HashError;
use crate::identity::methods::{cert, jwt, kubernetes};
use crate::identity::wrapping::WrapError;

impl Problem {
    /// A change to the table of auth methods that was not made.
    pub(in crate::http) fn auth_mount(path: &MountPath, error: AuthMountError) -> Self {
        match error {
            AuthMountError::BuiltIn => Self::bad("token credential backend cannot be changed"),
            AuthMountError::Entry(error) => error.into(),
            AuthMountError::InUse(_) => Self::bad(error.to_string()),
            AuthMountError::NotFound => Self::bad(format!("no mount entry found at auth/{path}/")),
            AuthMountError::TooMany => Self::bad("too many auth methods are mounted"),
        }
    }

    /// A method that was not disabled.
    pub(in crate::http) fn auth_disable(path: &MountPath, error: DisableError) -> Self {
        match error {
            DisableError::AppRole(error) => error.into(),
            DisableError::Mount(AuthMountError::BuiltIn) => {
                Self::bad("token credential backend cannot be disabled")
            }
            DisableError::Mount(error) => Self::auth_mount(path, error),
        }
    }
}

impl From<AppRoleError> for Problem {
    fn from(error: AppRoleError) -> Self {
        match error {
            AppRoleError::Entry(error) => error.into(),
            AppRoleError::NoRole => Self::absent(),
            AppRoleError::Role(fault) => Self::bad(fault.to_string()),
            AppRoleError::RoleIdTaken => Self::multi("role_id already in use"),
            AppRoleError::SecretIdTaken => {
                Self::multi("failed to store secret_id: SecretID is already registered")
            }
            AppRoleError::Terms(fault) => Self::bad(fault.to_string()),
            AppRoleError::TooManySecretIds => Self::later(error.to_string()),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Entry(error) => error.into(),
            LoginError::Invalid | LoginError::MissingSecretId => Self::bad(error.to_string()),
        }
    }
}

impl From<UserLoginError> for Problem {
    fn from(error: UserLoginError) -> Self {
        match error {
            UserLoginError::Denied => Self::permission_denied(),
            UserLoginError::Entry(error) => error.into(),
            UserLoginError::Hash(error) => error.into(),
            UserLoginError::Invalid => Self::bad(error.to_string()),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Entropy(source) => Self::without_entropy(source),
            HashError::Memory => Self::internal("the request broke off").alarmed(&error),
            HashError::Turn(error) => error.into(),
        }
    }
}

impl From<TurnError> for Problem {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::BrokeOff => Self::internal("the request broke off").alarmed(&error),
            TurnError::Busy => Self::busy(),
            TurnError::ShareFull => Self::share_full(),
        }
    }
}

impl From<WrapError> for Problem {
    fn from(error: WrapError) -> Self {
        match error {
            WrapError::Entropy(source) => {
                Self::internal("the system's random source failed").alarmed(&source)
            }
            WrapError::CallerFull => Self::later(error.to_string()),
            WrapError::NotThere | WrapError::TooLong => Self::bad(error.to_string()),
            WrapError::Store(source) => Self::identity_store(&source),
            WrapError::Tampered => Self::tampered(&error),
        }
    }
}

impl From<cert::role::RoleFault> for Problem {
    fn from(fault: cert::role::RoleFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<jwt::role::RoleFault> for Problem {
    fn from(fault: jwt::role::RoleFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<kubernetes::config::ConfigFault> for Problem {
    fn from(fault: kubernetes::config::ConfigFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<kubernetes::role::RoleFault> for Problem {
    fn from(fault: kubernetes::role::RoleFault) -> Self {
        Self::bad(fault.to_string())
    }
}
