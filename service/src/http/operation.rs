//! Everything a request can ask for: a closed set to route to, count by and authorise on.

use crate::admission::Lane;

/// Operations with the word each is counted and traced by.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident => $word:literal,)+) => {
        /// What a request asks for. Together with mount and key name it is what a policy decides on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($(#[$doc])* $variant,)+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word it is counted and traced by.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

operations! {
    /// Asks to change an audit device.
    AuditDeviceChange => "audit_device_change",
    /// Lists the audit's sinks.
    AuditDevices => "audit_devices",
    /// Asks for a hash as audit records would have it.
    AuditHash => "audit_hash",
    /// Logs in by an auth method, or administers it.
    AuthMethod => "auth_method",
    /// Takes an auth method out of service.
    AuthMountDisable => "auth_mount_disable",
    /// Adds an auth method.
    AuthMountEnable => "auth_mount_enable",
    /// Lists auth methods.
    AuthMountList => "auth_mount_list",
    /// Describes an auth method.
    AuthMountRead => "auth_mount_read",
    /// Changes an auth method's settings.
    AuthMountTune => "auth_mount_tune",
    /// Reads an auth method's settings.
    AuthMountTuneRead => "auth_mount_tune_read",
    /// Gives a ring out in the clear, whole.
    Backup => "backup",
    /// Gives keys out, wrapped for a key elsewhere.
    ByokExport => "byok_export",
    /// Reads the size that clients want a mount's cache to have.
    CacheConfigRead => "cache_config_read",
    /// Keeps the size that clients want a mount's cache to have.
    CacheConfigWrite => "cache_config_write",
    /// Says what a token may do on some paths.
    Capabilities => "capabilities",
    /// Makes a request for the certificate of a key.
    CertificateRequest => "certificate_request",
    /// Keeps the certificates of a key.
    CertificateSet => "certificate_set",
    /// Makes a data key and gives it in the clear too.
    DataKeyPlaintext => "datakey_plaintext",
    /// Makes a data key and gives it sealed only.
    DataKeyWrapped => "datakey_wrapped",
    /// Opens ciphertexts.
    Decrypt => "decrypt",
    /// Makes a key of what two parties agree on.
    DeriveKey => "derive_key",
    /// Seals plaintexts.
    Encrypt => "encrypt",
    /// Gives keys out, or their public halves.
    Export => "export",
    /// Hashes an input.
    Hash => "hash",
    /// Says whether this node is fit to serve.
    Health => "health",
    /// Makes HMACs.
    Hmac => "hmac",
    /// Makes a ring of a key from elsewhere.
    Import => "import",
    /// Adds a key from elsewhere to a ring.
    ImportVersion => "import_version",
    /// Asks to initialise a server that is initialised.
    Initialise => "initialise",
    /// Says whether the server is initialised.
    InitStatus => "init_status",
    /// Changes a ring's settings.
    KeyConfigure => "key_configure",
    /// Creates a ring.
    KeyCreate => "key_create",
    /// Deletes a ring.
    KeyDelete => "key_delete",
    /// Reads a ring's history.
    KeyHistory => "key_history",
    /// Lists a mount's rings.
    KeyList => "key_list",
    /// Describes a ring.
    KeyRead => "key_read",
    /// Adds a version.
    KeyRotate => "key_rotate",
    /// Sets a ring aside.
    KeySoftDelete => "key_soft_delete",
    /// Brings a ring back that was set aside.
    KeySoftRestore => "key_soft_restore",
    /// Destroys old versions.
    KeyTrim => "key_trim",
    /// Reads the settings of all rings of a mount.
    KeysConfigRead => "keys_config_read",
    /// Changes the settings of all rings of a mount.
    KeysConfigWrite => "keys_config_write",
    /// Says who leads.
    Leader => "leader",
    /// Publishes the limits on requests.
    Limits => "limits",
    /// Gives the metrics.
    Metrics => "metrics",
    /// Takes a mount out of service.
    MountDisable => "mount_disable",
    /// Adds a mount.
    MountEnable => "mount_enable",
    /// Lists mounts.
    MountList => "mount_list",
    /// Describes a mount.
    MountRead => "mount_read",
    /// Changes a mount's settings.
    MountTune => "mount_tune",
    /// Reads a mount's settings.
    MountTuneRead => "mount_tune_read",
    /// Describes the mount a path lies on, for clients that look before they write.
    MountOfPath => "mount_of_path",
    /// Lists the mounts the caller may see.
    MountsVisible => "mounts_visible",
    /// Asks to load plugins anew, of which there are none.
    PluginReload => "plugin_reload",
    /// Deletes a policy.
    PolicyDelete => "policy_delete",
    /// Lists policies.
    PolicyList => "policy_list",
    /// Shows a policy.
    PolicyRead => "policy_read",
    /// Writes a policy.
    PolicyWrite => "policy_write",
    /// Reads the settings of all quotas.
    QuotaConfigRead => "quota_config_read",
    /// Changes the settings of all quotas.
    QuotaConfigWrite => "quota_config_write",
    /// Deletes a quota.
    QuotaDelete => "quota_delete",
    /// Lists quotas.
    QuotaList => "quota_list",
    /// Describes a quota.
    QuotaRead => "quota_read",
    /// Writes a quota.
    QuotaWrite => "quota_write",
    /// Gives random bytes.
    Random => "random",
    /// Makes a ring of a backup.
    Restore => "restore",
    /// Opens ciphertexts and seals them again.
    Rewrap => "rewrap",
    /// Seals the store.
    Seal => "seal",
    /// Says that the store is unsealed.
    SealStatus => "seal_status",
    /// Signs inputs.
    Sign => "sign",
    /// Lists the accessors of tokens.
    TokenAccessors => "token_accessors",
    /// Makes a token.
    TokenCreate => "token_create",
    /// Describes a token.
    TokenLookup => "token_lookup",
    /// Prolongs a token.
    TokenRenew => "token_renew",
    /// Revokes a token.
    TokenRevoke => "token_revoke",
    /// Administers token roles.
    TokenRole => "token_role",
    /// Takes what is over out of the store.
    TokenTidy => "token_tidy",
    /// Checks signatures and HMACs.
    Verify => "verify",
    /// Has what it sends answered, which is to be wrapped.
    Wrap => "wrap",
    /// Says what is known of a wrapped answer.
    WrapLookUp => "wrap_lookup",
    /// Gives the public key that keys are wrapped for on their way here.
    WrappingKey => "wrapping_key",
    /// Puts a wrapped answer under a new token.
    WrapRenew => "wrap_renew",
    /// Gives out a wrapped answer.
    Unwrap => "unwrap",
    /// Gives unlock shares to a sealed store.
    Unseal => "unseal",
}

