//! HTTP middlewares: every kind that configurations may name, with its options.
//!
//! A kind that the proxy does not implement still has its variant here, so that a router which relies on it can
//! be closed instead of served without its protection.

use serde::{Deserialize, Serialize};

use super::{
    AllowedEscapes, BasicAuth, DigestAuth, ForwardAuth, Headers, Named, PassTlsClientCert, Timespan, record::record,
};

macro_rules! middlewares {
    ($($(#[$meta:meta])* $variant:ident($options:ty) = $key:literal,)*) => {
        /// One middleware; exactly one kind each.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Middleware {
            $($(#[$meta])* #[serde(rename = $key)] $variant($options),)*
            /// Declared, but unusable; a problem says why.
            #[serde(skip)]
            Invalid,
        }

        impl Middleware {
            /// Every kind by its configuration key.
            pub const KEYS: &'static [&'static str] = &[$($key),*];

            /// The configuration key of the kind, `redirectScheme`.
            pub fn key(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $key,)*
                    Self::Invalid => "invalid",
                }
            }
        }
    };
}

middlewares! {
    AddPrefix(AddPrefix) = "addPrefix",
    StripPrefix(StripPrefix) = "stripPrefix",
    StripPrefixRegex(StripPrefixRegex) = "stripPrefixRegex",
    ReplacePath(ReplacePath) = "replacePath",
    ReplacePathRegex(ReplacePathRegex) = "replacePathRegex",
    Chain(Chain) = "chain",
    /// The older name of [`Middleware::IpAllowList`].
    IpWhiteList(IpAllowList) = "ipWhiteList",
    IpAllowList(IpAllowList) = "ipAllowList",
    Headers(Box<Headers>) = "headers",
    Errors(Errors) = "errors",
    RateLimit(RateLimit) = "rateLimit",
    RedirectRegex(RedirectRegex) = "redirectRegex",
    RedirectScheme(RedirectScheme) = "redirectScheme",
    BasicAuth(BasicAuth) = "basicAuth",
    DigestAuth(DigestAuth) = "digestAuth",
    ForwardAuth(Box<ForwardAuth>) = "forwardAuth",
    InFlightReq(InFlightReq) = "inFlightReq",
    Buffering(Buffering) = "buffering",
    CircuitBreaker(CircuitBreaker) = "circuitBreaker",
    Compress(Compress) = "compress",
    PassTlsClientCert(Box<PassTlsClientCert>) = "passTLSClientCert",
    Retry(Retry) = "retry",
    ContentType(ContentType) = "contentType",
    GrpcWeb(GrpcWeb) = "grpcWeb",
    EncodedCharacters(AllowedEscapes) = "encodedCharacters",
    Plugin(Named<serde_json::Value>) = "plugin",
}

record! {
    pub struct AddPrefix {
        pub prefix: String,
    }
}

record! {
    /// Removes the first listed prefix that matches and sets `X-Forwarded-Prefix`.
    pub struct StripPrefix {
        pub prefixes: Vec<String>,
        /// Deprecated; an empty path becomes `/`.
        pub force_slash: Option<bool>,
    }
}

record! {
    pub struct StripPrefixRegex {
        pub regex: Vec<String>,
    }
}

record! {
    pub struct ReplacePath {
        pub path: String,
    }
}

record! {
    pub struct ReplacePathRegex {
        pub regex: String,
        pub replacement: String,
    }
}

record! {
    pub struct Chain {
        pub middlewares: Vec<String>,
    }
}

record! {
    /// Only these sources get through.
    pub struct IpAllowList {
        /// Addresses and CIDR ranges.
        pub source_range: Vec<String>,
        pub ip_strategy: Option<IpStrategy>,
        /// Status for others; unset means 403.
        pub reject_status_code: Option<u16>,
    }
}

