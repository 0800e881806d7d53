//! `/v1/session/…`.

use serde::Deserialize;

use super::{Answered, Client, Error, Read, segment};
use crate::wire::{Session, SessionRequest};

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

impl Client {
    /// Creates a session and returns its id.
    pub async fn session_create(&self, request: &SessionRequest) -> Result<String, Error> {
        let raw = self.put("session/create", &[], request).await?;
        raw.decode::<Created>("session/create").map(|created| created.id)
    }

    /// Proves that the holder lives; nothing if the session is over.
    pub async fn session_renew(&self, id: &str) -> Result<Option<Session>, Error> {
        match self.put_empty(&format!("session/renew/{}", segment(id)), &[]).await {
            Ok(raw) => Ok(raw.decode::<Vec<Session>>("session/renew")?.into_iter().next()),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A session; nothing if it is over.
    pub async fn session_info(&self, id: &str, read: &Read) -> Result<Answered<Option<Session>>, Error> {
        let found = self.read::<Vec<Session>>(&format!("session/info/{}", segment(id)), read).await?;
        Ok(found.map(|sessions| sessions.into_iter().next()))
    }

    /// Ends a session: its locks are released or deleted.
    pub async fn session_destroy(&self, id: &str) -> Result<(), Error> {
        self.put_empty(&format!("session/destroy/{}", segment(id)), &[]).await.map(drop)
    }
}
