//! Integers that are written with a fraction of zero.

use super::integer;
use crate::commands::inbox::ReadRequest;
use crate::commands::names::NameList;
use crate::types::UserId;

#[test]
fn a_fraction_of_zero_is_an_integer_as_far_as_it_tells_which() {
    let table = [
        (0.0, Some(0)),
        (-0.0, Some(0)),
        (42.0, Some(42)),
        (-7.0, Some(-7)),
        (9_007_199_254_740_991.0, Some(9_007_199_254_740_991)),
        (-9_007_199_254_740_991.0, Some(-9_007_199_254_740_991)),
        (9_007_199_254_740_992.0, None),
        (1e16, None),
        (1.5, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
    ];
    for (number, expected) in table {
        assert_eq!(integer(number), expected, "{number}");
    }
}

#[test]
fn whoever_is_named_by_a_number_is_that_one_and_nobody_beside() {
    let written = |number: &str| {
        let list: serde_json::Result<NameList<UserId>> =
            serde_json::from_str(&format!("[{number}]"));
        list.map(|it| it.0[0].as_str().to_owned())
    };
    let top: i64 = 9_007_199_254_740_991;
    for number in [top, top - 1, top - 2, top / 7, top / 1000, 1, -top, 1 - top] {
        for text in [
            format!("{number}"),
            format!("{number}.0"),
            format!("{number}e0"),
            format!("{number}00e-2"),
        ] {
            assert_eq!(written(&text).unwrap(), number.to_string(), "{text}");
        }
    }
    let exact =
        ["9007199254740993", "9223372036854775807", "18446744073709551615", "-9223372036854775808"];
    for text in exact {
        assert_eq!(written(text).unwrap(), text);
    }
    let ambiguous =
        ["9007199254740992.0", "9007199254740993.0", "1e16", "-1e16", "18446744073709551616"];
    for text in ambiguous {
        let why = written(text).unwrap_err().to_string();
        assert!(why.contains("must be written in digits"), "{text}: {why}");
    }
}

#[test]
fn a_number_of_the_store_may_be_written_so() {
    let seen = |upto: &str| serde_json::from_str::<ReadRequest>(&format!(r#"{{"upto":{upto}}}"#));
    seen("7.0").unwrap();
    for wrong in ["7.5", "-7.0", "1e300", "9223372036854775808"] {
        seen(wrong).unwrap_err();
    }
}
