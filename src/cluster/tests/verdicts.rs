//! What is decided about sessions while their clients may be away: who leaves a room, and whose sessions end.

use super::clients::{Audience, Promise, ROOMS};
use super::mutants::Mutant;
use super::parts::{Answer, SimEvent, user_id};
use super::sockets::{Joined, audience, id_of, name, owner, room};
use super::world::World;
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::sessions::SessionOp;
use crate::core::recovery::Verdict;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sentence {
    /// The user's sockets leave this room.
    Leave(usize, usize),
    /// The user's sessions are over.
    End(usize),
}

impl World {
    /// Somebody decides something about the user of a client, at a node.
    pub(super) fn sentence(&mut self, node: usize, client: usize) {
        if !self.takes_clients(node) {
            return;
        }
        let user = self.clients.all[client].user;
        let sentence = if self.random.chance(50) {
            Sentence::Leave(user, self.random.below(ROOMS))
        } else {
            Sentence::End(user)
        };
        self.count("decisions about sessions");
        // A caller of its own, who waits for nothing.
        self.ask(node, 1, (Audience::User(user), Some(sentence)), true);
    }

    /// A decision comes by the log.
    pub(super) fn judge(&mut self, node: usize, number: u64, event: usize) {
        let sentence = self.events[event].sentence.filter(|_| !self.is(Mutant::Verdicts));
        let Some(sentence) = sentence else { return };
        let verdict = match sentence {
            Sentence::Leave(user, left) => {
                Verdict::Leave((*audience(Audience::User(user))).clone(), vec![room(left)])
            }
            Sentence::End(user) => Verdict::EndUser(user_id(user)),
        };
        let now = self.time();
        self.nodes[node].recovery.judge(number, verdict, now);
    }

    /// A node does it to the sockets that it has.
    pub(super) fn carry_out(&mut self, node: usize, sentence: Sentence) {
        let (Sentence::Leave(user, _) | Sentence::End(user)) = sentence;
        let sockets: Vec<u64> = (self.clients.sockets.iter())
            .filter(|(_, it)| it.node == node && self.clients.all[it.client].user == user)
            .map(|(number, _)| *number)
            .collect();
        for number in sockets {
            match sentence {
                Sentence::Leave(_, left) => self.take_out(node, number, left),
                Sentence::End(_) => self.end_session(node, number),
            }
        }
    }

    fn take_out(&mut self, node: usize, number: u64, left: usize) {
        let it = &self.clients.sockets[&number];
        let (pid, left) = (it.pid.clone(), room(left));
        {
            let mut member = it.socket.member.borrow_mut();
            if !member.rooms.contains(&left) {
                return;
            }
            member.rooms.retain(|it| *it != left);
            member.moves.left.insert(left);
        }
        self.keep(node, &pid, false, false);
    }

    fn end_session(&mut self, node: usize, number: u64) {
        let Some(Joined { pid, client, .. }) = self.clients.sockets.remove(&number) else { return };
        let (id, of_node) = (id_of(number), &mut self.nodes[node]);
        if of_node.recovery.hand_over(&pid, id).is_some() {
            of_node.machine.keep(name(&pid), SessionOp::End { owner: owner(node, id) });
            of_node.void.remove(&pid);
        }
        let user = self.clients.all[client].user;
        self.tell_end(node, user, number);
        self.down(node, user);
        if self.clients.all[client].at == Some((node, number)) {
            self.drop_client(client);
        }
    }

    /// Whether the session of a client was ended behind this place of the log, as it stood when Redis was asked for it. The node that
    /// had it may have been asked for that before it let the client in; so only what others were asked for is sure to be about it.
    pub(super) fn is_ended(
        &self,
        (client, node): (usize, usize),
        (epoch, after): (&Epoch, u64),
        asked: u64,
    ) -> bool {
        let it = &self.clients.all[client];
        let (end, began) = (Some(Sentence::End(it.user)), it.breaks.last().map_or(0, |it| it.at));
        let is_about = |it: &SimEvent| {
            it.sentence == end && it.node != node && began <= it.at && it.logged <= asked
        };
        let is_behind = |it: &SimEvent| {
            it.place.as_ref().is_some_and(|(of, number)| **of == **epoch && after < *number)
        };
        self.events.iter().any(|it| is_about(it) && is_behind(it))
    }

    /// Whether a client may have been taken out of the room of an event in the session that it was promised to have all of.
    pub(super) fn may_be_out(&self, client: usize, of: Audience, promise: &Promise) -> bool {
        let is_before = |it: &SimEvent| {
            let place = it.place.as_ref();
            place.is_some_and(|(epoch, at)| *epoch == promise.epoch && *at <= promise.from)
        };
        self.leaves(client, of).any(|it| !is_before(it))
    }

    fn leaves(&self, client: usize, of: Audience) -> impl Iterator<Item = &SimEvent> {
        let user = self.clients.all[client].user;
        let leave =
            if let Audience::Room(room) = of { Some(Sentence::Leave(user, room)) } else { None };
        self.events.iter().filter(move |it| leave.is_some() && it.sentence == leave)
    }

    /// Nobody gets an event of a room that was behind the decision to take it out of it, in the session that this was about.
    pub(super) fn unheeded_verdicts(&self, number: usize) -> Vec<String> {
        let (client, mut bad) = (&self.clients.all[number], Vec::new());
        if self.has_lost {
            return bad;
        }
        for (place, event) in client.got.iter().enumerate() {
            let session = client.breaks.iter().rfind(|it| it.had <= place);
            let (Some(session), Some((epoch, at))) = (session, &self.events[*event].place) else {
                continue;
            };
            // Where it was decided before the client came in, nobody was to go: so it is at a node that decides while it lets
            // the client in.
            let entry = client.entries.iter().rfind(|it| it.0 <= place);
            let is_before =
                |it: &SimEvent| entry.is_some_and(|entry| entry.1 == it.node && it.at < entry.2);
            // Handed out before its node could know what stands before it in the log.
            let it = &self.events[*event];
            if matches!(it.answer, Answer::Degraded)
                && entry.is_some_and(|entry| entry.1 == it.node)
            {
                continue;
            }
            let is_about = |it: &SimEvent| session.at <= it.at && !is_before(it);
            let is_unheeded = |it: &SimEvent| {
                let place = it.place.as_ref().filter(|it| it.0 == *epoch && it.0 == session.epoch);
                let is_between = |left: u64| session.from < left && left < *at;
                is_about(it) && place.is_some_and(|(_, left)| is_between(*left))
            };
            if self.leaves(number, self.events[*event].audience).any(is_unheeded) {
                bad.push(format!(
                    "event {event} of a room that client {number} had left: {session:?}"
                ));
            }
        }
        bad
    }
}
