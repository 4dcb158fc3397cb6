//! The DNS provider of the customers, who have none here: what they are asked to add is added.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use nameplate::{dns::Rfc2136, domain::Instruction};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{
    common::{Failure, record_set},
    servers::add,
};

/// What the platform's API says of a domain, as far as it is of interest here.
#[derive(Deserialize)]
struct Asked {
    instructions: Vec<Instruction>,
}

/// Serves `POST /records`.
pub(crate) async fn serve(listener: TcpListener, dns: Rfc2136) -> std::io::Result<()> {
    axum::serve(listener, Router::new().route("/records", post(records)).with_state(dns)).await
}

async fn records(State(dns): State<Rfc2136>, body: Bytes) -> (StatusCode, String) {
    match publish(&dns, &body).await {
        Ok(said) => (StatusCode::OK, said),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn publish(dns: &Rfc2136, body: &[u8]) -> Result<String, Failure> {
    let asked: Asked = serde_json::from_slice(body)?;
    let mut said = String::new();
    for step in &asked.instructions {
        add(dns, record_set(step)?).await?;
        said += &format!("added {} {} {}\n", step.name, step.record_type, step.value);
    }
    Ok(said)
}
