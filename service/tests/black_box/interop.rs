//! Keys and data on their way between this service, OpenBao and openssl.

mod backups;
mod byok;
mod certificates;
mod migration;
mod openbao;
mod openssl;
mod recorded;
mod signatures;
