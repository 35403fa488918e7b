//! How a KEK answered: rejected, unavailable, refused at its start, or well again.

use std::time::{Duration, Instant};

use keyring::kek::pkcs11::Pkcs11Kek;
use keyring::kek::{KekError, KekSetupError, WrappedDek};
use keyring::secret::Dek;

use crate::samples::unwrapped_by;

pub(crate) fn assert_rejected(outcome: Result<Dek, KekError>) {
    match outcome {
        Err(KekError::Rejected) => {}
        Err(KekError::Unavailable(why)) => panic!("unavailable instead of rejected: {why}"),
        Ok(_) => panic!("a wrapped key opened where it must not"),
    }
}

pub(crate) fn assert_unavailable(outcome: Result<Dek, KekError>) {
    unavailable(outcome);
}

pub(crate) fn unavailable(outcome: Result<Dek, KekError>) -> String {
    match outcome {
        Err(KekError::Unavailable(why)) => why,
        Err(KekError::Rejected) => panic!("rejected instead of unavailable"),
        Ok(_) => panic!("a KEK that is away opened a wrapped key"),
    }
}

pub(crate) fn assert_refused<T>(outcome: Result<T, KekSetupError>, sentence: &str) {
    match outcome {
        Err(KekSetupError(said)) => {
            assert!(
                said.contains(sentence),
                "{said:?} does not say {sentence:?}"
            );
        }
        Ok(_) => panic!("opened, but should have said {sentence:?}"),
    }
}

/// The row was never at fault, and the back-off stays short after a short outage.
pub(crate) async fn assert_recovers(kek: &Pkcs11Kek, wrapped: &WrappedDek) {
    let patience = Instant::now() + Duration::from_secs(5);
    while let Err(error) = unwrapped_by(kek, wrapped).await {
        assert!(!matches!(error, KekError::Rejected), "the row is as it was");
        assert!(Instant::now() < patience, "not recovered: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
