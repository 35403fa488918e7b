//! The paths of mounts and of the server itself, with the operation of each verb.

use super::Verb;
use crate::http::operation::Operation;

/// What the verbs of a path ask for.
pub(super) type Verbs = &'static [(Verb, Operation)];

/// A path of a mount.
pub(super) struct Row<'a> {
    pub(super) verbs: Verbs,
    /// The ring's name.
    pub(super) name: Option<&'a str>,
    /// What else is left open, in the order of the path.
    pub(super) rest: Vec<&'a str>,
}

/// The paths of one mount.
pub(super) fn mount_table<'a>(path: &[&'a str]) -> Option<Row<'a>> {
    let row = |(verbs, name)| Row {
        verbs,
        name,
        rest: Vec::new(),
    };
    fixed_paths(path).map(row).or_else(|| open_paths(path))
}

/// The paths that leave nothing open but a name.
fn fixed_paths<'a>(path: &[&'a str]) -> Option<(Verbs, Option<&'a str>)> {
    use Operation::{
        Backup, CacheConfigRead, CacheConfigWrite, CertificateRequest, CertificateSet,
        DataKeyPlaintext, DataKeyWrapped, Decrypt, DeriveKey, Encrypt, Import, ImportVersion,
        KeyConfigure, KeyCreate, KeyDelete, KeyHistory, KeyList, KeyRead, KeyRotate, KeySoftDelete,
        KeySoftRestore, KeyTrim, KeysConfigRead, KeysConfigWrite, Restore, Rewrap, WrappingKey,
    };
    use Verb::{Delete, List, Read, Write};
    Some(match *path {
        ["encrypt", name] => (&[(Write, Encrypt)], Some(name)),
        ["decrypt", name] => (&[(Write, Decrypt)], Some(name)),
        ["rewrap", name] => (&[(Write, Rewrap)], Some(name)),
        ["datakey", "plaintext", name] => (&[(Write, DataKeyPlaintext)], Some(name)),
        ["datakey", "wrapped", name] => (&[(Write, DataKeyWrapped)], Some(name)),
        ["backup", name] => (&[(Read, Backup)], Some(name)),
        ["restore"] => (&[(Write, Restore)], None),
        ["restore", name] => (&[(Write, Restore)], Some(name)),
        ["derive-key", name] => (&[(Write, DeriveKey)], Some(name)),
        ["wrapping_key"] => (&[(Read, WrappingKey)], None),
        ["cache-config"] => (&[(Read, CacheConfigRead), (Write, CacheConfigWrite)], None),
        ["config", "keys"] => (&[(Read, KeysConfigRead), (Write, KeysConfigWrite)], None),
        ["keys"] => (&[(List, KeyList)], None),
        ["keys", name] => (
            &[(Read, KeyRead), (Write, KeyCreate), (Delete, KeyDelete)],
            Some(name),
        ),
        ["keys", name, "config"] => (&[(Write, KeyConfigure)], Some(name)),
        ["keys", name, "rotate"] => (&[(Write, KeyRotate)], Some(name)),
        ["keys", name, "trim"] => (&[(Write, KeyTrim)], Some(name)),
        ["keys", name, "history"] => (&[(Read, KeyHistory)], Some(name)),
        ["keys", name, "soft-delete"] => (&[(Delete, KeySoftDelete)], Some(name)),
        ["keys", name, "soft-delete-restore"] => (&[(Write, KeySoftRestore)], Some(name)),
        ["keys", name, "import"] => (&[(Write, Import)], Some(name)),
        ["keys", name, "import_version"] => (&[(Write, ImportVersion)], Some(name)),
        ["keys", name, "csr"] => (&[(Write, CertificateRequest)], Some(name)),
        ["keys", name, "set-certificate"] => (&[(Write, CertificateSet)], Some(name)),
        _ => return None,
    })
}

