//! A request that may be worked on, as handlers see it.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use keyring::error::Error;
use keyring::history::{self as ring_history, Provenance};
use keyring::transit::{Address, NewRing, Transit};

use super::body::Body;
use super::errors::Problem;
use super::fields::Fields;
use super::key_pairs::Found as FoundPairs;
use super::operation::Operation;
use super::reply::RequestId;
use super::route::{KeyTarget, Route, Verb};
use super::sliced::Sliced;
use super::trail::Trail;
use super::{Front, head};
use crate::admission::{Held, Resource};
use crate::caller::Caller;
use crate::connection::{ClientCertificates, Connection};
use crate::detached::{Lane, NotRun};
use crate::gate::Opened;
use crate::identity::Identity;
use crate::identity::policy::{Asked, Capability, NoParameters};
use crate::identity::token::lookup::Found;

/// A request that may be worked on.
#[derive(Debug)]
pub(super) struct Request<'r> {
    pub(super) front: &'r Front,
    pub(super) opened: Option<&'r Opened>,
    /// For the audit.
    pub(super) trail: &'r Trail,
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    pub(super) verb: Verb,
    /// Its path below `/v1/`, canonical.
    pub(super) path: &'r str,
    pub(super) caller: Option<&'r Caller>,
    pub(super) headers: &'r HeaderMap,
    /// Where the caller is; absent on a Unix socket.
    pub(super) remote: Option<IpAddr>,
    pub(super) connection: Option<&'r Connection>,
    pub(super) query: &'r str,
    pub(super) body: &'r Body,
    /// The caller's own token, where this request may have taken its last use.
    pub(super) own: Option<&'r Found>,
    /// The ring to be created before it is encrypted with.
    pub(super) new_ring: Option<&'r NewRing>,
    /// The key pair that was found for it.
    pub(super) found: &'r FoundPairs,
}

impl Request<'_> {
    /// What the node works with while it is open.
    pub(super) fn opened(&self) -> Result<&Opened, Problem> {
        self.opened.ok_or_else(Problem::sealed)
    }

    /// Whose share of work it draws on: whoever logs in, however often, else the token, else the client's address.
    pub(super) fn owner(&self) -> String {
        match self.caller {
            Some(caller) => caller.token.owner(),
            None => self.remote.map(|at| at.to_string()).unwrap_or_default(),
        }
    }

    /// Runs work to its end, even if the client hangs up. What must always go on has places of its own: sealing, revoking,
    /// logging in.
    pub(super) async fn detached<T, F>(&self, work: F) -> Result<T, NotRun>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let is_safety = matches!(
            self.operation,
            Operation::Seal | Operation::TokenRevoke | Operation::Unseal
        );
        let lane = if is_safety || self.caller.is_none() {
            Lane::Reserved
        } else {
            Lane::General
        };
        let owner = self.owner();
        self.front.detached.run_for(&owner, lane, work).await
    }

    /// The engine.
    pub(super) fn transit(&self) -> Result<&Arc<Transit>, Problem> {
        Ok(&self.opened()?.transit)
    }

    /// Tokens, policies and auth methods.
    pub(super) fn identity(&self) -> Result<&Arc<Identity>, Problem> {
        Ok(&self.opened()?.identity)
    }

    /// What the caller has shown of itself while connecting over TLS.
    pub(super) fn client_certificates(&self) -> Option<&Arc<ClientCertificates>> {
        self.connection?.certificates.as_ref()
    }

    /// Whether no token is needed for this.
    pub(super) fn is_public(&self, route: &Route) -> bool {
        route.is_public() || self.front.publishes(route.operation)
    }

    /// A hold on so much of this node, from the share that the request draws on.
    pub(super) fn hold(&self, resource: Resource, amount: usize) -> Result<Held, Problem> {
        let held = self
            .front
            .admission
            .hold(self.trail.share(), resource, amount);
        held.ok_or_else(Problem::busy)
    }

    /// Takes room for an answer of at most this many bytes, before the work for it is done and counted.
    pub(super) fn expect_reply(&self, bytes: usize) -> Result<(), Problem> {
        if bytes > Sliced::SLICE {
            // Work that begins again does not need both.
            self.trail.has_reply_room(None);
            let held = self.hold(Resource::ReplyBytes, bytes)?;
            self.trail.has_reply_room(Some(held));
        }
        Ok(())
    }

    /// The fields of the query.
    pub(super) fn query_fields(&self) -> Fields<'static> {
        Fields::from_query(self.query)
    }

    /// The caller, where a token is needed.
    pub(super) fn known_caller(&self) -> Result<&Caller, Problem> {
        self.caller.ok_or_else(Problem::permission_denied)
    }

    /// Whether the caller may do what takes `sudo` on this path.
    pub(super) async fn is_sudo(&self, path: &str) -> Result<bool, Problem> {
        let powers = &self.known_caller()?.token.powers;
        let acl = self.identity()?.policies.acl(powers).await?;
        let asked = Asked {
            path,
            parameters: &NoParameters,
            wrap_ttl: None,
        };
        Ok(acl.decide(Capability::Update, &asked).sudo)
    }

    /// Who asks for a change, and why.
    pub(super) fn provenance(&self) -> Result<Provenance, Problem> {
        let caller = self.known_caller()?;
        Ok(Provenance {
            actor: caller.token.display_name.to_string(),
            accessor: Some(caller.token.accessor.to_string()),
            request_id: Some(self.id.to_string()),
            cause: ring_history::Cause::Manual,
            reason: head::reason(self.headers)?,
        })
    }

    /// Runs work on a ring to its end, even if the client hangs up.
    pub(super) async fn on_ring<T, F>(
        &self,
        key: &KeyTarget,
        work: impl FnOnce(Arc<Transit>, Address) -> F,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = work(Arc::clone(self.transit()?), key.address.clone());
        let result = self.detached(work).await?;
        result.map_err(|error| self.failed(key, error))
    }

    /// The engine's error as an answer.
    pub(super) fn failed(&self, key: &KeyTarget, error: Error) -> Problem {
        Problem::engine(self.operation, key.address.name.as_str(), error)
    }
}
