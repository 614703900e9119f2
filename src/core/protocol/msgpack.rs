//! Just enough of msgpack to answer clients that use socket.io-msgpack-parser, which this server does not speak:
//! <https://github.com/socketio/socket.io-msgpack-parser>. A packet is one map: `{type, data, nsp}`.

/// The type of a `CONNECT_ERROR`.
const CONNECT_ERROR: u8 = 4;
/// The key of the namespace, as it is written.
const NSP: &[u8] = b"\xa3nsp";

/// The namespace of a packet; `/` if it cannot be read.
pub fn namespace(packet: &[u8]) -> String {
    // It stands behind the data, which may hold anything.
    let place = packet.windows(NSP.len()).rposition(|it| it == NSP);
    let value = place.and_then(|place| packet.get(place + NSP.len()..)).unwrap_or_default();
    let text = match value {
        [len @ 0xa0..=0xbf, text @ ..] => text.get(..usize::from(len & 0x1f)),
        [0xd9, len, text @ ..] => text.get(..usize::from(*len)),
        _ => None,
    };
    let text = text.and_then(|it| std::str::from_utf8(it).ok());
    text.filter(|it| it.starts_with('/')).unwrap_or("/").to_owned()
}

/// A refusal to join `namespace`: `{type: 4, nsp, data: {message, data: {code, message}}}`.
pub fn connect_error(namespace: &str, code: &str, message: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.push(0x83);
    put(&mut packet, "type");
    packet.push(CONNECT_ERROR);
    put(&mut packet, "nsp");
    put(&mut packet, namespace);
    put(&mut packet, "data");
    packet.push(0x82);
    put(&mut packet, "message");
    put(&mut packet, message);
    put(&mut packet, "data");
    packet.push(0x82);
    put(&mut packet, "code");
    put(&mut packet, code);
    put(&mut packet, "message");
    put(&mut packet, message);
    packet
}

/// Appends a text.
fn put(packet: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    packet.push(0xda);
    packet.extend(len.to_be_bytes());
    packet.extend_from_slice(text.as_bytes().get(..usize::from(len)).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::{connect_error, namespace};

    #[test]
    fn the_namespace_is_read_wherever_it_stands() {
        let table: [(&[u8], &str); 8] = [
            (b"\x82\xa4type\x00\xa3nsp\xa1/", "/"),
            (b"\x83\xa4type\x00\xa4data\xa3nsp\xa3nsp\xa5/chat", "/chat"),
            (b"\x82\xa3nsp\xa5/chat\xa4type\x00", "/chat"),
            (b"\x81\xa3nsp\xd9\x05/chat", "/chat"),
            (b"\x81\xa3nsp\xa5/ch", "/"),
            (b"\x81\xa3nsp\xa2\xff\xff", "/"),
            (b"\x81\xa3nsp", "/"),
            (b"", "/"),
        ];
        for (packet, expected) in table {
            assert_eq!(namespace(packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn a_refusal_is_one_map() {
        let expected = [
            b"\x83\xda\0\x04type\x04\xda\0\x03nsp\xda\0\x02/a\xda\0\x04data\x82".as_slice(),
            b"\xda\0\x07message\xda\0\x02no\xda\0\x04data\x82",
            b"\xda\0\x04code\xda\0\x01c\xda\0\x07message\xda\0\x02no",
        ];
        assert_eq!(connect_error("/a", "c", "no"), expected.concat());
    }
}
