//! Options of the headers middleware.

use super::{Named, record::record};

record! {
    /// Edits request and response headers, answers CORS preflights, adds security headers.
    pub struct Headers {
        /// An empty value deletes; `Host` rewrites the request's host.
        pub custom_request_headers: Named<String>,
        /// An empty value deletes.
        pub custom_response_headers: Named<String>,
        pub access_control_allow_credentials: bool,
        pub access_control_allow_headers: Vec<String>,
        pub access_control_allow_methods: Vec<String>,
        pub access_control_allow_origin_list: Vec<String>,
        pub access_control_allow_origin_list_regex: Vec<String>,
        pub access_control_expose_headers: Vec<String>,
        /// Seconds.
        pub access_control_max_age: i64,
        pub add_vary_header: bool,
        pub allowed_hosts: Vec<String>,
        pub hosts_proxy_headers: Vec<String>,
        pub ssl_proxy_headers: Named<String>,
        /// Seconds; 0 means no header.
        #[serde(rename = "stsSeconds")]
        pub sts_seconds: i64,
        pub sts_include_subdomains: bool,
        pub sts_preload: bool,
        /// Also over plain HTTP.
        #[serde(rename = "forceSTSHeader")]
        pub force_sts_header: bool,
        pub frame_deny: bool,
        pub custom_frame_options_value: String,
        pub content_type_nosniff: bool,
        pub browser_xss_filter: bool,
        #[serde(rename = "customBrowserXSSValue")]
        pub custom_browser_xss_value: String,
        pub content_security_policy: String,
        pub content_security_policy_report_only: String,
        pub public_key: String,
        pub referrer_policy: String,
        pub permissions_policy: String,
        /// Leaves allowed hosts, STS and TLS-only rules out.
        pub is_development: bool,
        /// Accepted for old files, without effect.
        pub feature_policy: Option<String>,
        /// Accepted for old files, without effect.
        pub ssl_redirect: Option<bool>,
        /// Accepted for old files, without effect.
        pub ssl_temporary_redirect: Option<bool>,
        /// Accepted for old files, without effect.
        pub ssl_host: Option<String>,
        /// Accepted for old files, without effect.
        pub ssl_force_host: Option<bool>,
    }
}
