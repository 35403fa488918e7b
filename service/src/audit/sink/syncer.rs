//! Syncs a file on a thread of its own, so that writing goes on meanwhile.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::super::group::Group;
use super::super::observer::AuditObserver;
use super::super::port::Port;
use super::super::wave::Wave;
use super::super::{SYNC_INTERVAL, locked};

/// The thread and what it is told.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    port: Arc<Port>,
    observer: Arc<dyn AuditObserver>,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not the states of one thing"
)]
struct State {
    file: Arc<File>,
    finished: Vec<Arc<File>>,
    waves: Vec<Arc<Wave>>,
    dirty: bool,
    urgent: bool,
    broken: bool,
    stop: bool,
}

impl Syncer {
    pub(super) fn start(
        file: Arc<File>,
        port: Arc<Port>,
        observer: Arc<dyn AuditObserver>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                file,
                finished: Vec::new(),
                waves: Vec::new(),
                dirty: true,
                urgent: false,
                broken: false,
                stop: false,
            }),
            changed: Condvar::new(),
            port,
            observer,
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn(move || of_thread.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// A group is in the file; those who wait for its sync get one at once.
    pub(super) fn written(&self, group: &Group) {
        let mut state = locked(&self.shared.state);
        let urgent = group.wants_sync();
        if urgent {
            let waiting = group.waves.iter().filter(|wave| wave.wants_sync());
            state.waves.extend(waiting.map(Arc::clone));
        }
        let news = !state.dirty || (urgent && !state.urgent);
        state.dirty = true;
        state.urgent |= urgent;
        drop(state);
        if news {
            self.shared.changed.notify_one();
        }
    }

    /// Another file takes the place of the one before, which is synced once more.
    pub(super) fn exchange(&self, file: Arc<File>) {
        let mut state = locked(&self.shared.state);
        let before = std::mem::replace(&mut state.file, file);
        state.finished.push(before);
        state.broken = false;
        state.dirty = true;
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Whether a sync has failed: nobody knows what of the file will be there after a crash.
    pub(super) fn is_broken(&self) -> bool {
        locked(&self.shared.state).broken
    }

    /// Syncs what is left and ends the thread.
    pub(super) fn close(&mut self) {
        locked(&self.shared.state).stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut last = Instant::now();
        loop {
            let mut state = self.wait(last);
            let stop = state.stop;
            if state.dirty {
                let file = Arc::clone(&state.file);
                let finished = std::mem::take(&mut state.finished);
                let waves = std::mem::take(&mut state.waves);
                (state.dirty, state.urgent) = (false, false);
                drop(state);
                last = Instant::now();
                self.sync(&file, &finished, &waves);
            }
            if stop {
                break;
            }
        }
    }

    /// Until somebody waits for a sync, or some time after the last one if there is anything to sync.
    fn wait(&self, last: Instant) -> MutexGuard<'_, State> {
        let mut state = locked(&self.state);
        loop {
            let left = SYNC_INTERVAL.saturating_sub(last.elapsed());
            if state.stop || (state.dirty && (state.urgent || left.is_zero())) {
                return state;
            }
            state = if state.dirty {
                let waited = self.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                let waited = self.changed.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn sync(&self, file: &File, finished: &[Arc<File>], waves: &[Arc<Wave>]) {
        let began = Instant::now();
        let synced = self.port.syncing(|| {
            finished.iter().try_for_each(|file| file.sync_data())?;
            file.sync_data()
        });
        match synced {
            Ok(()) => {
                self.observer.synced(&self.port.name, began.elapsed());
                for wave in waves {
                    wave.synced();
                }
            }
            Err(error) => {
                tracing::error!(sink = self.port.name, %error, "an audit file cannot be synced");
                locked(&self.state).broken = true;
                for wave in waves {
                    wave.fail();
                }
            }
        }
    }
}
