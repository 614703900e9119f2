//! Requests that have a name, over all nodes: one makes it, and what it was answered is remembered for the others.

use super::member::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::answers::{AnswerAsk, AnswerQuestion, AnswerReply};
use crate::entropy;
use crate::tasks::Tasks;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long whoever makes a request waits for Redis, before it begins and after it was made.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is looked whether another node has made a request.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often is tried to say what became of one while Redis is away.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// What is remembered of requests on all nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterAnswers {
    member: ClusterMember,
    bounds: AnswerBounds,
    /// What became of a request is said here, however long that takes.
    tasks: Tasks,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct AnswerBounds {
    /// How long an answer is remembered.
    pub keep: Duration,
    /// Requests that are remembered.
    pub requests_max: usize,
    /// Bytes of answers that are remembered.
    pub bytes_max: usize,
}

/// The turn to make a request, among all nodes. Dropped, it is another's turn.
#[derive(Debug)]
pub struct AnswerTurn {
    answers: ClusterAnswers,
    request: Arc<str>,
    token: Arc<str>,
    is_over: bool,
}

/// What to do with a request.
#[derive(Debug)]
pub enum AnswerBegin {
    /// Make it.
    First(AnswerTurn),
    /// It was made: this is the answer.
    Answered(Bytes),
    /// It asked for something else then.
    Mismatch,
    /// So many are under way that no more can be remembered.
    Full,
}

impl ClusterAnswers {
    /// Those of the cluster of `member`.
    pub fn new(member: ClusterMember, bounds: AnswerBounds, tasks: Tasks) -> Self {
        Self { member, bounds, tasks }
    }

    /// The turn to make a request, or what it was answered, waiting for a node that makes it. The names are digests.
    pub async fn begin(
        &self,
        request: Arc<str>,
        fingerprint: Arc<str>,
    ) -> Result<AnswerBegin, Unattached> {
        let (answers, token) = (self.clone(), entropy::token("r").into());
        // Before the question: given up while that is under way, the turn is given back.
        let mut turn = AnswerTurn { answers, request, token, is_over: false };
        loop {
            let begin = AnswerAsk::Begin {
                fingerprint: Arc::clone(&fingerprint),
                node: self.member.name(),
                requests_max: self.bounds.requests_max,
            };
            let begun = match timeout(PATIENCE, self.ask_when_attached(turn.question(begin))).await
            {
                Ok(reply) => reply?,
                Err(_) => return Err(Unattached),
            };
            turn.is_over = begun != AnswerReply::First;
            match begun {
                AnswerReply::First => return Ok(AnswerBegin::First(turn)),
                AnswerReply::Answered(answer) => return Ok(AnswerBegin::Answered(answer)),
                AnswerReply::Mismatch => return Ok(AnswerBegin::Mismatch),
                AnswerReply::Full => return Ok(AnswerBegin::Full),
                // Ends at the latest when its node is gone.
                AnswerReply::UnderWay | AnswerReply::Heard => tokio::time::sleep(LOOK_EVERY).await,
            }
            turn.is_over = false;
        }
    }

    async fn ask_when_attached(&self, question: AnswerQuestion) -> Result<AnswerReply, Unattached> {
        loop {
            match self.member.answers(question.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(Unattached) => self.attached().await?,
            }
        }
    }

    async fn attached(&self) -> Result<(), Unattached> {
        let mut status = self.member.status();
        // It may take a moment to be known that it is not.
        tokio::time::sleep(Duration::from_millis(20)).await;
        status.wait_for(|it| *it == MemberStatus::Attached).await.map_err(|_| Unattached)?;
        Ok(())
    }

    /// Says what became of a request, however long that takes: until then no other node makes it, as long as this one is there.
    fn tell(&self, question: AnswerQuestion) -> impl Future<Output = ()> + Send + use<> {
        let answers = self.clone();
        let patience = PATIENCE + self.member.confirmation_max();
        let telling = self.tasks.run_to_end("cluster.answers", async move {
            let stopping = answers.tasks.stopping();
            let mut mark = answers.member.mark();
            while answers.member.answers(question.clone()).await.is_err() {
                if stopping.is_cancelled() {
                    return;
                }
                tokio::time::sleep(TELL_EVERY).await;
                mark = answers.member.mark();
            }
            // A turn that is given back need not outlast anything. What was made is answered for in any case.
            if matches!(question.what, AnswerAsk::Finish { .. }) {
                let _kept = answers.member.confirmed(mark).await;
            }
        });
        async move { drop(timeout(patience, telling.result()).await) }
    }
}

impl AnswerTurn {
    fn question(&self, what: AnswerAsk) -> AnswerQuestion {
        let (request, token) = (Arc::clone(&self.request), Arc::clone(&self.token));
        AnswerQuestion { request, token, what }
    }

    /// The request was made: what it was answered is remembered. Waits for that, but not for long: Redis may be away, and the
    /// request is made.
    pub async fn finish(mut self, answer: Bytes) {
        self.is_over = true;
        let AnswerBounds { keep, bytes_max, .. } = self.answers.bounds;
        let finish = AnswerAsk::Finish { answer, keep, bytes_max };
        self.answers.tell(self.question(finish)).await;
    }
}

impl Drop for AnswerTurn {
    fn drop(&mut self) {
        if !self.is_over {
            // It goes on by itself.
            drop(self.answers.tell(self.question(AnswerAsk::Drop)));
        }
    }
}
