//! The cases that are explained: one message each, from queued to failed.

use std::time::Duration;

use askama::Template;
use bluetick::domain::attempt_outcome::AttemptOutcome;
use bluetick::domain::audit_action::{Action, ActionKind};
use bluetick::domain::cost::Cost;
use bluetick::domain::delivery::{Delivery, fold};
use bluetick::domain::delivery_state::{QueueState, Stage};
use bluetick::domain::explanation::{
    AccountConditions, AttemptSummary, Correlation, ExplainInput, Explanation, QueueTiming, explain,
};
use bluetick::domain::failure::Failure;
use bluetick::domain::failure_codes;
use bluetick::domain::ids::MessageId;
use bluetick::domain::media::MediaKind;
use bluetick::domain::message::{
    MatchedBy, Message, MessageFailure, Origin, References, SendOptions,
};
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::domain::scope::Visibility;
use bluetick::reporting::message_history::MessageHistory;
use bluetick::web::dashboard::message_page::{MessagePage, MessagePageInput};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn second(offset: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(offset)
}

fn message_id(number: u128) -> MessageId {
    Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + number).into()
}

/// An explanation under construction: a message accepted at noon and explained an hour later.
pub(super) struct ExplainCase {
    pub(super) message: Message,
    receipts: Vec<Receipt>,
    attempts: Vec<AttemptSummary>,
    actions: Vec<Action>,
    account: AccountConditions,
    queue: QueueTiming,
    correlation: Correlation,
    now: DateTime<Utc>,
}

impl ExplainCase {
    fn new(provider: ProviderId, queue: QueueState) -> Self {
        Self {
            message: Message {
                id: message_id(1),
                account: "shop".parse().unwrap(),
                provider,
                origin: Origin::Api,
                sender: None,
                recipient: Some("919970123456".to_owned()),
                name: Some("Asha Rao".to_owned()),
                kind: Some(MediaKind::Video),
                media: None,
                references: References::default(),
                client_reference: None,
                options: SendOptions::default(),
                queue,
                hold: None,
                state: bluetick::domain::delivery_state::DeliveryState::Queued,
                conflict: false,
                due_at: None,
                stages: Default::default(),
                failure: None,
                pricing: Pricing::default(),
                erased_country: None,
                deliveries: 0,
                provider_id: None,
                matched_by: None,
                resend_of: None,
                resent_as: None,
                campaign: None,
                created_at: noon(),
                counted_at: noon(),
                updated_at: noon(),
                template: None,
            },
            receipts: Vec::new(),
            attempts: Vec::new(),
            actions: Vec::new(),
            account: AccountConditions {
                pause: None,
                trip: None,
                mode: Some(AccountMode::Live),
                rate: None,
                report_deadline: Some(Duration::from_hours(24)),
                adopt_after: Some(Duration::from_mins(10)),
            },
            queue: QueueTiming::default(),
            correlation: Correlation::default(),
            now: second(3600),
        }
    }

    /// Submitted and accepted one second after noon.
    pub(super) fn accepted(provider: ProviderId) -> Self {
        let mut case = Self::new(provider, QueueState::Done);
        case.attempt(AttemptOutcome::Accepted, Some(202), None);
        case.receipt(
            SourceKind::Attempt,
            ReceiptEvent::Stage(Stage::Submitted),
            Some(1),
            1,
        );
        case
    }

    fn attempt(&mut self, outcome: AttemptOutcome, http_status: Option<u16>, detail: Option<&str>) {
        self.attempts.push(AttemptSummary {
            at: second(1),
            outcome,
            http_status,
            detail: detail.map(ToOwned::to_owned),
        });
    }

    fn receipt(
        &mut self,
        kind: SourceKind,
        event: ReceiptEvent,
        occurred: Option<i64>,
        received: i64,
    ) {
        self.receipts.push(Receipt {
            source_kind: kind,
            source: Uuid::from_u128(u128::try_from(self.receipts.len()).unwrap()),
            part: 0,
            event,
            occurred_at: occurred.map(second),
            zone_assumed: false,
            received_at: second(received),
            recipient: None,
            pricing: Pricing::default(),
        });
    }

