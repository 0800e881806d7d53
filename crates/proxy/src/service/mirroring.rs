//! A service whose requests are copied to others; clients see the answers of the main one only.
//!
//! Copies go out once the main service has answered, one after the other, and what comes back is read and dropped. A
//! request that is copied is read in whole before. Invariant: nothing that happens to a copy is felt by the client.

use super::Service;
use crate::body::{Body, keep};
use crate::core::Core;
use crate::middleware::{Failure, Request, Response};
use bytes::Bytes;
use smallvec::SmallVec;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Largest body that is copied where the configuration names no limit.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Requests of one service whose copies are on their way; those beyond are not copied.
const COPYING_MAX: usize = 256;
/// Time for one copy, answer included.
const COPY_TIME: Duration = Duration::from_secs(60);

/// The service.
pub struct Mirroring {
    /// Who answers.
    pub main: Arc<Service>,
    mirrors: Vec<(Arc<Service>, u32)>,
    /// `None` copies heads only.
    body_bytes: Option<usize>,
    seen: AtomicU64,
    copying: Arc<AtomicUsize>,
}

impl Mirroring {
    /// Copies to `mirrors`, each with its share in per cent; `max_body` below zero means no limit of the user's.
    pub fn new(main: Arc<Service>, mirrors: Vec<(Arc<Service>, u32)>, with_body: bool, max_body: i64) -> Self {
        let limit = usize::try_from(max_body).unwrap_or(BODY_BYTES_MAX);
        let body_bytes = with_body.then_some(limit);
        Self { main, mirrors, body_bytes, seen: AtomicU64::new(0), copying: Arc::default() }
    }

    /// The mirrors that get a copy of the next request.
    fn next(&self) -> SmallVec<[Arc<Service>; 2]> {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let due = |number: u64, percent: u32| number.wrapping_mul(u64::from(percent)).div_ceil(100);
        let wants = |percent: u32| due(number + 1, percent) > due(number, percent);
        self.mirrors.iter().filter(|(_, percent)| wants(*percent)).map(|(mirror, _)| mirror.clone()).collect()
    }

    /// Answers, and sends copies.
    pub(super) async fn call(&self, core: &Rc<Core>, mut request: Request) -> Response {
        let mirrors = self.next();
        if mirrors.is_empty() || request.upgrade.is_some() {
            return self.main.call(core, request).await;
        }
        let mut copied = Some(Bytes::new());
        if let Some(limit) = self.body_bytes {
            match keep(std::mem::take(&mut request.body), limit).await {
                Ok((Some(bytes), _)) => {
                    request.body = bytes.clone().into();
                    copied = Some(bytes);
                }
                Ok((None, body)) => {
                    request.body = body;
                    copied = None;
                }
                Err(error) => return Response::failed(error.into()),
            }
        }
        let turn = copied.as_ref().and_then(|_| Turn::take(&self.copying));
        let copy = copied.zip(turn).map(|(body, turn)| Copy {
            template: Request {
                head: request.head.clone(),
                body: Body::Empty,
                info: request.info.clone(),
                upgrade: None,
            },
            body,
            _turn: turn,
        });
        let response = self.main.call(core, request).await;
        if let (Some(copy), false) = (copy, response.failure == Some(Failure::ClientGone)) {
            let core = core.clone();
            tokio::task::spawn_local(async move {
                for mirror in mirrors {
                    copy.send(&core, &mirror).await;
                }
            });
        }
        response
    }
}

/// A request to be sent again.
struct Copy {
    template: Request,
    body: Bytes,
    _turn: Turn,
}

impl Copy {
    async fn send(&self, core: &Rc<Core>, to: &Service) {
        let request = Request {
            head: self.template.head.clone(),
            body: self.body.clone().into(),
            info: self.template.info.clone(),
            upgrade: None,
        };
        let sent = async {
            let mut response = to.call(core, request).await;
            while let Some(Ok(_)) = response.body.frame().await {}
        };
        if tokio::time::timeout(COPY_TIME, sent).await.is_err() {
            tracing::debug!(service = %to.name, "a mirror did not answer within {COPY_TIME:?}");
        }
    }
}

/// A place among those that are being copied.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(copying: &Arc<AtomicUsize>) -> Option<Self> {
        let turn = Self(copying.clone());
        let taken = copying.fetch_add(1, Ordering::Relaxed) < COPYING_MAX;
        taken.then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn each_mirror_gets_its_share_evenly() {
        let service = |name: &str| Arc::new(Service { name: name.into(), kind: Kind::Closed(String::new()) });
        let mirrors = [("none", 0), ("all", 100), ("half", 50), ("third", 33)];
        let mirrors = mirrors.map(|(name, percent)| (service(name), percent)).to_vec();
        let mirroring = Mirroring::new(service("main"), mirrors, true, -1);
        let chosen: Vec<Vec<String>> =
            (0..100).map(|_| mirroring.next().iter().map(|mirror| mirror.name.to_string()).collect()).collect();
        let share = |name: &str| chosen.iter().filter(|names| names.iter().any(|known| known == name)).count();
        assert_eq!([share("none"), share("all"), share("half"), share("third")], [0, 100, 50, 33]);
        assert!(chosen.chunks(2).all(|pair| pair.iter().flatten().filter(|name| *name == "half").count() == 1));
    }

    #[test]
    fn a_full_queue_takes_nobody() {
        let copying = Arc::new(AtomicUsize::new(COPYING_MAX - 1));
        let last = Turn::take(&copying).unwrap();
        assert!(Turn::take(&copying).is_none());
        drop(last);
        assert_eq!(copying.load(Ordering::Relaxed), COPYING_MAX - 1);
    }
}
