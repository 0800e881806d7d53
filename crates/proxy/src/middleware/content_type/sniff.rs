//! The type of a resource from its first bytes, by the tables of the MIME Sniffing Standard as Go's library reads them.

/// Bytes that are looked at.
const LOOK: usize = 512;

const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// What HTML begins with, after white space; a tag ends with a space or `>`.
const TAGS: [&str; 17] = [
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// What a type begins with, as it is.
const BEGINNINGS: [(&[u8], &str); 26] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\x0D\x0A\x1A\x0A", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1A\x45\xDF\xA3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1F\x8B\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1A\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1A\x07\x01\x00", "application/x-rar-compressed"),
    (b"\x00\x61\x73\x6D", "application/wasm"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\xEF\xBB\xBF", TEXT),
];

/// Types in a container: its name, and eight bytes on what is inside.
const CONTAINERS: [(&[u8], &[u8], &str); 4] = [
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
    (b"FORM", b"AIFF", "audio/aiff"),
];

/// The media type of what begins like this.
pub(super) fn media_type(data: &[u8]) -> &'static str {
    let data = &data[..data.len().min(LOOK)];
    let text = data.trim_ascii_start();
    if TAGS.iter().any(|tag| begins_with_tag(text, tag.as_bytes())) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let inside = data.get(8..).unwrap_or_default();
    let container = CONTAINERS.iter().find(|(outer, inner, _)| data.starts_with(outer) && inside.starts_with(inner));
    if let Some((.., found)) = container {
        return found;
    }
    if is_mp4(data) {
        return "video/mp4";
    }
    if data.get(34..36) == Some(b"LP") && data[..34].iter().all(|byte| *byte == 0) {
        return "application/vnd.ms-fontobject";
    }
    match BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)) {
        Some((_, found)) => found,
        None if text.iter().any(|byte| is_binary(*byte)) => BINARY,
        None => TEXT,
    }
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    text.len() > tag.len() && text[..tag.len()].eq_ignore_ascii_case(tag) && matches!(text[tag.len()], b' ' | b'>')
}

fn is_binary(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

/// Whether the first box names a brand of MP4.
fn is_mp4(data: &[u8]) -> bool {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return false };
    let length = u32::from_be_bytes(*length) as usize;
    if data.len() < 12 || data.len() < length || !length.is_multiple_of(4) || !rest.starts_with(b"ftyp") {
        return false;
    }
    // Behind the first brand stands a version.
    (8..length).step_by(4).filter(|at| *at != 12).any(|at| data[at..].starts_with(b"mp4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_name_their_type() {
        for (data, found) in [
            (&b"{\"a\": 1}"[..], TEXT),
            (b"", TEXT),
            (b"\n\t <!doctype html>\n", "text/html; charset=utf-8"),
            (b"<p>", "text/html; charset=utf-8"),
            (b"<!-- x", "text/html; charset=utf-8"),
            (b"<pre>", TEXT),
            (b"  <?xml version='1.0'?>", "text/xml; charset=utf-8"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\x89PNG\x0D\x0A\x1A\x0A....", "image/png"),
            (b"RIFF1234WEBPVP8 ", "image/webp"),
            (b"RIFF1234WAVEfmt ", "audio/wave"),
            (b"RIFF1234what", TEXT),
            (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp41isom", "video/mp4"),
            (b"\x00\x00\x00\x18ftypqt  \x00\x00\x00\x00qt  qt  ", BINARY),
            (b"\x00\x00\x01\x00...", "image/x-icon"),
            (b"\x1F\x8B\x08\x00", "application/x-gzip"),
            (b"\xEF\xBB\xBFhello", TEXT),
            (b"\xFE\xFF\x00h", "text/plain; charset=utf-16be"),
            (b"abc\x01", BINARY),
            ("é".as_bytes(), TEXT),
        ] {
            assert_eq!(media_type(data), found, "{:?}", String::from_utf8_lossy(data));
        }
        assert_eq!(media_type(&[&[0; 34][..], b"LP"].concat()), "application/vnd.ms-fontobject");
        assert_eq!(media_type(&[&[b'a'; LOOK][..], b"\x00"].concat()), TEXT, "only the beginning is looked at");
    }
}
