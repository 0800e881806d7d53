//! What a client takes, by its `Accept-Encoding` (RFC 9110 §12.5.3).

use super::coding::Coding;
use crate::message::Fields;

/// Entries of `Accept-Encoding` that are looked at.
const ENTRIES_MAX: usize = 32;

/// The coding for a client, out of `offered` (best first). `silent` is for clients that say nothing.
pub(super) fn negotiate(fields: &Fields<'_>, offered: &[Coding], silent: Option<Coding>) -> Option<Coding> {
    fields.get("accept-encoding").map_or(silent, |_| {
        let mut weights = Vec::new();
        let lines = fields.all("accept-encoding").filter_map(|line| std::str::from_utf8(line).ok());
        for entry in lines.flat_map(|line| line.split(',')).take(ENTRIES_MAX) {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            weights.push((name.trim(), weight(parameters)));
        }
        let weight_of =
            |name: &str| weights.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, q)| *q);
        let any = weight_of("*");
        let best = offered
            .iter()
            .filter_map(|coding| Some((*coding, weight_of(coding.name()).or(any)?)))
            .filter(|(_, weight)| *weight > 0)
            // Of equals the first one offered.
            .fold(None, |best: Option<(Coding, u16)>, next| best.filter(|best| best.1 >= next.1).or(Some(next)))?;
        (weight_of("identity").unwrap_or(0) <= best.1).then_some(best.0)
    })
}

/// `q=0.5` in thousandths; 1000 where there is none, 0 where it is not a weight.
fn weight(parameters: &str) -> u16 {
    let Some(value) = parameters.split(';').find_map(|text| {
        let (name, value) = text.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    }) else {
        return 1000;
    };
    match value.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

    fn chosen(accept: &'static str) -> Option<Coding> {
        let mut fields = Fields::default();
        fields.push(http::header::ACCEPT_ENCODING, accept);
        negotiate(&fields, &OFFERED, None)
    }

    #[test]
    fn our_order_counts_unless_the_client_weighs() {
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", Some(Coding::Gzip)),
            ("zstd, br", Some(Coding::Brotli)),
            ("br;q=0.5, zstd;q=0.8", Some(Coding::Zstd)),
            ("GZIP", Some(Coding::Gzip)),
            ("*", Some(Coding::Gzip)),
            ("gzip;q=0, *", Some(Coding::Brotli)),
            ("*;q=0", None),
            ("gzip;q=0.5, identity", None),
            ("identity;q=0.5, br;q=0.5", Some(Coding::Brotli)),
            ("deflate", None),
            ("gzip;q=2", None),
            ("gzip;q=nan", None),
            ("", None),
        ] {
            assert_eq!(chosen(accept), coding, "{accept}");
        }
    }

    #[test]
    fn the_default_is_for_clients_that_say_nothing() {
        assert_eq!(negotiate(&Fields::default(), &OFFERED, None), None);
        assert_eq!(negotiate(&Fields::default(), &OFFERED, Some(Coding::Zstd)), Some(Coding::Zstd));
    }
}
