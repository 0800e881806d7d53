//! What the middlewares that ask who somebody is have in common: the list of users, and the refusal.

use super::Response;
use crate::message::Fields;

/// Largest file of users.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The realm of a middleware that names none.
pub(super) const REALM: &str = "traefik";

/// The entries of the users' file and of the configuration, of which the later counts where two are of one user.
pub(super) fn entries(file: &str, listed: &[String]) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    if !file.is_empty() {
        let failed = |error: String| format!("usersFile {file}: {error}");
        let bytes = crate::files::read(file, FILE_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("not UTF-8 text".to_owned()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        entries.extend(lines.map(str::to_owned));
    }
    entries.extend(listed.iter().map(|line| line.trim().to_owned()));
    Ok(entries)
}

/// A text between double quotes (RFC 9110 §5.6.4).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The answer that asks for credentials.
pub(super) fn refusal(challenge: String) -> Response {
    let mut fields = Fields::default();
    fields.push(http::header::CONTENT_TYPE, "text/plain");
    fields.push(http::header::WWW_AUTHENTICATE, challenge);
    Response::new(401, fields, "401 Unauthorized\n")
}
