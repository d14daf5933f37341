//! A distinguished name as text (RFC 2253), in plain ASCII whatever is in the certificate.
//!
//! Nothing that stands in a value can be taken for the end of it: what has a meaning is escaped by
//! `\`, and so is every byte that is no printable ASCII, as `\HH`.

use std::fmt::Write as _;

use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

/// Names of attribute types: RFC 2253's, then those that OpenSSL knows beside them.
const TYPES: [(&str, &str); 18] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "street"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.12", "title"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
];

/// The name, last part first, as RFC 2253 has it: `CN=orders,O=Example,C=US`.
pub(super) fn to_text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        for (index, attribute) in part.iter().enumerate() {
            if !text.is_empty() {
                text.push(if index > 0 { '+' } else { ',' });
            }
            let kind = attribute.attr_type().to_id_string();
            let known = TYPES.iter().find(|(id, _)| *id == kind);
            text.push_str(known.map_or(&kind, |(_, name)| name));
            text.push('=');
            match known.and_then(|_| bytes_of(attribute.attr_value())) {
                Some(value) => push_escaped(&mut text, &value),
                None => push_der(&mut text, attribute.attr_value()),
            }
        }
    }
    text
}

/// What a string holds, as UTF-8 where its kind can be turned into that.
fn bytes_of(value: &Any<'_>) -> Option<Vec<u8>> {
    match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => Some(value.data.to_vec()),
        Tag::T61String => {
            Some(value.data.iter().map(|&b| char::from(b)).collect::<String>().into())
        }
        Tag::BmpString => {
            let (pairs, []) = value.data.as_chunks::<2>() else { return None };
            let units = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.ok().map(String::into_bytes)
        }
        _ => None,
    }
}

fn push_escaped(text: &mut String, value: &[u8]) {
    for (index, &byte) in value.iter().enumerate() {
        let is_edge = index == 0 || index + 1 == value.len();
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' ' if is_edge => text.push_str("\\ "),
            b'#' if index == 0 => text.push_str("\\#"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
}

/// `#` and the value's DER in hexadecimal digits.
fn push_der(text: &mut String, value: &Any<'_>) {
    use x509_parser::der_parser::asn1_rs::ToDer;
    text.push('#');
    for byte in value.to_der_vec().unwrap_or_default() {
        let _ = write!(text, "{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    fn text(parts: Vec<(DnType, DnValue)>) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let mut name = DistinguishedName::new();
        for (kind, value) in parts {
            name.push(kind, value);
        }
        params.distinguished_name = name;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
        to_text(parsed.subject())
    }

    fn utf8(value: &str) -> DnValue {
        DnValue::Utf8String(value.to_owned())
    }

    #[test]
    fn the_last_part_comes_first_under_short_names() {
        let parts = vec![
            (DnType::CountryName, DnValue::PrintableString("US".try_into().unwrap())),
            (DnType::StateOrProvinceName, utf8("Washington")),
            (DnType::LocalityName, utf8("Seattle")),
            (DnType::OrganizationName, utf8("Example Corp")),
            (DnType::CommonName, utf8("orders")),
        ];
        assert_eq!(text(parts), "CN=orders,O=Example Corp,L=Seattle,ST=Washington,C=US");
    }

    #[test]
    fn no_value_can_be_taken_for_two_or_break_a_line() {
        for (value, expected) in [
            ("a,CN=root", "CN=a\\,CN=root"),
            ("a+O=x\\", "CN=a\\+O=x\\\\"),
            (" a \"b\" ", "CN=\\ a \\\"b\\\"\\ "),
            ("#1<2>;", "CN=\\#1\\<2\\>\\;"),
            ("a\r\nX-Evil: 1\0", "CN=a\\0D\\0AX-Evil: 1\\00"),
            ("Zoë", "CN=Zo\\C3\\AB"),
            ("", "CN="),
        ] {
            assert_eq!(text(vec![(DnType::CommonName, utf8(value))]), expected, "{value:?}");
        }
    }

    #[test]
    fn two_byte_characters_and_unknown_types_have_a_text_too() {
        let wide = DnValue::BmpString("Zoë".try_into().unwrap());
        assert_eq!(text(vec![(DnType::CommonName, wide)]), "CN=Zo\\C3\\AB");
        let own = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 311]);
        assert_eq!(text(vec![(own, utf8("hi"))]), "1.3.6.1.4.1.311=#0C026869");
    }
}
