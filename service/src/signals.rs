//! The signals that ask the process to stop, and the one that asks it to read its files again.

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Failure;

/// SIGTERM and SIGINT, from the moment this exists.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Takes both signals over. From here on neither ends the process by itself.
    pub fn listen(runtime: &Handle) -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen(runtime, SignalKind::interrupt())?,
            terminate: listen(runtime, SignalKind::terminate())?,
        })
    }

    /// Waits for the next one of either.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, passed on to everybody who has something to read again. Clones are the same signal.
#[derive(Clone, Debug)]
pub struct ReloadSignal {
    asked: watch::Sender<()>,
}

/// What one subscriber has heard of the reload signal.
#[derive(Debug)]
pub struct Reloads(watch::Receiver<()>);

impl ReloadSignal {
    /// Takes the signal over. From here on it does not end the process.
    pub fn listen(runtime: &Handle) -> Result<Self, Failure> {
        let mut hangup = listen(runtime, SignalKind::hangup())?;
        let reload = Self::silent();
        let asked = reload.asked.clone();
        runtime.spawn(async move {
            while hangup.recv().await.is_some() {
                tracing::info!("SIGHUP: files are read again");
                asked.send_replace(());
            }
        });
        Ok(reload)
    }

    /// A signal that nothing outside gives; for tests and for commands that do not serve.
    pub fn silent() -> Self {
        Self {
            asked: watch::Sender::new(()),
        }
    }

    /// Gives the signal from inside.
    pub fn give(&self) {
        self.asked.send_replace(());
    }

    /// Hears every signal from now on. Several in a row may be heard as one.
    pub fn subscribe(&self) -> Reloads {
        Reloads(self.asked.subscribe())
    }
}

impl Reloads {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can give it any more.
            std::future::pending::<()>().await;
        }
    }
}

fn listen(runtime: &Handle, kind: SignalKind) -> Result<Signal, Failure> {
    let _entered = runtime.enter();
    signal(kind).map_err(|error| Failure::unexpected("signals cannot be taken over", &error))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn is_ready(reloads: &mut Reloads) -> bool {
        let mut next = pin!(reloads.next());
        poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn every_subscriber_hears_what_was_given_after_it_subscribed() {
        let signal = ReloadSignal::silent();
        let mut early = signal.subscribe();
        signal.give();
        let mut late = signal.subscribe();
        assert!(is_ready(&mut early).await);
        assert!(!is_ready(&mut late).await);
        signal.clone().give();
        signal.give();
        assert!(is_ready(&mut early).await);
        assert!(!is_ready(&mut early).await, "two in a row are one");
        assert!(is_ready(&mut late).await);
        drop(signal);
        assert!(!is_ready(&mut early).await);
    }
}