    fn reported(&mut self, stage: Stage, occurred: Option<i64>, received: i64) {
        self.receipt(
            SourceKind::Callback,
            ReceiptEvent::Stage(stage),
            occurred,
            received,
        );
    }

    pub(super) fn failed(&mut self, code: Option<&str>, title: &str, detail: &str, occurred: i64) {
        let failure = Failure {
            code: code.map(ToOwned::to_owned),
            title: Some(title.to_owned()),
            detail: Some(detail.to_owned()),
            key: None,
        };
        self.receipt(
            SourceKind::Callback,
            ReceiptEvent::Failure(failure),
            Some(occurred),
            occurred + 1,
        );
    }

    fn acted(&mut self, kind: ActionKind, detail: Option<&str>) {
        let mut action = Action::new("night shift", kind, second(1800));
        action.detail = detail.map(ToOwned::to_owned);
        self.actions.push(action);
    }

    pub(super) fn explain(&mut self, visibility: Visibility) -> Explanation {
        let delivery = fold(self.message.queue, self.message.queued_at(), &self.receipts);
        self.settle(&delivery);
        explain(&ExplainInput {
            resend_advice: None,
            message: &self.message,
            delivery: &delivery,
            receipts: &self.receipts,
            attempts: &self.attempts,
            actions: &self.actions,
            account: &self.account,
            queue: self.queue,
            correlation: &self.correlation,
            now: self.now,
            visibility,
        })
    }

    /// The message's page as HTML. `DASHBOARD_SAMPLES=folder` also writes it there.
    pub(super) fn page(&mut self, name: &str, explanation: &Explanation) -> String {
        let delivery = fold(self.message.queue, self.message.queued_at(), &self.receipts);
        let history = MessageHistory {
            receipts: self.receipts.clone(),
            attempts: Vec::new(),
            actions: self.actions.clone(),
        };
        let file = MessagePageInput {
            message: &self.message,
            delivery: &delivery,
            explanation,
            ids: &[],
            history: &history,
            callbacks: &[],
            cost: &Cost::NONE,
            warnings: &[],
        };
        let html = MessagePage::new(&file, Visibility::Full, self.now)
            .render()
            .unwrap();
        if let Ok(folder) = std::env::var("DASHBOARD_SAMPLES") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(format!("{folder}/explanation-{name}.html"), &html).unwrap();
        }
        html
    }

    /// Writes the fold's result into the message, as the store does.
    fn settle(&mut self, delivery: &Delivery) {
        self.message.state = delivery.state;
        self.message.conflict = delivery.conflict;
        self.message.failure = delivery.failure.as_ref().map(|failed| MessageFailure {
            failure: failed.failure.clone(),
            class: failure_codes::describe(self.message.provider, &failed.failure).class,
            at: failed.at,
        });
        let last = self
            .receipts
            .iter()
            .map(|receipt| receipt.received_at)
            .max();
        let awaited = ["submitted", "sent"].contains(&delivery.state.as_str());
        self.message.due_at = last.filter(|_| awaited).map(|at| at + TimeDelta::hours(24));
    }
}

