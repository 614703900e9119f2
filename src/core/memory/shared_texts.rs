//! Texts that many have in common, such as the names of browsers: one copy for all who have the same.

use std::collections::HashSet;
use std::sync::Arc;

/// The texts that somebody has, up to a number of them. A further one is nobody else's.
#[derive(Debug)]
pub struct SharedTexts {
    texts: HashSet<Arc<str>>,
    max: usize,
    /// Texts for which there was no room since it was last looked which are still somebody's.
    refused: usize,
}

impl SharedTexts {
    /// Room for `max` texts.
    pub fn new(max: usize) -> Self {
        Self { texts: HashSet::new(), max, refused: 0 }
    }

    /// The text, in one piece with others' where they have the same.
    pub fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.has_room() {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    /// Looks through all of them only when as many have found no room: so it costs each of those one look.
    fn has_room(&mut self) -> bool {
        if self.texts.len() < self.max {
            return true;
        }
        self.refused += 1;
        if self.max <= self.refused {
            self.refused = 0;
            self.texts.retain(|it| 1 < Arc::strong_count(it));
        }
        self.texts.len() < self.max
    }
}

#[cfg(test)]
mod tests {
    use super::SharedTexts;
    use std::sync::Arc;

    #[test]
    fn those_who_have_the_same_share_it() {
        let mut texts = SharedTexts::new(2);

        let (a, again, b) = (texts.share("a"), texts.share("a"), texts.share("b"));

        assert!(Arc::ptr_eq(&a, &again) && !Arc::ptr_eq(&a, &b));
        assert_eq!((&*a, &*b), ("a", "b"));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_those_that_nobody_has_make_room() {
        let mut texts = SharedTexts::new(2);
        let (a, b) = (texts.share("a"), texts.share("b"));

        let (c, alone) = (texts.share("c"), texts.share("c"));
        assert!(!Arc::ptr_eq(&c, &alone), "there was no room");
        assert!(Arc::ptr_eq(&a, &texts.share("a")), "those that somebody has stay");

        drop(b);
        texts.share("d"); // finds no room
        let c = texts.share("c"); // it is looked again
        assert!(Arc::ptr_eq(&c, &texts.share("c")));
        assert_eq!(texts.texts.len(), 2);
    }
}
