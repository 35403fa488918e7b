//! The mounts and the auth methods there are, and which of them a path lies on.

use std::sync::Arc;

use keyring::mount::Mount;

use crate::gate::Opened;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::auth_mounts::mount_at;

/// What is mounted while a request is routed.
#[derive(Debug, Default)]
pub(in crate::http) struct Mounted {
    pub(super) mounts: Arc<Vec<Mount>>,
    pub(super) methods: Arc<Vec<Arc<AuthMount>>>,
}

impl Mounted {
    /// All that is mounted; nothing on a node that is sealed.
    pub(in crate::http) fn of(opened: Option<&Opened>) -> Self {
        opened.map_or_else(Self::default, |opened| Self {
            mounts: opened.transit.mounts(),
            methods: opened.identity.methods.mounts.all(),
        })
    }

    /// The path of the mount that this path lies on, those of the server itself included.
    pub(in crate::http) fn mount_of(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match *segments.as_slice() {
            ["sys", ..] => Some("sys".to_owned()),
            ["auth", "token", ..] => Some("auth/token".to_owned()),
            ["auth", ref below @ ..] => {
                let (mount, _) = mount_at(&self.methods, below)?;
                Some(format!("auth/{}", mount.path))
            }
            _ => {
                let (mount, _) = mount_of(&segments, &self.mounts)?;
                Some(mount.path.as_str().to_owned())
            }
        }
    }
}

/// The mount these segments lie on, the longest if several do, and the segments below it.
pub(in crate::http) fn mount_of<'m, 'p, 's>(
    segments: &'p [&'s str],
    mounts: &'m [Mount],
) -> Option<(&'m Mount, &'p [&'s str])> {
    mounts
        .iter()
        .filter_map(|mount| Some((mount, below(segments, mount.path.as_str())?)))
        .min_by_key(|(_, rest)| rest.len())
}

fn below<'p, 's>(segments: &'p [&'s str], mount: &str) -> Option<&'p [&'s str]> {
    mount.split('/').try_fold(segments, |rest, part| {
        let (first, rest) = rest.split_first()?;
        (*first == part).then_some(rest)
    })
}