fn waiting_cases() -> Vec<(&'static str, ExplainCase)> {
    let mut paused = ExplainCase::new(ProviderId::Kaleyra, QueueState::Queued);
    paused.account.pause = Some((
        "E110: Insufficient balance for +91 99701 23456.".to_owned(),
        second(-600),
    ));
    paused.queue.send_before = Some(second(7200));
    let mut again = ExplainCase::new(ProviderId::Kaleyra, QueueState::Queued);
    again.attempt(
        AttemptOutcome::Postponed,
        Some(500),
        Some("WA500: Internal error"),
    );
    again.message.hold = Some("WA500: Internal error".to_owned());
    again.queue.next_attempt_at = Some(second(3900));
    let mut slow = ExplainCase::new(ProviderId::Sobot, QueueState::Queued);
    slow.account.rate = Some(0.5);
    let mut rehearsal = ExplainCase::new(ProviderId::Sobot, QueueState::Queued);
    rehearsal.message.origin = Origin::DryRun;
    rehearsal.account.mode = Some(AccountMode::DryRun);
    let mut sending = ExplainCase::new(ProviderId::Zixflow, QueueState::Sending);
    sending.attempt(AttemptOutcome::Started, None, None);
    let mut cancelled = ExplainCase::new(ProviderId::Sobot, QueueState::Cancelled);
    cancelled.acted(ActionKind::Cancel, None);
    let mut expired = ExplainCase::new(ProviderId::Kaleyra, QueueState::Done);
    let failure = Failure {
        code: Some(failure_codes::EXPIRED.to_owned()),
        title: Some("it was not submitted in time".to_owned()),
        ..Failure::default()
    };
    expired.receipt(
        SourceKind::Action,
        ReceiptEvent::Failure(failure),
        Some(3000),
        3000,
    );
    expired.queue.send_before = Some(second(2990));
    vec![
        ("waiting_because_the_account_is_paused", paused),
        ("waiting_to_be_tried_again", again),
        ("waiting_for_the_rate", slow),
        ("dry_run", rehearsal),
        ("sending", sending),
        ("cancelled", cancelled),
        ("expired", expired),
    ]
}

fn awaited_cases() -> Vec<(&'static str, ExplainCase)> {
    let mut uncertain = ExplainCase::new(ProviderId::Zixflow, QueueState::Uncertain);
    uncertain.attempt(
        AttemptOutcome::Unclear,
        None,
        Some("the outcome is unknown: timed out after 30s"),
    );
    let mut resent = ExplainCase::new(ProviderId::Zixflow, QueueState::Uncertain);
    resent.attempt(AttemptOutcome::Unclear, Some(502), None);
    resent.message.resent_as = Some(message_id(2));
    let submitted = ExplainCase::accepted(ProviderId::Sobot);
    let mut silent = ExplainCase::accepted(ProviderId::Sobot);
    silent.now = second(90_000);
    let mut sent = ExplainCase::accepted(ProviderId::Kaleyra);
    sent.reported(Stage::Sent, Some(3), 4);
    sent.now = second(100_000);
    vec![
        ("uncertain", uncertain),
        ("uncertain_and_resent", resent),
        ("submitted", submitted),
        ("submitted_and_overdue", silent),
        ("sent_and_overdue", sent),
    ]
}

