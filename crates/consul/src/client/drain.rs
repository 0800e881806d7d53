//! `/v1/baton/drain/…`: what proxies have running at instances that are about to stop. An addition to Consul's API that only
//! Baton's catalog has.

use std::collections::BTreeMap;

use super::{Client, Error, Read, parameter, segment};

impl Client {
    /// A proxy tells how many requests it has running at an instance that drains.
    pub async fn report_drain(&self, service_id: &str, proxy: &str, count: u64) -> Result<(), Error> {
        let parameters = [parameter("proxy", proxy), parameter("count", count)];
        self.put_empty(&format!("baton/drain/{}", segment(service_id)), &parameters).await.map(drop)
    }

    /// What was told lately, by proxy.
    pub async fn drain_counts(&self, service_id: &str) -> Result<BTreeMap<String, u64>, Error> {
        Ok(self.read(&format!("baton/drain/{}", segment(service_id)), &Read::default()).await?.data)
    }
}
