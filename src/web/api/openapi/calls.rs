//! What each call is for, in the words of the OpenAPI document.

use utoipa::openapi::Required;

use crate::web::api::action_endpoints::{DecidedResponse, MarkFailedRequest, MatchRequest};
use crate::web::api::explanation_endpoints::ExplanationResponse;
use crate::web::api::observed_message_endpoints::ObservedRequest;
use crate::web::api::openapi::description::Description;
use crate::web::api::problem_list_endpoints::ProblemListResponse;
use crate::web::api::replay_endpoints::{ReplayRequest, ReplayResponse};
use crate::web::api::statistics_endpoints::{StatisticsResponse, SummaryResponse};
use crate::web::api::timeline_endpoints::TimelineResponse;
use crate::web::api::window_endpoints::WindowResponse;
use crate::web::api::wire::{
    AcceptedResponse, AccountResponse, CallbackResponse, MessageResponse, OrphanResponse,
    ProblemsResponse, SendRequest,
};
use crate::web::problem_code::ProblemCode;

/// The filters of messages, for lists and exports.
const FILTERS: [(&str, &str); 18] = [
    ("account", "Account id."),
    ("provider", "sobot, kaleyra, zixflow or lancepilot."),
    ("from", "The business number."),
    (
        "state",
        "One state or several with commas: queued, sending, uncertain, submitted, sent, delivered, read, played, failed, cancelled.",
    ),
    ("kind", "image or video."),
    ("to", "The customer's whole number."),
    (
        "ref",
        "Any of the three references, or the client reference, whole.",
    ),
    ("provider_id", "Any id that the provider uses."),
    ("code", "The failure's code."),
    (
        "class",
        "The failure's class: recipient, media, window, policy, account, rate, provider, expired, unknown.",
    ),
    ("conflict", "true: on the phone and reported as failed."),
    (
        "overdue",
        "true: handed over, and nothing heard within the account's deadline.",
    ),
    ("origin", "api, observed or dry-run."),
    (
        "resent",
        "true: sent again as a new message; false: not. With false, a list of problems equals its count.",
    ),
    ("created_after", "An RFC 3339 instant, inclusive."),
    ("created_before", "An RFC 3339 instant, exclusive."),
    (
        "q",
        "One box: our id, a provider's id, a phone number (whole, its beginning or its last 7 or more digits; whole only without `operate`), the beginning of a reference.",
    ),
    (
        "tz",
        "Zone of the times, such as Asia/Kolkata; default UTC.",
    ),
];

const PAGE: [(&str, &str); 2] = [
    ("limit", "Rows of a page, 1 to 500; default 50."),
    (
        "cursor",
        "`next_cursor` of the page before, with the same filters.",
    ),
];

const PERIOD: [(&str, &str); 4] = [
    (
        "from",
        "An RFC 3339 instant, or a day (2026-11-20) in the zone; inclusive, rounded down to its bucket.",
    ),
    (
        "to",
        "An RFC 3339 instant (exclusive), or a day (inclusive); default now.",
    ),
    (
        "tz",
        "Zone of days and hours, such as Asia/Kolkata; default the configured one.",
    ),
    ("account", "Account id."),
];

const BOM: (&str, &str) = (
    "bom",
    "1: begin with a byte order mark, which Excel needs to see UTF-8.",
);

const MESSAGE: &str = "The message's id, a UUID.";

fn filters() -> &'static [(&'static str, &'static str)] {
    &FILTERS[..17]
}

pub(crate) fn send_message() -> Description {
    Description::new("sendMessage", "Send an image or a video")
        .says(
            "The message is stored before the answer and handed over afterwards. `Prefer: wait=N` waits up to N seconds for that: \
             201 once the provider took it, else 202 with the state so far. A repeated `Idempotency-Key` with the same body gets the first \
             answer again, with `Idempotency-Replayed: true`. With multipart/form-data the file itself is sent (LancePilot).",
        )
        .headers(&[
            (
                "Idempotency-Key",
                "1 to 255 ASCII characters, per account; kept as long as messages are.",
            ),
            ("Prefer", "`wait=N`, at most 30 seconds."),
        ])
        .reads::<SendRequest>(Required::True)
        .or_reads_file::<SendRequest>()
        .answers::<AcceptedResponse>(201, "The provider has it.")
        .answers::<AcceptedResponse>(202, "Accepted; it will be handed over.")
        .refuses(&[ProblemCode::IdempotencyKeyReused])
}

