//! The API of the tenants: JSON over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `POST /domains` `{"name": ..}` | 201: the domain, with what the customer has to do |
//! | `GET /domains`, `GET /domains?after=..` | 200: a page of domains |
//! | `GET /domains/{id}` | 200: the domain |
//! | `POST /domains/{id}/check` | 200: the domain, after another look |
//! | `DELETE /domains/{id}` | 202: the domain, which goes as soon as all is cleaned up |
//! | `GET /health` | 200 or 503: whether this replica gets traffic |
//!
//! Whatever cannot be done is answered with `{"error": {"kind": .., "message": ..}}`. The tenant is in the
//! header `x-tenant`. A real platform knows it from the session; nobody but the platform may choose it.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequestParts, Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{StatusCode, header::RETRY_AFTER, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nameplate::{
    certificate::Validation,
    clock::{SystemClock, Timestamp},
    domain::{Domain, Instruction, NewDomain, Status},
    engine::Onboarding,
    error::{Error, ErrorKind},
    id::{DomainId, TenantId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest body that is read, in bytes.
const MAX_BODY: usize = 4096;

/// Returns everything that tenants can ask for.
pub(crate) fn router(nameplate: Onboarding) -> Router {
    Router::new()
        .route("/domains", get(list).post(add))
        .route("/domains/{id}", get(show).delete(remove))
        .route("/domains/{id}/check", post(check))
        .route("/health", get(health))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(nameplate)
}

/// What a tenant sees of a domain.
#[derive(Serialize)]
struct View {
    id: DomainId,
    name: String,
    status: Status,
    /// Who has to act, and on what.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_on: Option<String>,
    /// How long the certificate is valid that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    served_until: Option<Timestamp>,
    /// The records that the customer has to add.
    instructions: Vec<Instruction>,
}

impl View {
    async fn of(nameplate: &Onboarding, domain: &Domain) -> Result<Self, Error> {
        let waiting = domain.waiting_on();
        Ok(Self {
            id: domain.id(),
            name: domain.name().to_string(),
            status: domain.status(),
            waiting_on: (!waiting.is_nothing()).then(|| waiting.to_string()),
            served_until: domain.certificate().map(|served| served.not_after),
            instructions: match domain.status() {
                Status::Removing => Vec::new(),
                _ => nameplate.instructions(&domain.tenant(), domain.id()).await?,
            },
        })
    }
}

/// What a tenant asks for when adding a domain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    validation: Option<Validation>,
}

async fn add(
    State(nameplate): State<Onboarding>,
    Tenant(tenant): Tenant,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let body = body.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(Refusal::invalid)?;
    let mut domain: NewDomain = wanted.name.parse().map_err(Refusal::invalid)?;
    if let Some(validation) = wanted.validation {
        domain = domain.with_validation(validation);
    }
    let domain = nameplate.add(&tenant, domain).await?;
    Ok((StatusCode::CREATED, Json(View::of(&nameplate, &domain).await?)))
}

/// Where a page begins.
#[derive(Deserialize)]
struct From {
    after: Option<String>,
}

async fn list(
    State(nameplate): State<Onboarding>,
    Tenant(tenant): Tenant,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(from) = from.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let page = nameplate.list(&tenant, from.after.as_deref()).await?;
    let seen = page.domains.iter().map(
        |domain| json!({ "id": domain.id(), "name": domain.name(), "status": domain.status() }),
    );
    Ok(Json(json!({ "domains": seen.collect::<Value>(), "next": page.next })))
}

async fn show(
    State(nameplate): State<Onboarding>,
    Tenant(tenant): Tenant,
    Id(id): Id,
) -> Result<Json<View>, Refusal> {
    let domain = nameplate.get(&tenant, id).await?;
    Ok(Json(View::of(&nameplate, &domain).await?))
}

async fn check(
    State(nameplate): State<Onboarding>,
    Tenant(tenant): Tenant,
    Id(id): Id,
) -> Result<Json<View>, Refusal> {
    let domain = nameplate.check(&tenant, id).await?;
    Ok(Json(View::of(&nameplate, &domain).await?))
}

async fn remove(
    State(nameplate): State<Onboarding>,
    Tenant(tenant): Tenant,
    Id(id): Id,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let domain = nameplate.remove(&tenant, id).await?;
    Ok((StatusCode::ACCEPTED, Json(View::of(&nameplate, &domain).await?)))
}

async fn health(State(nameplate): State<Onboarding>) -> (StatusCode, Json<Value>) {
    let health = nameplate.health(&SystemClock).await;
    let status = match health.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let late = health.last_step.map(|step| step.lag.as_secs_f64());
    (status, Json(json!({ "ready": health.is_ready(), "seconds_late": late })))
}

/// Who asks.
struct Tenant(TenantId);

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::new(StatusCode::UNAUTHORIZED, why);
        let tenant = parts.headers.get("x-tenant").ok_or_else(|| refuse("no x-tenant header"))?;
        let tenant = tenant.to_str().ok().and_then(|tenant| tenant.parse().ok());
        tenant.map(Self).ok_or_else(|| refuse("x-tenant is not 32 hexadecimal characters"))
    }
}

/// The domain that is asked for. What is no id is the id of nothing.
struct Id(DomainId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "there is no such domain"))
    }
}

/// Why something is not done.
struct Refusal {
    status: StatusCode,
    error: Value,
    retry_after: Option<u64>,
}

impl Refusal {
    /// What HTTP itself has a status for.
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::UNAUTHORIZED => ErrorKind::Denied,
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        };
        let error = json!({ "kind": kind, "message": message.into() });
        Self { status, error, retry_after: None }
    }

    /// What cannot be read.
    fn invalid(error: impl std::error::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl std::convert::From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Precondition => {
                StatusCode::CONFLICT
            }
            ErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Quota => StatusCode::FORBIDDEN,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ErrorKind::Unavailable | ErrorKind::Unknown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut shown = json!({ "kind": error.kind() });
        if status.is_server_error() {
            // It names what the platform is made of, which is nobody else's business.
            eprintln!("{error}");
            shown["message"] = json!("this cannot be done now");
        } else {
            shown["code"] = json!(error.code());
            shown["subject"] = json!(error.subject());
            shown["message"] = json!(error.message());
        }
        Self {
            status,
            error: shown,
            retry_after: error.retry_after().map(|wait| wait.as_secs().max(1)),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.error }))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
