//! Rows: one version byte, then JSON.
//!
//! JSON because the rows are the API's own shapes, whose readers already ignore unknown keys and fill missing ones with
//! defaults: adding a field needs no new version. The byte changes when an old reader would misread a row.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version written by this program; newer ones are refused.
pub const ROW_VERSION: u8 = 1;

/// Why a row cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("row is empty")]
    Empty,
    #[error("row has version {0}, this program knows {ROW_VERSION}")]
    Newer(u8),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, RowError> {
    let mut row = vec![ROW_VERSION];
    serde_json::to_writer(&mut row, value)?;
    Ok(row)
}

pub fn decode<T: DeserializeOwned>(row: &[u8]) -> Result<T, RowError> {
    Ok(serde_json::from_slice(unwrap(row)?)?)
}

/// A row of JSON that is encoded already.
pub fn wrap(json: &[u8]) -> Vec<u8> {
    [&[ROW_VERSION], json].concat()
}

/// The JSON of a row.
pub fn unwrap(row: &[u8]) -> Result<&[u8], RowError> {
    match row.split_first() {
        None => Err(RowError::Empty),
        Some((&ROW_VERSION, json)) => Ok(json),
        Some((&version, _)) => Err(RowError::Newer(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_newer_ones_are_refused() {
        let mut row = encode(&vec![1, 2, 3]).unwrap();
        assert_eq!(decode::<Vec<i32>>(&row).unwrap(), [1, 2, 3]);
        row[0] = ROW_VERSION + 1;
        assert!(matches!(decode::<Vec<i32>>(&row), Err(RowError::Newer(_))));
        assert!(matches!(decode::<Vec<i32>>(&[]), Err(RowError::Empty)));
    }
}
