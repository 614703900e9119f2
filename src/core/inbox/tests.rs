use super::{Inbox, Keep, Reach, ReadMark, Taken};
use crate::types::{ItemSeq, WallMs};

#[test]
fn items_are_numbered_from_one_and_unread() {
    let mut inbox = Inbox::default();
    assert_eq!(inbox.add(WallMs(50)), ItemSeq(1));
    inbox.settle(Some(ItemSeq(1)));
    assert_eq!(inbox.add(WallMs(40)), ItemSeq(2));
    inbox.settle(Some(ItemSeq(1)));

    assert_eq!((inbox.state.unread, inbox.count, inbox.state.revision), (2, 2, 2));
    assert_eq!((inbox.state.read_upto, inbox.state.min_seq), (ItemSeq(0), ItemSeq(1)));
    assert!(!inbox.may_expire(WallMs(39)) && inbox.may_expire(WallMs(40)));
}

#[test]
fn read_upto_is_where_the_first_unread_item_begins_and_never_goes_back() {
    let mut inbox = Inbox::default();
    for _ in 0..3 {
        inbox.add(WallMs(1));
    }
    inbox.settle(Some(ItemSeq(1)));
    inbox.read(1);
    inbox.settle(Some(ItemSeq(2)));
    assert_eq!((inbox.state.read_upto, inbox.state.unread), (ItemSeq(1), 2));

    inbox.remove(ReadMark::Unread);
    inbox.read(1);
    inbox.settle(None);
    assert_eq!((inbox.state.read_upto, inbox.state.unread), (ItemSeq(3), 0));

    inbox.settle(Some(ItemSeq(1)));
    assert_eq!(inbox.state.read_upto, ItemSeq(3));
}

#[test]
fn only_what_nobody_took_out_raises_min_seq() {
    let mut inbox = Inbox::default();
    for _ in 0..4 {
        inbox.add(WallMs(1));
    }
    inbox.remove(ReadMark::Read);
    assert_eq!((inbox.state.min_seq, inbox.excess(2)), (ItemSeq(1), 1));
    inbox.drop_item(ItemSeq(2), ReadMark::Unread);
    assert_eq!((inbox.state.min_seq, inbox.excess(2), inbox.state.unread), (ItemSeq(3), 0, 3));
}

#[test]
fn what_is_stored_if_offline_is_what_no_connection_took() {
    let table = [
        (Keep::Never, [false, false], [false, false, false, false]),
        (Keep::IfOffline, [false, true], [false, true, false, true]),
        (Keep::Always, [true, true], [false, false, false, false]),
    ];
    for (keep, before, after) in table {
        let got = [keep.before_emit(Reach::Here), keep.before_emit(Reach::Away)];
        assert_eq!(got, before, "{keep:?}");
        let got = [
            keep.after_emit(Taken::Taken, Reach::Here),
            keep.after_emit(Taken::Refused, Reach::Here),
            keep.after_emit(Taken::NotMeant, Reach::Here),
            keep.after_emit(Taken::NotMeant, Reach::Away),
        ];
        assert_eq!(got, after, "{keep:?}");
    }
}