/// The paths that leave more open than a name. Their last segment may be left out, and may have slashes in it.
fn open_paths<'a>(path: &[&'a str]) -> Option<Row<'a>> {
    use Operation::{ByokExport, Export, Hmac, Sign, Verify};
    use Verb::{Read, Write};
    let (verbs, name, rest): (Verbs, _, _) = match *path {
        ["sign", name, ref rest @ ..] => (&[(Write, Sign)], name, rest.to_vec()),
        ["verify", name, ref rest @ ..] => (&[(Write, Verify)], name, rest.to_vec()),
        ["hmac", name, ref rest @ ..] => (&[(Write, Hmac)], name, rest.to_vec()),
        ["export", kind, name, ref version @ ..] => {
            let rest = [&[kind], version].concat();
            (&[(Read, Export)], name, rest)
        }
        ["byok-export", destination, name, ref version @ ..] => {
            let rest = [&[destination], version].concat();
            (&[(Read, ByokExport)], name, rest)
        }
        _ => return None,
    };
    Some(Row {
        verbs,
        name: Some(name),
        rest,
    })
}

/// The paths of the server itself, and the mount path in them.
pub(super) fn server_table<'p, 'a>(path: &'p [&'a str]) -> Option<(Verbs, &'p [&'a str])> {
    use Operation::{
        AuthMountDisable, AuthMountEnable, AuthMountList, AuthMountRead, AuthMountTune,
        AuthMountTuneRead, Health, InitStatus, Initialise, Leader, Limits, Metrics, MountDisable,
        MountEnable, MountList, MountOfPath, MountRead, MountTune, MountTuneRead, MountsVisible,
        PluginReload, Seal, SealStatus, Unseal, Unwrap, Wrap, WrapLookUp, WrapRenew,
    };
    use Verb::{Delete, Read, Write};
    Some(match path {
        ["sys", "health"] => (&[(Read, Health)], &[]),
        ["sys", "seal-status"] => (&[(Read, SealStatus)], &[]),
        ["sys", "seal"] => (&[(Write, Seal)], &[]),
        ["sys", "unseal"] => (&[(Write, Unseal)], &[]),
        ["sys", "leader"] => (&[(Read, Leader)], &[]),
        ["sys", "init"] => (&[(Read, InitStatus), (Write, Initialise)], &[]),
        ["sys", "limits"] => (&[(Read, Limits)], &[]),
        ["sys", "metrics"] => (&[(Read, Metrics)], &[]),
        ["sys", "internal", "ui", "mounts"] => (&[(Read, MountsVisible)], &[]),
        ["sys", "internal", "ui", "mounts", at @ ..] => (&[(Read, MountOfPath)], at),
        ["sys", "mounts"] => (&[(Read, MountList)], &[]),
        // An auth method is a mount too, whose path begins with `auth/`.
        ["sys", "mounts", "auth", at @ .., "tune"] | ["sys", "auth", at @ .., "tune"]
            if !at.is_empty() =>
        {
            (&[(Read, AuthMountTuneRead), (Write, AuthMountTune)], at)
        }
        ["sys", "mounts", "auth", at @ ..] | ["sys", "auth", at @ ..] if !at.is_empty() => (
            &[
                (Read, AuthMountRead),
                (Write, AuthMountEnable),
                (Delete, AuthMountDisable),
            ],
            at,
        ),
        ["sys", "mounts", at @ .., "tune"] if !at.is_empty() => {
            (&[(Read, MountTuneRead), (Write, MountTune)], at)
        }
        ["sys", "mounts", at @ ..] => (
            &[
                (Read, MountRead),
                (Write, MountEnable),
                (Delete, MountDisable),
            ],
            at,
        ),
        ["sys", "auth"] => (&[(Read, AuthMountList)], &[]),
        ["sys", "plugins", "reload", "backend"] => (&[(Write, PluginReload)], &[]),
        ["sys", "wrapping", "wrap"] => (&[(Write, Wrap)], &[]),
        ["sys", "wrapping", "unwrap"] => (&[(Write, Unwrap)], &[]),
        ["sys", "wrapping", "lookup"] => (&[(Write, WrapLookUp), (Read, WrapLookUp)], &[]),
        ["sys", "wrapping", "rewrap"] => (&[(Write, WrapRenew)], &[]),
        _ => return None,
    })
}
