//! The paths of hashes and random bytes, alike under every mount and under `sys/tools`.

use keyring::name::MountPath;

use super::{Operation, Route, RouteFault, Target, ToolTarget, Verb};

/// Where these segments below a mount lead, if they ask for a hash or for random bytes.
pub(super) fn find(
    verb: Verb,
    mount: Option<&MountPath>,
    segments: &[&str],
) -> Option<Result<Route, RouteFault>> {
    let (operation, rest) = match segments {
        ["hash", rest @ ..] => (Operation::Hash, rest),
        ["random", rest @ ..] => (Operation::Random, rest),
        _ => return None,
    };
    if verb != Verb::Write {
        return Some(Err(RouteFault::UnsupportedOperation));
    }
    let rest = rest.iter().map(|segment| (*segment).to_owned());
    Some(Ok(Route {
        operation,
        target: Target::Tool(ToolTarget {
            mount: mount.cloned(),
            rest: rest.collect(),
        }),
    }))
}

/// The same for all segments of a path of the server's own.
pub(super) fn find_on_server(verb: Verb, segments: &[&str]) -> Option<Result<Route, RouteFault>> {
    let ["sys", "tools", tool @ ..] = segments else {
        return None;
    };
    find(verb, None, tool)
}
