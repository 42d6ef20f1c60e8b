//! Files of a job, as downloads: never shown in the browser, whatever they hold.

use std::fs::File;
use std::io::{self, Read};

use aq_runner::store::{log_file, open_artifact};
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use crate::dashboard::error::PageError;
use crate::dashboard::state::{QueueDashboard, job_id};

/// Bytes that are read at a time.
const CHUNK: u64 = 256 << 10;

#[derive(Debug, Deserialize)]
pub(in crate::dashboard) struct FilesQuery {
    path: String,
}

/// `GET /jobs/{id}/artifact?path=…`
pub(in crate::dashboard) async fn artifact(
    State(dashboard): State<QueueDashboard>,
    Path(id): Path<String>,
    Query(wanted): Query<FilesQuery>,
) -> Result<Response, PageError> {
    let id = job_id(&id)?;
    let name = wanted.path.rsplit('/').next().unwrap_or_default().to_owned();
    let open = move |dashboard: &QueueDashboard| {
        dashboard.queue.expect(&id)?;
        Ok(open_artifact(&dashboard.queue, &id, &wanted.path)?)
    };
    let found = dashboard.blocking(open).await?;
    let (file, size) = found.ok_or_else(|| PageError::not_found("there is no such artifact"))?;
    Ok(download(file, size, &name, "application/octet-stream"))
}

/// `GET /jobs/{id}/log.txt`
pub(in crate::dashboard) async fn whole_log(
    State(dashboard): State<QueueDashboard>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = job_id(&id)?;
    let name = format!("{id}.log");
    let open = move |dashboard: &QueueDashboard| {
        dashboard.queue.expect(&id)?;
        Ok(log_file(&dashboard.queue, &id)?)
    };
    let found = dashboard.blocking(open).await?;
    let (file, size) = found.ok_or_else(|| PageError::not_found("it has printed nothing yet"))?;
    Ok(download(file, size, &name, "text/plain; charset=utf-8"))
}

/// The first `size` bytes of a file, read as the reader takes them.
fn download(file: File, size: u64, name: &str, kind: &'static str) -> Response {
    let chunks = stream::try_unfold((file, size), |(mut file, left)| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::new();
            file.by_ref().take(left.min(CHUNK)).read_to_end(&mut chunk)?;
            io::Result::Ok((file, chunk))
        });
        let (file, chunk) = read.await.map_err(io::Error::other)??;
        let left = left - chunk.len() as u64;
        Ok::<_, io::Error>((!chunk.is_empty()).then(|| (Bytes::from(chunk), (file, left))))
    });
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    // The encoding of forms, but for spaces and stars, is that of RFC 8187.
    let name = name.replace('+', "%20").replace('*', "%2A");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}