record! {
    /// Which address counts as the client's.
    pub struct IpStrategy {
        /// Take this entry of `X-Forwarded-For` from the right; 0 means the TCP peer.
        pub depth: u32,
        /// Skip these from the right of `X-Forwarded-For`.
        #[serde(rename = "excludedIPs")]
        pub excluded_ips: Vec<String>,
        /// Count IPv6 addresses by prefixes of this many bits.
        #[serde(rename = "ipv6Subnet")]
        pub ipv6_subnet: Option<u32>,
    }
}

record! {
    /// Replaces the bodies of error responses by what another service says.
    pub struct Errors {
        /// `404`, `500-599`.
        pub status: Vec<String>,
        pub status_rewrites: Named<u16>,
        pub service: String,
        /// Path and query there; `{status}`, `{originalStatus}` and `{url}` are filled in.
        pub query: String,
        pub error_request_headers: Option<Vec<String>>,
    }
}

record! {
    /// Token bucket per source.
    pub struct RateLimit {
        /// Requests per `period`; 0 means no limit.
        pub average: u64,
        pub period: Timespan = Timespan::from_secs(1),
        pub burst: u64 = 1,
        /// Unset means the remote address.
        pub source_criterion: Option<SourceCriterion>,
        pub redis: Option<serde_json::Value>,
    }
}

record! {
    /// What makes two requests count as of one source.
    pub struct SourceCriterion {
        pub ip_strategy: Option<IpStrategy>,
        pub request_header_name: String,
        pub request_host: bool,
    }
}

record! {
    pub struct RedirectRegex {
        /// Matched against `scheme://host[:port]/path?query`.
        pub regex: String,
        pub replacement: String,
        pub permanent: bool,
    }
}

record! {
    pub struct RedirectScheme {
        pub scheme: String,
        pub port: String,
        pub permanent: bool,
        /// Set by the front end for entry point redirections: applies whatever `X-Forwarded-Proto` says.
        #[serde(skip)]
        pub for_entry_point: bool,
    }
}

record! {
    /// Limits requests in flight.
    pub struct InFlightReq {
        pub amount: u64,
        /// Unset means the request's host.
        pub source_criterion: Option<SourceCriterion>,
    }
}

record! {
    /// Reads bodies in whole, with limits; 0 means no limit.
    pub struct Buffering {
        pub max_request_body_bytes: u64,
        pub mem_request_body_bytes: u64 = 1 << 20,
        pub max_response_body_bytes: u64,
        pub mem_response_body_bytes: u64 = 1 << 20,
        pub retry_expression: String,
    }
}

record! {
    pub struct CircuitBreaker {
        /// Of `NetworkErrorRatio()`, `ResponseCodeRatio(a, b, c, d)`, `LatencyAtQuantileMS(q)`.
        pub expression: String,
        pub check_period: Timespan = Timespan::from_millis(100),
        pub fallback_duration: Timespan = Timespan::from_secs(10),
        pub recovery_duration: Timespan = Timespan::from_secs(10),
        pub response_code: u16 = 503,
    }
}

record! {
    pub struct Compress {
        pub excluded_content_types: Vec<String>,
        pub included_content_types: Vec<String>,
        /// Smaller bodies are left alone; unset means 1024.
        pub min_response_body_bytes: Option<u64>,
        pub encodings: Vec<String> = vec!["gzip".to_owned(), "br".to_owned(), "zstd".to_owned()],
        /// For clients without `Accept-Encoding`.
        pub default_encoding: String,
    }
}

record! {
    pub struct Retry {
        /// Tries in total.
        pub attempts: u32,
        pub initial_interval: Timespan,
        pub timeout: Timespan,
        /// Also retry idempotent requests on these response statuses.
        pub status: Vec<String>,
        pub max_request_body_bytes: Option<i64>,
        pub disable_retry_on_network_error: bool,
        pub retry_non_idempotent_method: bool,
    }
}

record! {
    pub struct ContentType {
        /// Deprecated; sniffing is on when the middleware is used.
        pub auto_detect: Option<bool>,
    }
}

record! {
    pub struct GrpcWeb {
        pub allow_origins: Vec<String>,
    }
}
