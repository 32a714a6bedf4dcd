//! Reads that many callers need at the same time: one of them reads for all that wait, in the same
//! statements. Without this, the reads of a request cost more than storing its data.
//!
//! A read begins after its callers asked, so each sees what was committed before.
//!
//! The queue is bounded by the number of callers at a time: each waits for its own answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::db::Error;

/// Questions per read.
const GROUP_LIMIT: usize = 256;

#[derive(Debug)]
pub struct GroupedReads<Q, A> {
    waiting: Mutex<Waiting<Q, A>>,
    turn: AsyncMutex<()>,
}

type Answer<A> = Result<A, Error>;

type Waiting<Q, A> = VecDeque<(Q, oneshot::Sender<Answer<A>>)>;

impl<Q, A> Default for GroupedReads<Q, A> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: AsyncMutex::default(),
        }
    }
}

impl<Q: Clone, A> GroupedReads<Q, A> {
    /// `read` answers the questions in their order. The `read` of another caller may answer this
    /// one.
    pub async fn find(
        &self,
        question: Q,
        read: impl AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
    ) -> Answer<A> {
        loop {
            let (reply, mut answer) = oneshot::channel();
            self.lock().push_back((question.clone(), reply));
            let turn = tokio::select! {
                biased;
                answered = &mut answer => Err(answered),
                turn = self.turn.lock() => Ok(turn),
            };
            let answered = match turn {
                Err(answered) => answered.ok(),
                Ok(_turn) => self.answer_until(&mut answer, &read).await,
            };
            // Otherwise the caller that was reading for this one was cancelled: asks again.
            if let Some(answer) = answered {
                return answer;
            }
        }
    }

    /// Reads for all that wait, until this one is answered.
    async fn answer_until(
        &self,
        answer: &mut oneshot::Receiver<Answer<A>>,
        read: &impl AsyncFn(&[Q]) -> Result<Vec<A>, Error>,
    ) -> Option<Answer<A>> {
        loop {
            match answer.try_recv() {
                Ok(answer) => return Some(answer),
                Err(TryRecvError::Closed) => return None,
                Err(TryRecvError::Empty) => self.answer_group(read).await,
            }
        }
    }

    async fn answer_group(&self, read: &impl AsyncFn(&[Q]) -> Result<Vec<A>, Error>) {
        let group: Vec<_> = {
            let mut waiting = self.lock();
            let number = waiting.len().min(GROUP_LIMIT);
            waiting.drain(..number).collect()
        };
        let (questions, replies): (Vec<Q>, Vec<_>) = group.into_iter().unzip();
        let answers: Vec<Answer<A>> = match read(&questions).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            // One question may have caused the error: reads for each of them alone.
            Err(error) if questions.len() > 1 && !error.is_transient() => {
                let mut answers = Vec::with_capacity(questions.len());
                for question in questions.chunks(1) {
                    answers.push(read(question).await.and_then(only_answer));
                }
                answers
            }
            Err(error) => {
                let failed = questions.iter().map(|_| Err(error.shared(OWNER)));
                failed.collect()
            }
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            // The caller may have been cancelled.
            drop(reply.send(answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OWNER: &str = "reader of the database";

fn only_answer<A>(mut answers: Vec<A>) -> Answer<A> {
    answers.pop().ok_or(Error::Stopped(OWNER))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::future::join_all;
    use futures_util::poll;
    use tokio::sync::Notify;

    use super::*;

    type Reads = GroupedReads<u32, u32>;

    /// The questions of each read.
    type Log = Mutex<Vec<Vec<u32>>>;

    async fn double(log: &Log, questions: &[u32]) -> Result<Vec<u32>, Error> {
        log.lock().unwrap().push(questions.to_vec());
        // Meanwhile the other callers ask.
        tokio::task::yield_now().await;
        if questions.contains(&13) {
            return Err(Error::inconsistent("some", "number", 13));
        }
        Ok(questions.iter().map(|number| number * 2).collect())
    }

    #[tokio::test]
    async fn callers_that_ask_during_a_read_share_the_next_one() {
        let (reads, log) = (Reads::default(), Log::default());
        let asked = (20..40)
            .map(|number| reads.find(number, async |group: &[u32]| double(&log, group).await));
        let answers: Vec<u32> = join_all(asked)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            answers,
            (20..40).map(|number| number * 2).collect::<Vec<_>>()
        );
        let log = log.into_inner().unwrap();
        assert_eq!(log, [vec![20], (21..40).collect()]);
    }

    #[tokio::test]
    async fn a_question_that_cannot_be_answered_fails_alone() {
        let (reads, log) = (Reads::default(), Log::default());
        let asked = (10..16)
            .map(|number| reads.find(number, async |group: &[u32]| double(&log, group).await));
        let answers = join_all(asked).await;
        for (number, answer) in (10..).zip(answers) {
            assert_eq!(answer.ok(), (number != 13).then_some(number * 2));
        }
    }

    #[tokio::test]
    async fn questions_are_answered_if_the_caller_that_reads_for_them_is_cancelled() {
        let (reads, log, gate) = (Reads::default(), Log::default(), Notify::new());
        let mut first = Box::pin(reads.find(0, async |group: &[u32]| {
            gate.notified().await;
            double(&log, group).await
        }));
        assert!(poll!(first.as_mut()).is_pending());
        let mut cancelled = Box::pin(reads.find(1, async |_: &[u32]| pending().await));
        let mut last = Box::pin(reads.find(2, async |group: &[u32]| double(&log, group).await));
        assert!(poll!(cancelled.as_mut()).is_pending());
        assert!(poll!(last.as_mut()).is_pending());
        gate.notify_one();
        assert_eq!(first.await.unwrap(), 0);
        // It reads for itself and for the last one.
        assert!(poll!(cancelled.as_mut()).is_pending());
        drop(cancelled);
        assert_eq!(last.await.unwrap(), 4);
        assert_eq!(log.into_inner().unwrap(), [[0], [2]]);
    }
}
