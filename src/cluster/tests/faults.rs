//! How connections, nodes and Redis end.

use super::parts::{Answer, SimNode, new_node};
use super::world::World;

impl World {
    /// The connection of a node ends; what is in it may be lost, or be run later.
    pub(super) fn disconnect(&mut self, node: usize) {
        let Some(wire) = self.open_wire(node) else { return };
        let keep = self.random.chance(60);
        let wire = &mut self.wires[wire];
        wire.is_open = false;
        wire.replies.clear();
        if !keep {
            wire.requests.clear();
        }
        self.nodes[node].machine.disconnected();
        self.forget_questions(node);
        self.count("connections lost");
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.end(node);
        self.count("nodes killed");
        self.tell(|| format!("n{node} killed"));
    }

    /// A node has left.
    pub(super) fn stop(&mut self, node: usize) {
        self.end(node);
        self.count("nodes that have left");
        self.tell(|| format!("n{node} has left"));
    }

    fn end(&mut self, node: usize) {
        self.disconnect(node);
        self.clients.drop_all_of(node, self.now);
        let boot = self.nodes[node].boot + 1;
        for event in self.events.iter_mut().filter(|it| it.node == node) {
            match event.answer {
                Answer::Pending => event.answer = Answer::Unknown,
                // Nobody will mark it.
                Answer::Degraded if event.marked.is_none() => event.marked = Some(u64::MAX),
                Answer::Degraded | Answer::Taken | Answer::Unknown => {}
            }
        }
        self.clients.node_died(node, &self.events);
        let window = self.place.window;
        self.nodes[node] = SimNode { is_up: false, ..new_node(node, boot, window) };
    }

    /// Redis starts again: with what it had, or with what it had some time ago.
    pub(super) fn restart(&mut self, from_snapshot: bool) {
        self.run += 1;
        for node in 0..self.nodes.len() {
            self.disconnect(node);
        }
        self.wires.clear();
        self.count("restarts of Redis");
        self.tell(|| {
            format!("restart, {from_snapshot} {:?}", self.snapshot.as_ref().map(|it| it.1))
        });
        if from_snapshot && let Some((snapshot, at)) = self.snapshot.take() {
            self.redis.restore(&snapshot);
            self.has_lost |= at < self.now;
            self.count("rollbacks");
        }
    }
}
