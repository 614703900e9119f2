//! The records against a plain list of them.

use super::{
    Membership, MembershipChange, MembershipFlaw, MembershipLimits, Memberships, Standing,
};
use crate::types::{Namespace, Room, UserId, WallMs};
use proptest::prelude::*;

const LIMITS: MembershipLimits = MembershipLimits { per_user: 2, total: 5 };

fn user(n: u8) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn room(n: u8) -> Room {
    Room::parse(&format!("r{n}")).unwrap()
}

fn namespace(n: u8) -> Option<Namespace> {
    (0 < n).then(|| Namespace::parse(&format!("/n{n}")).unwrap())
}

fn change() -> impl Strategy<Value = MembershipChange> {
    let until = prop::option::of((1..40_u64).prop_map(WallMs));
    let standing = prop_oneof![
        2 => until.prop_map(|until| Some(Standing::Member { until })),
        1 => Just(Some(Standing::Denied)),
        1 => Just(None),
    ];
    (0..3_u8, 0..4_u8, 0..3_u8, standing).prop_map(|(u, r, n, standing)| MembershipChange {
        user: user(u),
        room: room(r),
        namespace: namespace(n),
        is_whole: n == 0,
        standing,
    })
}

/// Every record.
#[derive(Default)]
struct Model(Vec<(UserId, Membership)>);

impl Model {
    fn apply(&mut self, change: &MembershipChange) {
        let MembershipChange { user, room, namespace, is_whole, standing } = change.clone();
        self.0.retain(|(of, it)| {
            *of != user || it.room != room || !is_whole && it.namespace != namespace
        });
        if let Some(standing) = standing {
            self.0.push((user, Membership { room, namespace, standing }));
        }
    }

    fn in_force(&self, user: &UserId, now: WallMs) -> Vec<Membership> {
        let mut all: Vec<Membership> = Vec::new();
        for (of, it) in &self.0 {
            if of == user && !is_over(it.standing, now) {
                all.push(it.clone());
            }
        }
        all.sort_by(|a, b| (&a.room, &a.namespace).cmp(&(&b.room, &b.namespace)));
        all
    }

    /// What counts for a room in a namespace.
    fn standing(
        &self,
        user: &UserId,
        room: &Room,
        namespace: &Namespace,
        now: WallMs,
    ) -> Option<Standing> {
        let all = self.in_force(user, now);
        let of = |wanted: Option<&Namespace>| {
            all.iter()
                .find(|it| it.room == *room && it.namespace.as_ref() == wanted)
                .map(|it| it.standing)
        };
        of(Some(namespace)).or_else(|| of(None))
    }
}

fn is_over(standing: Standing, now: WallMs) -> bool {
    matches!(standing, Standing::Member { until: Some(until) } if until <= now)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_record_of_a_namespace_counts_before_that_of_all(changes in prop::collection::vec(change(), 0..40)) {
        let (mut it, mut model) = (Memberships::default(), Model::default());
        for (now, change) in (0..).map(WallMs).zip(&changes) {
            let of_user = model.0.iter().filter(|(of, _)| *of == change.user);
            let mut known: Vec<&Room> = of_user.map(|(_, it)| &it.room).collect();
            known.sort();
            known.dedup();
            let kept = model.0.iter().filter(|(of, it)| {
                *of != change.user || it.room != change.room || !change.is_whole && it.namespace != change.namespace
            });
            let everywhere = model.in_force(&change.user, now);
            let is_everywhere = everywhere.iter().any(|it| {
                it.room == change.room && it.namespace.is_none() && it.standing != Standing::Denied
            });
            let expected = match change.standing {
                None if change.namespace.is_some() && is_everywhere => Err(MembershipFlaw::Everywhere),
                Some(_) if !known.contains(&&change.room) && 2 <= known.len() => Err(MembershipFlaw::UserFull { max: 2 }),
                Some(_) if 5 <= kept.count() => Err(MembershipFlaw::Full { max: 5 }),
                None | Some(_) => Ok(()),
            };
            prop_assert_eq!(it.check(change, LIMITS, now), expected);
            if expected.is_ok() {
                it.apply(change.clone());
                model.apply(change);
            }
            prop_assert_eq!(it.len(), model.0.len());
            for u in 0..3 {
                prop_assert_eq!(it.list(&user(u), now), model.in_force(&user(u), now));
                for n in 1..3 {
                    let namespace = namespace(n).unwrap();
                    let recorded = it.of(&user(u), &namespace, now);
                    for r in 0..4 {
                        let standing = model.standing(&user(u), &room(r), &namespace, now);
                        let is_member = matches!(standing, Some(Standing::Member { .. }));
                        prop_assert_eq!(recorded.members.contains(&room(r)), is_member);
                        prop_assert_eq!(recorded.denied.contains(&room(r)), standing == Some(Standing::Denied));
                    }
                }
            }
            let ended = it.ended(100, now);
            let over = model.0.iter().filter(|(_, it)| is_over(it.standing, now));
            prop_assert_eq!(ended.len(), over.count());
            prop_assert!(ended.iter().all(|one| it.has_ended(one, now)));
            if now.0 % 7 == 0 {
                for one in ended {
                    it.apply(one.clone());
                    model.apply(&one);
                }
                prop_assert!(it.next_end().is_none_or(|end| now < end));
            }
        }
        for u in 0..3 {
            it.erase(&user(u));
        }
        prop_assert!(it.is_empty() && it.next_end().is_none());
    }
}