fn arrived_cases() -> Vec<(&'static str, ExplainCase)> {
    let mut delivered = ExplainCase::accepted(ProviderId::Kaleyra);
    for _ in 0..3 {
        delivered.reported(Stage::Sent, Some(3), 4);
    }
    delivered.reported(Stage::Delivered, Some(9), 10);
    let mut read = ExplainCase::accepted(ProviderId::Kaleyra);
    read.reported(Stage::Read, None, 300);
    let mut played = ExplainCase::accepted(ProviderId::LancePilot);
    played.reported(Stage::Played, Some(60), 61);
    played.message.matched_by = Some(MatchedBy::Recipient);
    let mut odd = ExplainCase::accepted(ProviderId::Sobot);
    odd.reported(Stage::Delivered, Some(-2_000_000_000), 10);
    odd.receipt(
        SourceKind::Callback,
        ReceiptEvent::Other("rerouted".to_owned()),
        None,
        12,
    );
    let mut group = ExplainCase::accepted(ProviderId::Kaleyra);
    group.reported(Stage::Delivered, Some(9), 10);
    group.reported(Stage::Read, Some(30), 31);
    group.message.origin = Origin::Observed;
    group.receipts[1].recipient = Some("919970123456".to_owned());
    group.receipts[2].recipient = Some("919970123457".to_owned());
    let mut other = ExplainCase::accepted(ProviderId::Kaleyra);
    other.failed(Some("131026"), "131026: Message Undeliverable.", "", 9);
    other.reported(Stage::Delivered, Some(9), 10);
    other.receipts[1].recipient = Some("919970123457".to_owned());
    other.receipts[2].recipient = Some("+91 99701 23456".to_owned());
    let mut early = ExplainCase::accepted(ProviderId::Kaleyra);
    early.reported(Stage::Sent, Some(-90_000_000), 4);
    early.reported(Stage::Delivered, Some(30), 31);
    early.reported(Stage::Read, Some(20), 32);
    let mut overtaken = ExplainCase::accepted(ProviderId::Zixflow);
    mark(&mut overtaken);
    overtaken.reported(Stage::Read, Some(2000), 2001);
    let mut conflict = ExplainCase::accepted(ProviderId::Kaleyra);
    conflict.failed(
        Some("131026"),
        "Message undeliverable",
        "919970123456 did not receive it",
        5,
    );
    conflict.reported(Stage::Delivered, Some(9), 10);
    vec![
        ("delivered_and_repeated", delivered),
        ("read_implies_delivered", read),
        ("played_and_matched_by_recipient", played),
        ("implausible_time_and_unknown_word", odd),
        ("group", group),
        ("another_recipient_is_named", other),
        ("inconsistent_times", early),
        ("read_after_being_marked_as_failed", overtaken),
        ("conflict", conflict),
    ]
}

/// Marks the message as failed, as the store does.
fn mark(case: &mut ExplainCase) {
    let failure = Failure {
        title: Some("marked as failed by an operator".to_owned()),
        detail: Some("Asha Rao says nothing came".to_owned()),
        ..Failure::default()
    };
    case.receipt(
        SourceKind::Action,
        ReceiptEvent::Failure(failure),
        Some(1800),
        1800,
    );
    case.acted(ActionKind::MarkFailed, Some("Asha Rao says nothing came"));
    case.actions[0].id = case.receipts.last().unwrap().source.into();
}

fn failed_cases() -> Vec<(&'static str, ExplainCase)> {
    let mut window = ExplainCase::accepted(ProviderId::Sobot);
    window.failed(
        Some("131047"),
        "Re-engagement message",
        "More than 24 hours have passed since Asha Rao (+91 99701 23456) last replied",
        5,
    );
    let mut after_sent = ExplainCase::accepted(ProviderId::Kaleyra);
    after_sent.reported(Stage::Sent, Some(3), 4);
    after_sent.failed(
        Some("131053"),
        "Media upload error",
        "wamid.HBgMOTE5OTcwMTIzNDU2FQIAERgSMTIzNDU2 at https://cdn.example.com/v.mp4: 404",
        8,
    );
    let mut several = ExplainCase::accepted(ProviderId::Kaleyra);
    several.failed(None, "failed", "no reason", 20);
    several.failed(Some("131000"), "Something went wrong", "generic", 6);
    several.failed(
        Some("131026"),
        "Message undeliverable",
        "not on WhatsApp",
        7,
    );
    let mut refused = ExplainCase::new(ProviderId::Kaleyra, QueueState::Done);
    refused.attempt(
        AttemptOutcome::Refused,
        Some(401),
        Some("RBC001: Invalid API key"),
    );
    let failure = Failure {
        code: Some("RBC001".to_owned()),
        title: Some("Invalid API key".to_owned()),
        ..Failure::default()
    };
    refused.receipt(
        SourceKind::Attempt,
        ReceiptEvent::Failure(failure),
        Some(1),
        1,
    );
    refused.account.pause = Some(("RBC001: Invalid API key".to_owned(), second(1)));
    let mut marked = ExplainCase::new(ProviderId::Zixflow, QueueState::Done);
    marked.attempt(AttemptOutcome::Unclear, Some(504), None);
    mark(&mut marked);
    let mut tied = ExplainCase::accepted(ProviderId::Sobot);
    tied.failed(Some("131026"), "Message undeliverable", "", 7);
    tied.failed(
        Some("131053"),
        "Media upload error",
        "(also reported: 131052)",
        7,
    );
    let mut wordless = ExplainCase::accepted(ProviderId::Sobot);
    wordless.failed(None, "", "", 7);
    let mut unreached = ExplainCase::new(ProviderId::Sobot, QueueState::Done);
    let reason = Some("the provider could not be reached: Connection refused");
    unreached.attempt(AttemptOutcome::Postponed, None, reason);
    unreached.attempt(AttemptOutcome::Refused, None, reason);
    let failure = Failure {
        code: Some("unreachable".to_owned()),
        title: Some("the provider could not be reached".to_owned()),
        detail: Some("Connection refused".to_owned()),
        ..Failure::default()
    };
    unreached.receipt(
        SourceKind::Attempt,
        ReceiptEvent::Failure(failure),
        Some(2),
        2,
    );
    let mut unknown = ExplainCase::accepted(ProviderId::LancePilot);
    unknown.failed(Some("LP-77"), "Blocked", "", 5);
    unknown.message.resent_as = Some(message_id(2));
    vec![
        ("failed_window_closed", window),
        ("failed_after_sent", after_sent),
        ("failed_several_times", several),
        ("failed_refused_and_paused", refused),
        ("failed_marked_by_an_operator", marked),
        ("failed_twice_at_one_instant", tied),
        ("failed_without_code_or_text", wordless),
        ("failed_because_nothing_was_reached", unreached),
        ("failed_with_an_unknown_code_and_resent", unknown),
    ]
}

