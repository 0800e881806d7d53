//! Identifiers: lower-case UUIDs, as the API's clients expect.

/// A new random id (UUID version 4).
pub fn new() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The form shown in tables: the first eight characters.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
