//! Classes of the fields that the engine acts on.

/// Fields the engine itself acts on; everything else is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Not special.
    Other,
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Keep-Alive`, `Proxy-Connection`, `Proxy-Authenticate`, `Proxy-Authorization`
    Hop,
    /// `Upgrade`
    Upgrade,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Expect`
    Expect,
    /// `Date`
    Date,
    /// `X-Forwarded-For`
    ForwardedFor,
    /// `X-Forwarded-Proto`
    ForwardedProto,
    /// `X-Forwarded-Host`
    ForwardedHost,
    /// `X-Forwarded-Port`
    ForwardedPort,
    /// `X-Forwarded-Server`
    ForwardedServer,
    /// `X-Real-Ip`
    RealIp,
    /// Other fields an untrusted client may not set: `X-Forwarded-{Uri,Method,Prefix,Scheme,Tls-Client-Cert(-Info)}`, `X-Scheme`,
    /// and every forwarding field spelled with underscores.
    ForwardedOther,
    /// `Sec-WebSocket-*`
    WebSocket,
}

/// A set of classes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Classes(u32);

impl Classes {
    /// The set of these.
    pub(crate) const fn of(classes: &[Known]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < classes.len() {
            bits |= 1 << classes[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Whether the two sets have a class in common.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a class is in the set.
    pub(crate) const fn holds(self, known: Known) -> bool {
        self.0 & (1 << known as u32) != 0
    }

    /// What either set holds.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The fields that tell a server about the client.
pub(crate) const FORWARDING: Classes = Classes::of(&[
    Known::ForwardedFor,
    Known::ForwardedProto,
    Known::ForwardedHost,
    Known::ForwardedPort,
    Known::ForwardedServer,
    Known::RealIp,
    Known::ForwardedOther,
]);

impl Known {
    /// The class of a field name in any case.
    pub fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let is = |text: &str| name.eq_ignore_ascii_case(text);
        match (bytes.len(), bytes.first().map(|byte| byte | 0x20)) {
            (2, Some(b't')) if is("te") => Self::Te,
            (4, Some(b'h')) if is("host") => Self::Host,
            (4, Some(b'd')) if is("date") => Self::Date,
            (6, Some(b'e')) if is("expect") => Self::Expect,
            (7, Some(b'u')) if is("upgrade") => Self::Upgrade,
            (7, Some(b't')) if is("trailer") => Self::Trailer,
            (10, Some(b'c')) if is("connection") => Self::Connection,
            (10, Some(b'k')) if is("keep-alive") => Self::Hop,
            (14, Some(b'c')) if is("content-length") => Self::ContentLength,
            (16, Some(b'p')) if is("proxy-connection") => Self::Hop,
            (17, Some(b't')) if is("transfer-encoding") => Self::TransferEncoding,
            (18, Some(b'p')) if is("proxy-authenticate") => Self::Hop,
            (19, Some(b'p')) if is("proxy-authorization") => Self::Hop,
            (14.., Some(b's')) if bytes[..14].eq_ignore_ascii_case(b"sec-websocket-") => Self::WebSocket,
            (8.., Some(b'x')) => Self::forwarding(bytes),
            _ => Self::Other,
        }
    }

    fn forwarding(name: &[u8]) -> Self {
        if !matches!(name[1], b'-' | b'_') {
            return Self::Other;
        }
        let mut lower = [0u8; 32];
        let Some(slot) = lower.get_mut(..name.len()) else { return Self::Other };
        let mut underscore = false;
        for (to, from) in slot.iter_mut().zip(name) {
            underscore |= *from == b'_';
            *to = if *from == b'_' { b'-' } else { from.to_ascii_lowercase() };
        }
        let class = match &*slot {
            b"x-forwarded-for" => Self::ForwardedFor,
            b"x-forwarded-proto" => Self::ForwardedProto,
            b"x-forwarded-host" => Self::ForwardedHost,
            b"x-forwarded-port" => Self::ForwardedPort,
            b"x-forwarded-server" => Self::ForwardedServer,
            b"x-real-ip" => Self::RealIp,
            b"x-scheme"
            | b"x-forwarded-uri"
            | b"x-forwarded-method"
            | b"x-forwarded-prefix"
            | b"x-forwarded-scheme"
            | b"x-forwarded-tls-client-cert"
            | b"x-forwarded-tls-client-cert-info" => Self::ForwardedOther,
            _ => return Self::Other,
        };
        if underscore { Self::ForwardedOther } else { class }
    }

    /// One of the forwarding fields, whose values a client is not trusted with.
    pub fn is_forwarding(self) -> bool {
        FORWARDING.holds(self)
    }

    /// The canonical spelling, where every field of the class has the same name.
    pub(crate) const fn spelling(self) -> Option<&'static str> {
        Some(match self {
            Self::Date => "Date",
            Self::ForwardedFor => "X-Forwarded-For",
            Self::ForwardedProto => "X-Forwarded-Proto",
            Self::ForwardedHost => "X-Forwarded-Host",
            Self::ForwardedPort => "X-Forwarded-Port",
            Self::ForwardedServer => "X-Forwarded-Server",
            Self::RealIp => "X-Real-Ip",
            _ => return None,
        })
    }

    pub(crate) fn allowed_in_trailer(self) -> bool {
        matches!(self, Self::Other | Self::Date)
    }
}
