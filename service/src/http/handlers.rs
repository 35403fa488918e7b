//! Which handler answers which operation.
//!
//! All but those of the data path run in a box of their own: the future of a request is as large as its largest handler, and
//! is moved and wiped for each one.

use futures_util::FutureExt as _;
use keyring::mount::Mount;
use keyring::name::{KeyName, MountPath};

use super::errors::Problem;
use super::operation::Operation;
use super::reply::Answer;
use super::request::Request;
use super::route::identity::{PolicyTarget, TokenCall, Which};
use super::route::{KeyTarget, MethodTarget, Target, ToolTarget};
use super::{
    audit_devices, auth, auth_mounts, capabilities, certificates, data, history, import, keys,
    mount_settings, mounts, policies, quotas, sealing, signing, sys, tools, transfer, wrapping,
};

impl Request<'_> {
    #[expect(
        clippy::cognitive_complexity,
        clippy::too_many_lines,
        reason = "one row for each operation"
    )]
    pub(super) async fn handle(&self, target: &Target) -> Answer {
        match self.operation {
            Operation::AuditDeviceChange => audit_devices::change(),
            Operation::AuditDevices => audit_devices::list(self),
            Operation::AuditHash => audit_devices::hash(),
            Operation::AuthMethod => auth::answer(self, target.method()?).boxed_local().await,
            Operation::AuthMountDisable => {
                auth_mounts::disable(self, target.path()?)
                    .boxed_local()
                    .await
            }
            Operation::AuthMountEnable => {
                auth_mounts::enable(self, target.path()?)
                    .boxed_local()
                    .await
            }
            Operation::AuthMountList => auth_mounts::list(self),
            Operation::AuthMountRead => auth_mounts::read(self, target.path()?),
            Operation::AuthMountTune => auth_mounts::tune(self, target.path()?).boxed_local().await,
            Operation::AuthMountTuneRead => auth_mounts::tune_read(self, target.path()?),
            Operation::Backup => transfer::back_up(self, target.key()?).boxed_local().await,
            Operation::ByokExport => {
                transfer::byok_export(self, target.key()?)
                    .boxed_local()
                    .await
            }
            Operation::CacheConfigRead => Ok(mount_settings::read_cache(self, target.mount()?)),
            Operation::CacheConfigWrite => {
                mount_settings::write_cache(self, target.mount()?)
                    .boxed_local()
                    .await
            }
            Operation::Capabilities => {
                capabilities::answer(self, target.which()?)
                    .boxed_local()
                    .await
            }
            Operation::CertificateRequest => {
                certificates::request(self, target.key()?)
                    .boxed_local()
                    .await
            }
            Operation::CertificateSet => certificates::set(self, target.key()?).boxed_local().await,
            Operation::DataKeyPlaintext | Operation::DataKeyWrapped => {
                data::data_key(self, target.key()?).boxed_local().await
            }
            Operation::Decrypt => data::decrypt(self, target.key()?).await,
            Operation::DeriveKey => import::derive(self, target.key()?).boxed_local().await,
            Operation::Encrypt => data::encrypt(self, target.key()?).await,
            Operation::Export => transfer::export(self, target.key()?).boxed_local().await,
            Operation::Hash => tools::hash(self, target.tool()?).boxed_local().await,
            Operation::Health => sys::health(self),
            Operation::Hmac => signing::hmac(self, target.key()?).boxed_local().await,
            Operation::Import => import::create(self, target.key()?).boxed_local().await,
            Operation::ImportVersion => {
                import::add_version(self, target.key()?).boxed_local().await
            }
            Operation::Initialise => Err(Problem::bad("Vault is already initialized")),
            Operation::InitStatus => Ok(sys::init_status()),
            Operation::KeyConfigure => keys::configure(self, target.key()?).boxed_local().await,
            Operation::KeyCreate => keys::create(self, target.key()?).boxed_local().await,
            Operation::KeyDelete => keys::delete(self, target.key()?).boxed_local().await,
            Operation::KeyHistory => history::read(self, target.key()?).boxed_local().await,
            Operation::KeyList => keys::list(self, target.mount()?).boxed_local().await,
            Operation::KeyRead => keys::read(self, target.key()?).boxed_local().await,
            Operation::KeyRotate => keys::rotate(self, target.key()?).boxed_local().await,
            Operation::KeySoftDelete => keys::soft_delete(self, target.key()?).boxed_local().await,
            Operation::KeySoftRestore => {
                keys::soft_restore(self, target.key()?).boxed_local().await
            }
            Operation::KeyTrim => keys::trim(self, target.key()?).boxed_local().await,
            Operation::KeysConfigRead => Ok(mount_settings::read_keys(self, target.mount()?)),
            Operation::KeysConfigWrite => {
                mount_settings::write_keys(self, target.mount()?)
                    .boxed_local()
                    .await
            }
            Operation::Leader => Ok(sys::leader()),
            Operation::Limits => Ok(sys::limits(self)),
            Operation::Metrics => sys::metrics(self),
            Operation::MountDisable => mounts::disable(self, target.path()?).boxed_local().await,
            Operation::MountEnable => mounts::enable(self, target.path()?).boxed_local().await,
            Operation::MountList => mounts::list(self),
            Operation::MountOfPath => mounts::of_path(self, target.path()?),
            Operation::MountRead => mounts::read(self, target.path()?),
            Operation::MountTune => mounts::tune(self, target.path()?).boxed_local().await,
            Operation::MountTuneRead => mounts::tune_read(self, target.path()?),
            Operation::MountsVisible => mounts::visible(self),
            Operation::PluginReload => sys::reload_plugins(self),
            Operation::PolicyDelete => policies::delete(self, target.policy()?).boxed_local().await,
            Operation::PolicyList => policies::list(self, target.policy()?).boxed_local().await,
            Operation::PolicyRead => policies::read(self, target.policy()?).boxed_local().await,
            Operation::PolicyWrite => policies::write(self, target.policy()?).boxed_local().await,
            Operation::QuotaConfigRead => quotas::read_config(self).boxed_local().await,
            Operation::QuotaConfigWrite => quotas::write_config(self).boxed_local().await,
            Operation::QuotaDelete => quotas::delete(self, target.quota()?).boxed_local().await,
            Operation::QuotaList => quotas::list(self).boxed_local().await,
            Operation::QuotaRead => quotas::read(self, target.quota()?).boxed_local().await,
            Operation::QuotaWrite => quotas::write(self, target.quota()?).boxed_local().await,
            Operation::Random => tools::random(self, target.tool()?),
            Operation::Restore => transfer::restore(self, target).boxed_local().await,
            Operation::Rewrap => data::rewrap(self, target.key()?).await,
            Operation::Seal => sealing::seal(self).boxed_local().await,
            Operation::SealStatus => Ok(sys::seal_status(self)),
            Operation::Sign => signing::sign(self, target.key()?).boxed_local().await,
            Operation::TokenAccessors
            | Operation::TokenCreate
            | Operation::TokenLookup
            | Operation::TokenRenew
            | Operation::TokenRevoke
            | Operation::TokenRole
            | Operation::TokenTidy => {
                auth::token::answer(self, target.token()?)
                    .boxed_local()
                    .await
            }
            Operation::Unseal => sealing::unseal(self).boxed_local().await,
            Operation::Unwrap => wrapping::unwrap(self).boxed_local().await,
            Operation::Verify => signing::verify(self, target.key()?).boxed_local().await,
            Operation::Wrap => wrapping::echo(self),
            Operation::WrapLookUp => wrapping::look_up(self).boxed_local().await,
            Operation::WrappingKey => {
                import::wrapping_key(self, target.mount()?)
                    .boxed_local()
                    .await
            }
            Operation::WrapRenew => wrapping::rewrap(self).boxed_local().await,
        }
    }
}

