//! The schemas against the parsers: what fits a pattern is taken.

use super::pattern;
use super::{
    CollapseKeyArgument, DeviceIdArgument, EventNameArgument, ItemIdArgument, NamespaceArgument,
    RoomArgument, SocketIdText, TimeoutText, UserIdArgument,
};
use crate::types::{
    CollapseKey, DeviceId, EventName, EventNameError, ItemId, Namespace, Room, SocketId, UserId,
};
use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;
use std::time::Duration;
use utoipa::PartialSchema;

fn pattern_of<T: PartialSchema>() -> String {
    let schema = serde_json::to_value(T::schema()).unwrap();
    schema["pattern"].as_str().unwrap().to_owned()
}

/// Texts that fit the pattern, short and long.
fn texts<T: PartialSchema>() -> BoxedStrategy<String> {
    string_regex(pattern_of::<T>().trim_matches(['^', '$'])).unwrap().boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn what_fits_a_pattern_is_taken(
        user in texts::<UserIdArgument>(),
        room in texts::<RoomArgument>(),
        device in texts::<DeviceIdArgument>(),
        item in texts::<ItemIdArgument>(),
        key in texts::<CollapseKeyArgument>(),
        namespace in texts::<NamespaceArgument>(),
        event in texts::<EventNameArgument>(),
        socket in texts::<SocketIdText>(),
        timeout in texts::<TimeoutText>(),
    ) {
        prop_assert!(UserId::parse(&user).is_ok(), "{user:?}");
        prop_assert!(Room::parse(&room).is_ok(), "{room:?}");
        prop_assert!(DeviceId::parse(&device).is_ok(), "{device:?}");
        prop_assert!(ItemId::parse(&item).is_ok(), "{item:?}");
        prop_assert!(CollapseKey::parse(&key).is_ok(), "{key:?}");
        prop_assert!(Namespace::parse(&namespace).is_ok(), "{namespace:?}");
        prop_assert!(!matches!(EventName::parse(&event), Err(EventNameError::Text(_))), "{event:?}");
        prop_assert!(socket.parse::<SocketId>().is_ok(), "{socket:?}");
        let timeout = humantime::parse_duration(&timeout).unwrap();
        prop_assert!(crate::commands::bounds::TIMEOUTS.contains(&timeout), "{timeout:?}");
    }

    #[test]
    fn a_text_of_one_kind_fits_exactly_if_it_is_a_name(
        char in prop_oneof!["[a-z,?/ ~]", "[\u{a0}-\u{7ff}]", "[\u{800}-\u{ffff}]", "\u{1f600}", "[\u{0}-\u{1f}\u{7f}-\u{9f}]"],
        count in 0_usize..300,
    ) {
        let text = char.repeat(count);
        let is_user = Regex::new(&pattern_of::<UserIdArgument>()).unwrap().is_match(&text);
        prop_assert_eq!(is_user, UserId::parse(&text).is_ok(), "{:?}", text);
        let namespace = format!("/{text}");
        let is_namespace = Regex::new(&pattern_of::<NamespaceArgument>()).unwrap().is_match(&namespace);
        prop_assert_eq!(is_namespace, Namespace::parse(&namespace).is_ok(), "{:?}", namespace);
        let is_text = Regex::new(&pattern::text(100)).unwrap().is_match(&text);
        prop_assert_eq!(is_text, text.len() <= 100, "{:?}", text);
    }

    #[test]
    fn a_duration_of_one_unit_fits_exactly_if_it_is_within_the_range(
        max in 1_u64..100_000,
        given in 0_u64..100_000,
        unit in prop_oneof![Just(("s", 1)), Just(("m", 60)), Just(("h", 3600)), Just(("d", 86_400))],
    ) {
        let range = Duration::from_secs(1)..=Duration::from_secs(max);
        let pattern = Regex::new(&pattern::durations(&range)).unwrap();
        let (name, seconds) = unit;
        let expected = range.contains(&Duration::from_secs(given * seconds));
        prop_assert_eq!(pattern.is_match(&format!("{given}{name}")), expected);
    }
}