fn correlated_cases() -> Vec<(&'static str, ExplainCase)> {
    let mut observed = ExplainCase::new(ProviderId::Sobot, QueueState::Done);
    observed.message.origin = Origin::Observed;
    observed.reported(Stage::Delivered, Some(2), 3);
    let mut registered = ExplainCase::new(ProviderId::Sobot, QueueState::Done);
    registered.message.origin = Origin::Observed;
    registered.correlation.registered = true;
    registered.reported(Stage::Sent, Some(2), 3);
    let mut strange = ExplainCase::new(ProviderId::Kaleyra, QueueState::Done);
    strange.message.origin = Origin::Observed;
    strange.receipt(
        SourceKind::Callback,
        ReceiptEvent::Other("teleported".to_owned()),
        None,
        3,
    );
    let mut orphan = ExplainCase::new(ProviderId::Kaleyra, QueueState::Done);
    orphan.message.origin = Origin::Orphan;
    orphan.reported(Stage::Delivered, Some(2), 3);
    let mut matched = ExplainCase::accepted(ProviderId::LancePilot);
    matched.reported(Stage::Delivered, Some(9), 10);
    matched.message.matched_by = Some(MatchedBy::Operator);
    matched.message.resend_of = Some(message_id(3));
    matched.acted(ActionKind::Match, Some("with an orphan"));
    matched.correlation.merged = 1;
    let mut contended = ExplainCase::accepted(ProviderId::Kaleyra);
    contended.correlation.conflicting = vec![message_id(4)];
    contended.reported(Stage::Sent, Some(2), 3);
    let mut lost = ExplainCase::accepted(ProviderId::Kaleyra);
    lost.correlation.conflicting = vec![message_id(4)];
    lost.correlation.id_holders = vec![message_id(4)];
    vec![
        ("observed", observed),
        ("registered", registered),
        ("observed_with_unknown_words_only", strange),
        ("orphan", orphan),
        ("matched_by_an_operator_and_merged", matched),
        ("id_conflict", contended),
        ("id_conflict_that_was_lost", lost),
    ]
}

pub(super) fn cases() -> Vec<(&'static str, ExplainCase)> {
    [
        waiting_cases(),
        awaited_cases(),
        arrived_cases(),
        failed_cases(),
        correlated_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
