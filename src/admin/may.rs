//! What a caller may do: a scope, as a type that handlers ask for, and which users, rooms and events its key may name.

use super::error::ApiError;
use super::error_code::Code;
use super::extract::Segment;
use super::keys::{Caller, CallerKey};
use crate::config::Scope;
use crate::core::emit::allow::{AllowList, NotAllowed};
use crate::core::emit::message::Emit;
use crate::types::{Room, Target, UserId};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::marker::PhantomData;

/// A scope, as a type: what a handler takes as its first argument to be open to keys with that scope only.
pub(super) trait Permission: Send {
    /// The scope.
    const SCOPE: Scope;
}

/// Send events.
pub(super) struct EmitScope;
/// Look at users, rooms, sockets.
pub(super) struct ReadScope;
/// Disconnect users.
pub(super) struct ControlScope;

impl Permission for EmitScope {
    const SCOPE: Scope = Scope::Emit;
}

impl Permission for ReadScope {
    const SCOPE: Scope = Scope::Read;
}

impl Permission for ControlScope {
    const SCOPE: Scope = Scope::Control;
}

/// Proof that the caller has a key with the scope. It says which users, rooms and events this key may name, too: every
/// handler whose route names any asks.
pub(super) struct May<P>(CallerKey, PhantomData<P>);

impl<P: Permission> May<P> {
    /// Whether this caller has one.
    pub(super) fn of(caller: &Caller) -> Result<Self, ApiError> {
        Ok(Self(caller.require(P::SCOPE)?, PhantomData))
    }

    /// The user of a path, if the key may name it.
    pub(super) fn user(&self, user: &Segment) -> Result<UserId, ApiError> {
        let user = user.parse("user", UserId::parse)?;
        self.check("user", |it| it.has_user(&user))?;
        Ok(user)
    }

    /// Whether the key may name all of these.
    pub(super) fn users(&self, users: &[UserId]) -> Result<(), ApiError> {
        self.check("users", |it| users.iter().all(|user| it.has_user(user)))
    }

    /// Whether it may name `room`.
    pub(super) fn room(&self, room: &Room) -> Result<(), ApiError> {
        self.check("room", |it| it.has_room(room))
    }

    /// Whether it may name a socket by its id: whose that is, is not known before.
    pub(super) fn socket(&self) -> Result<(), ApiError> {
        self.check("id", AllowList::has_all_users)
    }

    /// Whether it may make this emit.
    pub(super) fn emit(&self, emit: &Emit) -> Result<(), ApiError> {
        self.allow().map_or(Ok(()), |it| it.check(emit)).map_err(ApiError::from)
    }

    /// Whether it may name these sockets, and have them join or leave these rooms.
    pub(super) fn target(&self, target: &Target, rooms: &[Room]) -> Result<(), ApiError> {
        let Some(allow) = self.allow() else { return Ok(()) };
        allow.check_target(target)?;
        Ok(allow.check_rooms(rooms)?)
    }

    /// Whether it may see every user.
    pub(super) fn all_users(&self) -> Result<(), ApiError> {
        self.check_list("every user", AllowList::has_all_users)
    }

    /// Whether it may see every room.
    pub(super) fn all_rooms(&self) -> Result<(), ApiError> {
        self.check_list("every room", AllowList::has_all_rooms)
    }

    /// Whether it may see whatever names a user, a room or an event.
    pub(super) fn everything(&self) -> Result<(), ApiError> {
        self.check_list("everything", AllowList::is_everything)
    }

    fn allow(&self) -> Option<&AllowList> {
        self.0.allow()
    }

    fn check(
        &self,
        field: &'static str,
        is_allowed: impl FnOnce(&AllowList) -> bool,
    ) -> Result<(), ApiError> {
        if self.allow().is_none_or(is_allowed) {
            return Ok(());
        }
        let why = ApiError::field(field, "not in the allow-list of this key (`admin.keys`)");
        Err(ApiError { code: Code::Forbidden, ..why })
    }

    fn check_list(
        &self,
        what: &'static str,
        is_allowed: impl FnOnce(&AllowList) -> bool,
    ) -> Result<(), ApiError> {
        if self.allow().is_none_or(is_allowed) {
            return Ok(());
        }
        let why =
            format_args!("this is about {what}, and the key has an allow-list (`admin.keys`)");
        Err(ApiError::new(Code::Forbidden, why))
    }
}

impl From<NotAllowed> for ApiError {
    fn from(error: NotAllowed) -> Self {
        let field = Some(error.field.to_owned());
        Self { field, ..Self::new(Code::Forbidden, error) }
    }
}

impl<P: Permission, S: Sync> FromRequestParts<S> for May<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(parts.extensions.get::<Caller>().unwrap_or(&Caller::Nobody))
    }
}
