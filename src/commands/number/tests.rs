//! Integers that are written with a fraction of zero.

use super::integer;
use crate::commands::inbox::ReadRequest;

#[test]
fn a_fraction_of_zero_is_an_integer_as_far_as_it_tells_which() {
    let table = [
        (0.0, Some(0)),
        (-0.0, Some(0)),
        (42.0, Some(42)),
        (-7.0, Some(-7)),
        (9_007_199_254_740_992.0, Some(9_007_199_254_740_992)),
        (9_007_199_254_740_994.0, None),
        (1.5, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
    ];
    for (number, expected) in table {
        assert_eq!(integer(number), expected, "{number}");
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