pub(crate) fn list_messages() -> Description {
    Description::new("listMessages", "List messages, newest first")
        .query(filters())
        .query(&PAGE)
        .lists::<MessageResponse>("A page of messages.")
}

pub(crate) fn show_message() -> Description {
    Description::new("showMessage", "One message with all that is known of it")
        .of("id", MESSAGE)
        .answers::<MessageResponse>(200, "The message.")
        .moves()
}

pub(crate) fn show_timeline() -> Description {
    Description::new("showTimeline", "Facts, attempts and decisions by our clock")
        .of("id", MESSAGE)
        .lists::<TimelineResponse>("All lines, oldest first.")
        .moves()
}

pub(crate) fn explain() -> Description {
    Description::new(
        "explainMessage",
        "Why a message's state is what it is, in words",
    )
    .says("As text for `Accept: text/plain`.")
    .of("id", MESSAGE)
    .answers::<ExplanationResponse>(200, "The explanation.")
    .moves()
}

pub(crate) fn cancel() -> Description {
    decision(
        "cancelMessage",
        "Withdraw a message that was not handed over",
    )
}

pub(crate) fn resend() -> Description {
    decision("resendMessage", "Send a message once more, as a new one")
        .says("Once per message; `id` is the new message's.")
}

pub(crate) fn unmatch() -> Description {
    decision(
        "undoMatch",
        "Undo that reports were matched with a message",
    )
    .says("Whether their recipient matched them or a person: every callback that spoke of the message is read again, and its recipient never matches it again. `reports_now_at` names what the reports are told of now.")
}

pub(crate) fn put_message_aside() -> Description {
    decision(
        "putMessageAside",
        "Take contradicting or unmatched reports out of the problems",
    )
    .says("They were seen, and nobody can settle them. As soon as something new is heard they are a problem again.")
}

pub(crate) fn put_callback_aside() -> Description {
    Description::new(
        "putCallbackAside",
        "Take the unreadable parts of a callback out of the problems",
    )
    .of("id", "The callback's id, a UUID.")
    .answers_with(204, None, "Done; audited.")
}

pub(crate) fn mark_failed() -> Description {
    decision(
        "markMessageFailed",
        "Declare that a message will not arrive",
    )
    .reads::<MarkFailedRequest>(Required::False)
}

fn decision(name: &str, summary: &str) -> Description {
    Description::new(name, summary)
        .of("id", MESSAGE)
        .answers::<DecidedResponse>(200, "Done; audited.")
        .moves()
        .refuses(&[ProblemCode::NotPossible])
}

pub(crate) fn register_message() -> Description {
    Description::new(
        "registerMessage",
        "Register a message that was sent by other means",
    )
    .says("Reports that carry its id find it; one known only from such reports is adopted.")
    .reads::<ObservedRequest>(Required::True)
    .answers::<AcceptedResponse>(201, "It is listed from now on.")
    .answers::<AcceptedResponse>(200, "It was known before.")
}

pub(crate) fn replay_callbacks() -> Description {
    Description::new(
        "replayCallbacks",
        "Read callbacks again, or tell what that would change",
    )
    .says(
        "What each callback told is replaced by what it tells now. At least one condition is needed; all that are given must hold. \
         Unverified callbacks are released only by `ids` or by `outcome: unverified`. Audited.",
    )
    .reads::<ReplayRequest>(Required::True)
    .answers::<ReplayResponse>(200, "What changed, or would.")
    .refuses(&[ProblemCode::NotPossible])
}

pub(crate) fn list_callbacks() -> Description {
    Description::new("listCallbacks", "List what providers sent, newest first")
        .query(&[
            ("account", "Account id."),
            (
                "outcome",
                "receipts, inbound, notice, quarantined, unverified or pending.",
            ),
        ])
        .query(&PAGE)
        .lists::<CallbackResponse>("A page of callbacks.")
}

pub(crate) fn show_callback() -> Description {
    Description::new("showCallback", "One callback and what became of it")
        .of("id", "The callback's id, a UUID.")
        .answers::<CallbackResponse>(200, "The callback.")
        .refuses(&[ProblemCode::NoLongerKept])
}

