//! gRPC's health protocol (`grpc.health.v1.Health/Check`): whether the server as a whole is serving.

use super::probe::{Fault, driven};
use crate::io::Stream;
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request};

/// The message for the server as a whole: not compressed, no bytes.
const QUESTION: [u8; 5] = [0; 5];
/// Answers are two bytes and a prefix of five.
const ANSWER_BYTES_MAX: usize = 1024;
/// `UNIMPLEMENTED`
const UNIMPLEMENTED: &[u8] = b"12";
/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u64 = 1;

/// Asks over a fresh connection.
pub(super) async fn check(stream: Stream, authority: HeaderValue) -> Result<(), Fault> {
    let broken = |error: h2::Error| Fault::Grpc(format!("no usable answer: {error}"));
    let secure = matches!(stream, Stream::TlsClient(_));
    let (sender, connection) = h2::client::handshake(stream).await.map_err(broken)?;
    let request = request(secure, &authority)?;
    let asked = async move {
        let mut sender = sender.ready().await.map_err(broken)?;
        let (response, mut body) = sender.send_request(request, false).map_err(broken)?;
        body.send_data(Bytes::from_static(&QUESTION), true).map_err(broken)?;
        let (parts, body) = response.await.map_err(broken)?.into_parts();
        if parts.status != http::StatusCode::OK {
            return Err(Fault::Status(parts.status.as_u16()));
        }
        read(&parts.headers, body).await
    };
    driven(connection, asked).await
}

fn request(secure: bool, authority: &HeaderValue) -> Result<Request<()>, Fault> {
    let uri = http::Uri::builder()
        .scheme(if secure { "https" } else { "http" })
        .authority(authority.as_bytes())
        .path_and_query("/grpc.health.v1.Health/Check");
    let mut request = Request::new(());
    *request.uri_mut() = uri.build().map_err(|error| Fault::Grpc(error.to_string()))?;
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    Ok(request)
}

/// Reads message and trailers; a call that fails has its trailers in the head.
async fn read(head: &HeaderMap, mut body: RecvStream) -> Result<(), Fault> {
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| Fault::Grpc(format!("no usable answer: {error}")))?;
        // Reading on needs room that was given back; an answer this short never waits for it.
        let _ = body.flow_control().release_capacity(data.len());
        message.extend_from_slice(&data);
        if message.len() > ANSWER_BYTES_MAX {
            return Err(Fault::Grpc("the answer is too long".to_owned()));
        }
    }
    let trailers = body.trailers().await.map_err(|error| Fault::Grpc(format!("no usable answer: {error}")))?;
    let status = trailers.as_ref().unwrap_or(head).get("grpc-status").map_or(&b""[..], HeaderValue::as_bytes);
    match status {
        b"0" => judge(&message),
        UNIMPLEMENTED => Err(Fault::Grpc("it does not know gRPC's health protocol".to_owned())),
        other => Err(Fault::Grpc(format!("gRPC status {:?}", String::from_utf8_lossy(other)))),
    }
}

/// Whether a framed `HealthCheckResponse` says `SERVING`.
fn judge(framed: &[u8]) -> Result<(), Fault> {
    let malformed = || Fault::Grpc("its answer is no health message".to_owned());
    let (prefix, message) = framed.split_at_checked(5).ok_or_else(malformed)?;
    if prefix[0] != 0 {
        return Err(malformed());
    }
    // Field 1, a number; left out it is 0, UNKNOWN.
    let status = match message {
        [] => 0,
        [0x08, status] if *status < 0x80 => u64::from(*status),
        _ => return Err(malformed()),
    };
    let name = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"].get(status as usize).unwrap_or(&"unknown");
    if status == SERVING { Ok(()) } else { Err(Fault::Grpc(format!("it says {name}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_serving_is_up() {
        assert!(judge(&[0, 0, 0, 0, 2, 8, 1]).is_ok());
        for (framed, reason) in [
            (&[0, 0, 0, 0, 2, 8, 2][..], "it says NOT_SERVING"),
            (&[0, 0, 0, 0, 0], "it says UNKNOWN"),
            (&[0, 0, 0], "its answer is no health message"),
            (&[1, 0, 0, 0, 2, 8, 1], "its answer is no health message"),
            (&[0, 0, 0, 0, 2, 8, 0x81], "its answer is no health message"),
        ] {
            assert_eq!(judge(framed).unwrap_err().to_string(), reason);
        }
    }
}