impl Target {
    pub(super) fn key(&self) -> Result<&KeyTarget, Problem> {
        let Self::Key(key) = self else {
            return Err(misrouted());
        };
        Ok(key)
    }

    fn method(&self) -> Result<&MethodTarget, Problem> {
        let Self::Method(method) = self else {
            return Err(misrouted());
        };
        Ok(method)
    }

    pub(super) fn mount(&self) -> Result<&Mount, Problem> {
        let Self::Mount(mount) = self else {
            return Err(misrouted());
        };
        Ok(mount)
    }

    fn path(&self) -> Result<&MountPath, Problem> {
        let Self::Path(path) = self else {
            return Err(misrouted());
        };
        Ok(path)
    }

    fn policy(&self) -> Result<&PolicyTarget, Problem> {
        let Self::Policy(policy) = self else {
            return Err(misrouted());
        };
        Ok(policy)
    }

    fn quota(&self) -> Result<&KeyName, Problem> {
        let Self::Quota(name) = self else {
            return Err(misrouted());
        };
        Ok(name)
    }

    fn token(&self) -> Result<&TokenCall, Problem> {
        let Self::Token(token) = self else {
            return Err(misrouted());
        };
        Ok(token)
    }

    fn tool(&self) -> Result<&ToolTarget, Problem> {
        let Self::Tool(tool) = self else {
            return Err(misrouted());
        };
        Ok(tool)
    }

    fn which(&self) -> Result<Which, Problem> {
        let Self::Capabilities(which) = self else {
            return Err(misrouted());
        };
        Ok(*which)
    }
}

pub(super) fn misrouted() -> Problem {
    Problem::internal("the request led nowhere")
        .alarmed(&"the route table gave an operation another target than it has")
}