pub(crate) fn raw_callback() -> Description {
    Description::new("showRawCallback", "The body of a callback, byte for byte")
        .of("id", "The callback's id, a UUID.")
        .answers_with(
            200,
            Some("application/octet-stream"),
            "The body as it came; an attachment.",
        )
        .refuses(&[ProblemCode::NoLongerKept])
}

pub(crate) fn list_orphans() -> Description {
    Description::new(
        "listOrphans",
        "List reports that match no message, newest first",
    )
    .query(&[
        ("account", "Account id."),
        ("provider_id", "Any id that the provider uses."),
        ("recipient", "The customer's whole number."),
    ])
    .query(&PAGE)
    .lists::<OrphanResponse>("A page of orphans.")
}

pub(crate) fn match_orphan() -> Description {
    Description::new(
        "matchOrphan",
        "Say which message an orphan's reports are about",
    )
    .of("id", "The orphan's id, a UUID; also after adoption.")
    .reads::<MatchRequest>(Required::True)
    .answers::<DecidedResponse>(200, "The message, with the orphan's reports.")
    .moves()
    .refuses(&[ProblemCode::NotPossible])
}

pub(crate) fn count_problems() -> Description {
    Description::new("countProblems", "Count what needs a person")
        .answers::<ProblemsResponse>(200, "The counts.")
}

pub(crate) fn list_problems() -> Description {
    Description::new(
        "listProblems",
        "List the newest things of one kind that need a person, with why and what next",
    )
    .of("kind", "A name of `/problems`: uncertain, id_conflicts …")
    .query(&PAGE)
    .answers::<ProblemListResponse>(200, "The kind and its things.")
}

pub(crate) fn show_statistics() -> Description {
    Description::new(
        "showStatistics",
        "States, failures and percentiles per account, kind and bucket",
    )
    .says(
        "Messages count in the bucket in which they were created. Messages sent elsewhere (`observed`) and dry runs are columns of their own. \
         Percentiles are of the time from acceptance to a stage, for stages that a report named.",
    )
    .query(&[("bucket", "15m, hour or day; default hour.")])
    .query(&PERIOD)
    .answers::<StatisticsResponse>(200, "Buckets with anything in them, oldest first.")
}

pub(crate) fn list_accounts() -> Description {
    Description::new("listAccounts", "List accounts and how each one stands")
        .lists::<AccountResponse>("All accounts.")
}

pub(crate) fn resume_account() -> Description {
    Description::new("resumeAccount", "Let a paused account send again")
        .of("id", "The account's id.")
        .answers_with(204, None, "Done; audited.")
        .refuses(&[ProblemCode::NotPossible])
}

pub(crate) fn show_window() -> Description {
    Description::new(
        "showWindow",
        "Whether WhatsApp takes a free-form message to a customer now",
    )
    .says("24 hours from the customer's last message; unknown until the account's first inbound message ever.")
    .of("account", "The account's id.")
    .of("phone", "The customer's whole number with its country code.")
    .answers::<WindowResponse>(200, "The window.")
}

pub(crate) fn follow() -> Description {
    Description::new("followMessages", "Follow changes as server-sent events")
        .says("`message` events carry id, account, state and updated_at; `resync` says that some were missed.")
        .answers_with(200, Some("text/event-stream"), "Events until either side stops.")
}

pub(crate) fn export_csv() -> Description {
    Description::new(
        "exportMessagesCsv",
        "The rows that the same filters list, as CSV",
    )
    .query(filters())
    .query(&FILTERS[17..])
    .query(&[BOM])
    .answers_with(200, Some("text/csv"), "A header and one row a message.")
}

pub(crate) fn export_ndjson() -> Description {
    Description::new(
        "exportMessagesNdjson",
        "The rows that the same filters list, as one JSON object a line",
    )
    .query(filters())
    .query(&FILTERS[17..])
    .answers_with(200, Some("application/x-ndjson"), "One object a message.")
}

pub(crate) fn summary_csv() -> Description {
    Description::new(
        "showSummaryCsv",
        "Messages per day, account and kind, as CSV",
    )
    .query(&PERIOD)
    .query(&[BOM])
    .answers_with(
        200,
        Some("text/csv"),
        "A header and one row a day, account and kind; every row states `as_of` and `tz`.",
    )
}

pub(crate) fn summary_json() -> Description {
    Description::new("showSummary", "Messages per day, account and kind")
        .query(&PERIOD)
        .answers::<SummaryResponse>(200, "The rows, and as of when.")
}
