//! What is done to a path, from the HTTP method and the query.

use actix_web::http::Method;

use crate::http::weak;

/// What HTTP methods mean here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Verb {
    /// DELETE.
    Delete,
    /// LIST, or GET with a true `list`.
    List,
    /// PATCH, which no path has.
    Patch,
    /// GET and HEAD.
    Read,
    /// POST and PUT, which are the same.
    Write,
}

/// Why a method is no verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum VerbFault {
    /// The value of `list` is no bool.
    List,
    /// The method is not known.
    Method,
}

impl Verb {
    /// The verb of a method, given the value of the query's `list`.
    pub(in crate::http) fn parse(method: &Method, list: Option<&str>) -> Result<Self, VerbFault> {
        match method.as_str() {
            "POST" | "PUT" => Ok(Self::Write),
            "GET" | "HEAD" => match list {
                None | Some("") => Ok(Self::Read),
                Some(text) => match weak::go_bool(text) {
                    Some(true) => Ok(Self::List),
                    Some(false) => Ok(Self::Read),
                    None => Err(VerbFault::List),
                },
            },
            "LIST" => Ok(Self::List),
            "DELETE" => Ok(Self::Delete),
            "PATCH" => Ok(Self::Patch),
            _ => Err(VerbFault::Method),
        }
    }
}
