//! Close frames are found among others, however the stream is cut into pieces.

use super::CloseFrames;
use proptest::prelude::*;

/// A client's frame.
fn frame(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => frame.push(0x80 | u8::try_from(len).unwrap()),
        Ok(len) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn the_code_of_a_close_frame_is_told() {
    let table: [(&[u8], u16); 4] = [
        (&[], 1005),
        (&[0x03, 0xe8], 1000),
        (&[0x03, 0xe9], 1001),
        (&[0x0f, 0xa0, b'b', b'y', b'e'], 4000),
    ];
    for (payload, code) in table {
        let bytes = frame(8, payload, [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(CloseFrames::default().see(&bytes), Some(code), "{payload:?}");
    }
}

#[test]
fn bytes_that_look_like_a_close_frame_inside_another_are_none() {
    let inner = frame(8, &[0x03, 0xe8], [0; 4]);
    let bytes = frame(2, &inner, [0; 4]);

    assert_eq!(CloseFrames::default().see(&bytes), None);
}

#[test]
fn a_frame_that_claims_to_be_endless_hides_all_that_follows() {
    let mut bytes = vec![0x82, 0xff];
    bytes.extend(u64::MAX.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(frame(8, &[], [0; 4]));

    assert_eq!(CloseFrames::default().see(&bytes), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_close_frame_is_found_after_any_others_in_pieces_of_any_size(
        lens in prop::collection::vec(prop_oneof![0..130_usize, 65_000..66_000_usize], 0..4),
        mask: [u8; 4],
        code: Option<u16>,
        pieces in prop::collection::vec(1..3000_usize, 1..50),
    ) {
        let mut bytes = Vec::new();
        for len in lens {
            bytes.extend(frame(1, &vec![0x88; len], mask));
        }
        let before = bytes.len();
        bytes.extend(frame(8, &code.map_or(Vec::new(), |it| it.to_be_bytes().to_vec()), mask));

        let mut goodbyes = CloseFrames::default();
        let (mut at, mut seen) = (0, None);
        for piece in pieces.iter().cycle() {
            let end = (at + piece).min(bytes.len());
            let found = goodbyes.see(&bytes[at..end]);
            prop_assert!(found.is_none() || before < end, "too early: {at} {end}");
            seen = seen.or(found);
            at = end;
            if at == bytes.len() {
                break;
            }
        }
        prop_assert_eq!(seen, Some(code.unwrap_or(1005)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut goodbyes = CloseFrames::default();
        goodbyes.see(&bytes);
        prop_assert!(goodbyes.head.len() <= 16);
    }
}
