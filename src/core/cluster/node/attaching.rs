//! The first words on a connection: is this still the state that the node knows, and may the node come in?

use super::{Command, Lane, LogCursor, NodeEffect, NodeMachine, OpenBatch, Own, ToldId};
use crate::core::cluster::agreement::Strangers;
use crate::core::cluster::command::{Attach, Attached, Standing};
use crate::core::cluster::incarnation::Incarnation;
use crate::types::Timestamp;
use std::sync::Arc;

impl NodeMachine {
    pub(super) fn attach(&mut self, now: Timestamp) -> Option<Command> {
        if !self.strangers.is_due(self.times.observe, now) {
            return None;
        }
        let run = Arc::clone(&self.link.as_ref()?.run);
        self.life += 1;
        let none: Arc<str> = Arc::from("");
        Some(Command::Attach(Attach {
            run,
            known_run: self.known_run.clone(),
            own: self.own.as_ref().map(|own| (own.incarnation.clone(), own.acked)),
            seen: self.seen,
            known_copy: self.own.as_ref().map_or(none, |own| Arc::clone(&own.copy)),
            next: Incarnation::new(&self.name, self.life),
            unmoved: self.strangers.unmoved(self.times.lease, now),
        }))
    }

    pub(super) fn attached(
        &mut self,
        attached: Attached,
        next: &Incarnation,
        now: Timestamp,
    ) -> Vec<NodeEffect> {
        let Attached { standing, epoch, copy, head, common, differs: _ } = attached;
        self.strangers = Strangers::default();
        let Some(link) = self.link.as_mut() else { return Vec::new() };
        link.is_attached = true;
        self.attached += 1;
        self.cursor.confirm();
        // What is under way was asked of the state as it was.
        for lane in [Lane::Read, Lane::Watch] {
            if let Some(busy) = link.busy.get_mut(lane.index()) {
                *busy = None;
            }
        }
        self.known_run = Some(Arc::clone(&link.run));
        let mut effects = Vec::new();
        let is_new_epoch = self.own.as_ref().is_none_or(|own| own.epoch != epoch);
        match (standing, self.own.as_mut()) {
            (Standing::Same, Some(own)) => {
                own.epoch = Arc::clone(&epoch);
                own.copy = copy;
            }
            (Standing::Same | Standing::New | Standing::Lost, _) => {
                if let Some(OpenBatch { sessions, marker, events, .. }) = self.batch.take() {
                    self.sessions.unheard(sessions);
                    effects.extend(self.events.lost(marker, &events));
                }
                let lost_after = (standing == Standing::Lost).then_some(common);
                self.facts.assert_again(lost_after, self.times.remember, now);
                let earlier = self.own.take().map(|own| own.incarnation);
                match &earlier {
                    Some(_) if standing == Standing::Lost => self.cursor.rewind(common),
                    Some(_) => {}
                    None => self.cursor = LogCursor::at(head),
                }
                self.earlier.extend(earlier);
                let incarnation = next.clone();
                self.own = Some(Own { incarnation, epoch: Arc::clone(&epoch), copy, acked: 0 });
                self.last.batch = None;
                self.told = ToldId::default();
            }
        }
        self.seen = self.seen.max(head);
        self.has_rung = true;
        if is_new_epoch {
            effects.push(NodeEffect::NewEpoch { epoch, read_to: self.cursor.read_to() });
        }
        effects
    }
}
