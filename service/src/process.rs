//! What the process forbids itself before it touches a key: readable files, core dumps, being read, being swapped out.

use std::io;

use rustix::fs::Mode;
use rustix::mm::MlockAllFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::CapabilitySet;

use crate::failure::Failure;

/// Lets the process open as many files as it may. Each connection is one, and the usual default of 1,024 would let a
/// thousand idle strangers keep everybody else out, and the store's files closed.
pub fn raise_open_files() -> Result<(), Failure> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .map_err(|errno| Failure::unexpected("the limit on open files cannot be raised", &errno))
}

/// Narrows what the process creates and what others can see of it. Before any thread, so that it holds for all.
pub fn harden() -> Result<(), Failure> {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)
        .map_err(|errno| Failure::unexpected("core dumps cannot be switched off", &errno))?;
    // Also closes /proc/<pid>/mem and ptrace to other processes of this user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| Failure::unexpected("the process cannot be made undumpable", &errno))
}

/// Keeps memory out of swap, and says whether that was allowed. With `require`, not being allowed is a failure.
pub fn lock_memory(require: bool) -> Result<bool, Failure> {
    if !may_lock_all() {
        let sentence = "process.require_locked_memory is set, but this process may not lock all its memory: \
                        give it CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK";
        return if require {
            Err(Failure::SetUp(sentence.to_owned()))
        } else {
            Ok(false)
        };
    }
    // On fault: pages are locked as they are used, so that an idle process stays small.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    match rustix::mm::mlockall(flags).map_err(io::Error::from) {
        Ok(()) => Ok(true),
        Err(error) if require => Err(Failure::SetUp(format!("memory cannot be locked: {error}"))),
        Err(_) => Ok(false),
    }
}

/// Under a finite limit `mlockall` may succeed, and a later allocation beyond the limit would then fail.
fn may_lock_all() -> bool {
    rustix::process::getrlimit(Resource::Memlock)
        .current
        .is_none()
        || rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}
