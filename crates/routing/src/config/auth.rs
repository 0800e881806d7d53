//! Options of the middlewares that ask who somebody is.

use super::{ClientTls, record::record};

record! {
    pub struct BasicAuth {
        /// `name:hash` with bcrypt, apr1 or SHA-1.
        pub users: Vec<String>,
        pub users_file: String,
        pub realm: String,
        /// Do not send `Authorization` on.
        pub remove_header: bool,
        /// Header that tells the backend the user's name.
        pub header_field: String,
    }
}

record! {
    pub struct DigestAuth {
        /// `name:realm:md5`.
        pub users: Vec<String>,
        pub users_file: String,
        pub realm: String,
        pub remove_header: bool,
        pub header_field: String,
    }
}

record! {
    /// Asks another server whether a request may pass.
    pub struct ForwardAuth {
        pub address: String,
        pub tls: Option<ClientTls>,
        pub trust_forward_header: bool,
        pub auth_response_headers: Vec<String>,
        pub auth_response_headers_regex: String,
        pub auth_request_headers: Vec<String>,
        pub add_auth_cookies_to_response: Vec<String>,
        pub header_field: String,
        pub forward_body: bool,
        /// -1 means no limit.
        pub max_body_size: Option<i64>,
        pub max_response_body_size: Option<i64>,
        pub preserve_location_header: bool,
        pub preserve_request_method: bool,
        #[serde(rename = "authSigninURL")]
        pub auth_signin_url: String,
    }
}

record! {
    /// Tells the backend about the client's certificate.
    pub struct PassTlsClientCert {
        /// The whole certificate in `X-Forwarded-Tls-Client-Cert`.
        pub pem: bool,
        /// Parts of it in `X-Forwarded-Tls-Client-Cert-Info`.
        pub info: Option<ClientCertInfo>,
    }
}

record! {
    pub struct ClientCertInfo {
        pub not_after: bool,
        pub not_before: bool,
        pub sans: bool,
        pub serial_number: bool,
        pub subject: Option<SubjectInfo>,
        pub issuer: Option<IssuerInfo>,
    }
}

record! {
    pub struct SubjectInfo {
        pub country: bool,
        pub province: bool,
        pub locality: bool,
        pub organization: bool,
        pub organizational_unit: bool,
        pub common_name: bool,
        pub serial_number: bool,
        pub domain_component: bool,
    }
}

record! {
    pub struct IssuerInfo {
        pub country: bool,
        pub province: bool,
        pub locality: bool,
        pub organization: bool,
        pub common_name: bool,
        pub serial_number: bool,
        pub domain_component: bool,
    }
}