impl Operation {
    /// Its place in [`Operation::ALL`].
    #[expect(clippy::as_conversions, reason = "the discriminants count from zero")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether a request may bring many items or a long input, and so a long body.
    pub(super) const fn takes_much(self) -> bool {
        matches!(
            self,
            Self::Decrypt
                | Self::Encrypt
                | Self::Hash
                | Self::Hmac
                | Self::Restore
                | Self::Rewrap
                | Self::Sign
                | Self::Verify
        )
    }

    /// Whether it is answered while the store is sealed.
    pub(super) const fn answers_sealed(self) -> bool {
        matches!(
            self,
            Self::Health
                | Self::Initialise
                | Self::InitStatus
                | Self::Leader
                | Self::SealStatus
                | Self::Unseal
        )
    }

    /// Whether it only says how this node is, to whoever asks, again and again: that is not recorded.
    pub(super) const fn only_tells_status(self) -> bool {
        matches!(
            self,
            Self::Health | Self::InitStatus | Self::Leader | Self::SealStatus
        )
    }

    /// What it is worked on as, with a token or without one.
    pub(super) const fn lane(self, has_caller: bool) -> Lane {
        if self.only_tells_status() || matches!(self, Self::Initialise | Self::Metrics) {
            Lane::Status
        } else if matches!(self, Self::Seal | Self::TokenRevoke | Self::Unseal) {
            Lane::Safety
        } else if has_caller {
            Lane::General
        } else {
            Lane::Login
        }
    }

    /// Whether it goes on although the audit has no room for records: what is not recorded, and what may use up the reserve.
    pub(super) const fn needs_no_room_in_audit(self) -> bool {
        self.only_tells_status() || matches!(self, Self::Seal | Self::TokenRevoke)
    }

    /// Whether a write of it changes a ring, a mount, or the state of the store.
    pub(super) const fn changes_something(self) -> bool {
        matches!(
            self,
            Self::AuthMountDisable
                | Self::AuthMountEnable
                | Self::AuthMountTune
                | Self::Backup
                | Self::CacheConfigWrite
                | Self::CertificateSet
                | Self::DeriveKey
                | Self::Import
                | Self::ImportVersion
                | Self::KeyConfigure
                | Self::KeyCreate
                | Self::KeyDelete
                | Self::KeyRotate
                | Self::KeySoftDelete
                | Self::KeySoftRestore
                | Self::KeyTrim
                | Self::KeysConfigWrite
                | Self::MountDisable
                | Self::MountEnable
                | Self::MountTune
                | Self::QuotaConfigWrite
                | Self::Restore
                | Self::Seal
        )
    }

    /// Whether reading changes something: a ring remembers that a backup was made of it.
    pub(super) const fn changes_by_reading(self) -> bool {
        matches!(self, Self::Backup)
    }

    /// Whether a ring that is set aside is refused with 400; the protocol has 500 for the others.
    pub(super) const fn refuses_set_aside_plainly(self) -> bool {
        matches!(
            self,
            Self::DataKeyPlaintext
                | Self::DataKeyWrapped
                | Self::Decrypt
                | Self::Encrypt
                | Self::Hmac
                | Self::Rewrap
                | Self::Verify
        )
    }

    /// Whether it opens ciphertexts, whatever it does then.
    pub(super) const fn opens(self) -> bool {
        matches!(self, Self::Decrypt | Self::Rewrap)
    }

    /// Whether its answer is a wrapping token already, so that it is not wrapped again.
    pub(super) const fn wraps_itself(self) -> bool {
        matches!(self, Self::WrapRenew)
    }

    /// Whether the policies of a caller count, though strangers may do it too, with a wrapping token of their own.
    pub(super) const fn asks_callers(self) -> bool {
        matches!(self, Self::Unwrap | Self::WrapRenew)
    }

    /// Whether strangers' bodies are read: those of logins, those that bring a wrapping token, and unlock shares. Whether a
    /// stranger may go on then is decided where it leads.
    pub(super) const fn hears_strangers(self) -> bool {
        matches!(
            self,
            Self::AuthMethod | Self::Unseal | Self::Unwrap | Self::WrapLookUp | Self::WrapRenew
        )
    }

    /// Whether a token is needed; without one it answers what anybody may know.
    pub const fn needs_token(self) -> bool {
        !matches!(
            self,
            Self::Health
                | Self::Initialise
                | Self::InitStatus
                | Self::Leader
                | Self::MountsVisible
                | Self::SealStatus
                | Self::Unseal
                | Self::Unwrap
                | Self::WrapLookUp
                | Self::WrapRenew
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_at_its_index() {
        for (index, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(operation.index(), index);
        }
    }
}
