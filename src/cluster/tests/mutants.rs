//! What happens without one of the guards: each has to be caught, by random schedules or by a directed test.

use super::world::World;
use crate::cluster::Script;
use crate::core::cluster::command::Command;

/// One guard that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Batches are not told apart from their repeats.
    BatchNumber,
    /// A batch of an incarnation that is not known is applied.
    Fence,
    /// A batch of an earlier epoch is applied.
    StaleEpoch,
    /// Coming back does not end the grace.
    GraceCancel,
    /// After an outage users go offline at once.
    Hold,
    /// A node is let go though it has beaten since.
    ReapCompare,
    /// The suspects are forgotten.
    Suspects,
    /// Only batches say what was lost, not the numbers that were seen.
    LargestSeen,
    /// The state that a connection leads to is not compared with what is known.
    NoAttach,
    /// What was cut off the log is not noticed.
    TrimCheck,
    /// An offset from before a marker is as good as any.
    HoleMarker,
    /// An offset of another epoch is as good as any.
    Epoch,
    /// One's own batch is not known when it comes back by the log.
    OwnBack,
    /// A session that is known is not told of after a loss.
    NoHint,
    /// Those who left lately are not told of after a loss.
    NoDeparted,
    /// Who comes back after a loss is not told of, though somebody may have been told otherwise.
    NoDoubt,
    /// Numbers do not follow time.
    NumbersFromZero,
    /// What nodes agree on is not compared.
    Agreement,
    /// Whoever wants to come in need not have seen that nobody moves.
    Witness,
    /// A session that was claimed stays that of who had it.
    Claimant,
    /// What is said of a session by who has it no more counts.
    Owner,
    /// Whoever had a session ends it, though another has it by now.
    OwnEnd,
    /// Whoever knows the name of a session gets it, whoever it is.
    Whose,
    /// What was decided about a session while nobody could tell it is forgotten.
    Verdicts,
}

impl Mutant {
    /// All of them.
    pub(super) const ALL: [Self; 24] = [
        Self::BatchNumber,
        Self::Fence,
        Self::StaleEpoch,
        Self::GraceCancel,
        Self::Hold,
        Self::ReapCompare,
        Self::Suspects,
        Self::LargestSeen,
        Self::NoAttach,
        Self::TrimCheck,
        Self::HoleMarker,
        Self::Epoch,
        Self::OwnBack,
        Self::NoHint,
        Self::NoDeparted,
        Self::NoDoubt,
        Self::NumbersFromZero,
        Self::Agreement,
        Self::Witness,
        Self::Claimant,
        Self::Owner,
        Self::OwnEnd,
        Self::Whose,
        Self::Verdicts,
    ];

    /// A script without the guard.
    pub(super) fn edit(self, script: Script, text: String) -> String {
        let mut edited = text;
        for (of, from, to) in self.edits() {
            // What scripts share is edited in all of them.
            let is_shared = Script::ALL.iter().all(|it| it.text_for(false).contains(from));
            assert!(of.text_for(false).contains(from), "{of:?} has no `{from}`");
            if *of == script || is_shared {
                edited = edited.replace(from, to);
            }
        }
        edited
    }

    /// Which script, what stands in it, and what stands there instead.
    fn edits(self) -> &'static [(Script, &'static str, &'static str)] {
        match self {
            Self::BatchNumber => &[
                (Script::Apply, "if batch == applied and batch > 0 then", "if false then"),
                (Script::Apply, "if batch <= applied then", "if false then"),
                (Script::Apply, "if batch > applied + 1 then", "if false then"),
            ],
            Self::Fence => &[(
                Script::Apply,
                "if not applied then return {'FENCED'} end\napplied = tonumber(applied)",
                "applied = tonumber(applied or tonumber(ARGV[3]) - 1)",
            )],
            Self::StaleEpoch => &[(
                Script::Apply,
                "~= ARGV[4] then return {'EPOCH'} end",
                "== '' then return {'EPOCH'} end",
            )],
            Self::GraceCancel => &[(
                Script::Apply,
                "if redis.call('HDEL', key, 'r', 'c') > 0 then redis.call('ZREM', P .. 'due', user) end",
                "",
            )],
            Self::Hold => &[(Script::Tend, "return {'HOLD', 0, m[3] or '0'}", "hold = 0")],
            Self::ReapCompare => &[(Script::Reap, "applied ~= expected then", "false then")],
            Self::Suspects => &[(Script::Claim, "redis.call('SCARD', P .. 'suspects')", "0")],
            Self::HoleMarker => &[(Script::Claim, "m[2] or '0'", "'0'")],
            Self::Claimant => &[(Script::Claim, "redis.call('HSET', key, 'o', ARGV[4])", "")],
            Self::Owner => &[(
                Script::Apply,
                "if begins ~= '1' and redis.call('HGET', key, 'o') ~= owner then return false end",
                "",
            )],
            Self::OwnEnd => &[(
                Script::Apply,
                "if redis.call('HGET', P .. 's:' .. user, 'o') == ARGV[i + 2] then",
                "if true then",
            )],
            Self::Whose => &[(Script::Claim, "if s[1] == user then", "if s[1] then")],
            Self::NoHint => &[(
                Script::Apply,
                "sessions[#sessions + 1] = up(user, incarnation, ARGV[i + 2], op == 'K', granted)",
                "sessions[#sessions + 1] = up(user, incarnation, '', op == 'K', granted)",
            )],
            Self::NoDeparted => &[(
                Script::Apply,
                "EXISTS', P .. 'u:' .. user) == 0",
                "EXISTS', P .. 'u:' .. user) == 9",
            )],
            Self::NoDoubt => &[(Script::Apply, "if not kept and is_in_doubt(user)", "if false")],
            Self::NumbersFromZero => &[(Script::Apply, "if now > first then first = now end", "")],
            Self::Agreement => {
                &[(Script::Attach, "if agreed and agreed ~= ARGV[i + 1]", "if false")]
            }
            Self::Witness => &[(Script::Attach, "ARGV[9] ~= witness", "ARGV[9] == ''")],
            Self::LargestSeen
            | Self::NoAttach
            | Self::TrimCheck
            | Self::Epoch
            | Self::OwnBack
            | Self::Verdicts => &[],
        }
    }
}

impl World {
    /// A command as the mutant sends it.
    pub(super) fn mutated(&self, mut command: Command) -> Command {
        if let Command::Attach(attach) = &mut command {
            match self.mutant {
                Some(Mutant::LargestSeen) => attach.seen = 0,
                Some(Mutant::NoAttach) => {
                    attach.run = "run".into();
                    attach.known_run = Some("run".into());
                    attach.seen = 0;
                    if let Some((_, acked)) = &mut attach.own {
                        *acked = 0;
                    }
                }
                _ => {}
            }
        }
        command
    }
}
