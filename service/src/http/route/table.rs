//! The paths of mounts and of the server itself, with the operation of each verb.

use super::Verb;
use crate::http::operation::Operation;

/// What the verbs of a path ask for.
pub(super) type Verbs = &'static [(Verb, Operation)];

/// The paths of one mount, and the name in them.
pub(super) fn mount_table<'a>(path: &[&'a str]) -> Option<(Verbs, Option<&'a str>)> {
    use Operation::{
        CacheConfigRead, CacheConfigWrite, DataKeyPlaintext, DataKeyWrapped, Decrypt, Encrypt,
        KeyConfigure, KeyCreate, KeyDelete, KeyHistory, KeyList, KeyRead, KeyRotate, KeyTrim,
        KeysConfigRead, KeysConfigWrite, Rewrap,
    };
    use Verb::{Delete, List, Read, Write};
    Some(match *path {
        ["encrypt", name] => (&[(Write, Encrypt)], Some(name)),
        ["decrypt", name] => (&[(Write, Decrypt)], Some(name)),
        ["rewrap", name] => (&[(Write, Rewrap)], Some(name)),
        ["datakey", "plaintext", name] => (&[(Write, DataKeyPlaintext)], Some(name)),
        ["datakey", "wrapped", name] => (&[(Write, DataKeyWrapped)], Some(name)),
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
        _ => return None,
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
        ["sys", "auth", at @ .., "tune"] if !at.is_empty() => {
            (&[(Read, AuthMountTuneRead), (Write, AuthMountTune)], at)
        }
        ["sys", "auth", at @ ..] => (
            &[
                (Read, AuthMountRead),
                (Write, AuthMountEnable),
                (Delete, AuthMountDisable),
            ],
            at,
        ),
        ["sys", "plugins", "reload", "backend"] => (&[(Write, PluginReload)], &[]),
        ["sys", "wrapping", "wrap"] => (&[(Write, Wrap)], &[]),
        ["sys", "wrapping", "unwrap"] => (&[(Write, Unwrap)], &[]),
        ["sys", "wrapping", "lookup"] => (&[(Write, WrapLookUp), (Read, WrapLookUp)], &[]),
        ["sys", "wrapping", "rewrap"] => (&[(Write, WrapRenew)], &[]),
        _ => return None,
    })
}
