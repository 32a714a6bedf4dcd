//! SQLite answers each frequent query by an index made for it and does not sort the result.
//!
//! Explains the statements that the store executes on a database with one message per account. Texts
//! in too many messages for a test database are in `src/store/messages/index_choice.rs`.

use std::sync::{Arc, Mutex};

use bluetick::db::Error;
use bluetick::domain::delivery_state::DeliveryState;
use bluetick::domain::failure::FailureClass;
use bluetick::domain::ids::{MessageId, ProviderMessageId};
use bluetick::domain::media::MediaKind;
use bluetick::domain::message::Origin;
use bluetick::domain::phone::PhoneNumber;
use bluetick::domain::secret::Secret;
use bluetick::store::Store;
use bluetick::store::messages::{Cursor, MessageFilter, MessageOrder, Search};
use bluetick::store::orphan_list::OrphanFilter;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;

use crate::harness::app::noon;

/// Indexes in the order of the lists.
const IN_ORDER: [&str; 11] = [
    "messages_sender_created",
    "messages_origin_created",
    "messages_kind_created",
    "messages_campaign",
    "messages_created",
    "messages_account_created",
    "messages_account_state_created",
    "messages_conflict",
    "messages_failure_class",
    "messages_resent",
    "messages_orphans",
];
/// Each has a message.
const ACCOUNTS: [&str; 2] = ["kaleyra-in", "sobot-main"];
/// The primary key.
const BY_ID: &str = "sqlite_autoindex_messages_1";
const REFERENCES: [&str; 4] = [
    "messages_reference",
    "messages_reference1",
    "messages_reference2",
    "messages_client_reference",
];

/// The steps of `EXPLAIN QUERY PLAN`.
type Plan = Vec<String>;

struct ObservedStore {
    store: Store,
    statements: Arc<Mutex<Vec<Statement>>>,
    connection: DatabaseConnection,
    _folder: TempDir,
}

impl ObservedStore {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bluetick.db").display());
        let store = Store::open(&Secret::new(url.clone()), 12).await.unwrap();
        store.migrate().await.unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let executed = Arc::clone(&statements);
        let connection = Database::connect(url).await.unwrap();
        connection.execute_unprepared(&messages()).await.unwrap();
        Self {
            store: store
                .observed_by(move |statement| executed.lock().unwrap().push(statement.clone())),
            statements,
            connection,
            _folder: folder,
        }
    }

    /// The plans of the queries that `call` makes of a table.
    async fn plans<T>(
        &self,
        table: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Vec<Plan> {
        self.statements.lock().unwrap().clear();
        call.await.unwrap();
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        let mut plans = Vec::new();
        for statement in statements {
            if !statement.sql.starts_with("SELECT") {
                continue;
            }
            let plan = self.explain(statement).await;
            if !reads(&plan, table).is_empty() {
                plans.push(plan);
            }
        }
        plans
    }

    /// With the values: whether SQLite can use a partial index depends on them.
    async fn explain(&self, statement: Statement) -> Plan {
        let statement = Statement {
            sql: format!("EXPLAIN QUERY PLAN {}", statement.sql),
            ..statement
        };
        let rows = self.connection.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect()
    }

    /// The plan of a list; earlier queries choose its index.
    async fn list_plan(&self, filter: &MessageFilter, after: Option<Cursor>) -> Plan {
        let list = self.store.list_messages(filter, after, 50);
        self.plans("messages", list).await.pop().unwrap()
    }

    /// Fails unless the list is read by one of `indexes`, with and without a cursor.
    async fn check_list(&self, filter: &MessageFilter, indexes: &[&str]) {
        for after in [None, Some(cursor())] {
            let plan = self.list_plan(filter, after).await;
            check(&format!("{filter:?}"), &plan, indexes);
        }
    }

    async fn close(self) {
        self.connection.close().await.unwrap();
        self.store.close().await.unwrap();
    }
}

/// One message of each account.
fn messages() -> String {
    let values: Vec<String> = (1..)
        .zip(ACCOUNTS)
        .map(|(number, account)| {
            format!(
                "(x'{number:032}', '{account}', 'kaleyra', 'api', 'done', 0, 'sent', 0, 0, 0, 0, 0)"
            )
        })
        .collect();
    format!(
        "INSERT INTO messages (id, account, provider, origin, queue, tries, state, conflict, silence_limit, implied_stages, created_at, updated_at) VALUES {}",
        values.join(", ")
    )
}

fn reads<'a>(plan: &'a [String], table: &str) -> Vec<&'a str> {
    plan.iter()
        .map(String::as_str)
        .filter(|step| step.split(' ').nth(1) == Some(table))
        .collect()
}

/// Fails unless each read of messages is by one of `indexes`, without sorting if the only index has
/// the order of the lists.
fn check(what: &str, plan: &[String], indexes: &[&str]) {
    for step in reads(plan, "messages") {
        let index = step
            .split(" INDEX ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        assert!(
            index.is_some_and(|index| indexes.contains(&index)),
            "{what} is read by {index:?}, not by {indexes:?}: {plan:#?}"
        );
    }
    if let [only] = indexes
        && IN_ORDER.contains(only)
    {
        assert!(
            !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{what} is sorted: {plan:#?}"
        );
    }
}

fn cursor() -> Cursor {
    Cursor {
        at: noon(),
        id: MessageId::new(noon()),
    }
}

fn of_account(filter: &MessageFilter) -> MessageFilter {
    MessageFilter {
        account: Some(ACCOUNTS[0].parse().unwrap()),
        ..filter.clone()
    }
}

fn of_states(filter: &MessageFilter, states: &[DeliveryState]) -> MessageFilter {
    MessageFilter {
        states: states.to_vec(),
        ..filter.clone()
    }
}

fn of_last_week(filter: &MessageFilter) -> MessageFilter {
    MessageFilter {
        created_after: Some(noon() - TimeDelta::days(7)),
        created_before: Some(noon()),
        ..filter.clone()
    }
}

fn searching(search: Vec<Search>) -> MessageFilter {
    MessageFilter {
        search,
        ..MessageFilter::default()
    }
}

#[tokio::test]
async fn the_send_queue_is_read_by_its_own_indexes() {
    let observed = ObservedStore::open().await;
    let store = &observed.store;
    let account = "kaleyra-in".parse().unwrap();
    let due = observed
        .plans("messages", store.list_due(&account, noon(), 50))
        .await;
    let expired = observed
        .plans("messages", store.list_expired(noon(), 50))
        .await;
    let abandoned = observed
        .plans("messages", store.list_abandoned(noon(), 50))
        .await;
    let adoptable = observed
        .plans("messages", store.list_adoptable(noon(), 50))
        .await;
    for (what, plans, index) in [
        (
            "due",
            due,
            &["messages_waiting_alone", "messages_waiting"][..],
        ),
        ("expired", expired, &["messages_expiring"]),
        ("abandoned", abandoned, &["messages_leased"]),
        ("adoptable", adoptable, &["messages_provisional"]),
    ] {
        assert_eq!(plans.len(), index.len(), "{what}");
        for (plan, index) in plans.into_iter().zip(index) {
            let found = reads(&plan, "messages");
            let is_search = |step: &&str| step.starts_with("SEARCH messages");
            assert!(found.iter().all(is_search), "{what}: {plan:#?}");
            assert!(
                !plan.iter().any(|step| step.contains("TEMP B-TREE")),
                "{what}: {plan:#?}"
            );
            check(what, &plan, &[index]);
        }
    }
    observed.close().await;
}

#[tokio::test]
async fn problems_are_counted_by_narrow_indexes() {
    let observed = ObservedStore::open().await;
    let plans = observed
        .plans("messages", observed.store.count_problems(noon()))
        .await;
    let counts = [
        ("orphans", &["messages_orphans", "messages_provisional"][..]),
        ("conflicts", &["messages_conflict"]),
        ("overdue", &["messages_due"]),
        ("uncertain", &["messages_state_updated"]),
    ];
    assert_eq!(plans.len(), counts.len());
    for ((what, indexes), plan) in counts.into_iter().zip(plans) {
        check(what, &plan, indexes);
    }
    observed.close().await;
}

#[tokio::test]
async fn lists_are_read_in_the_order_of_an_index() {
    let observed = ObservedStore::open().await;
    let all = MessageFilter::default();
    let failed = of_states(&all, &[DeliveryState::Failed]);
    let conflict = MessageFilter {
        conflict: Some(true),
        ..all.clone()
    };
    let overdue = MessageFilter {
        overdue_at: Some(noon()),
        ..all.clone()
    };
    let of_today = MessageFilter {
        created_after: Some(noon() - TimeDelta::hours(12)),
        ..all.clone()
    };
    for (filter, index) in [
        (&all, "messages_created"),
        (&of_account(&all), "messages_account_created"),
        (&of_account(&failed), "messages_account_state_created"),
        (&conflict, "messages_conflict"),
        (&overdue, "messages_overdue"),
        (&of_today, "messages_created"),
    ] {
        observed.check_list(filter, &[index]).await;
    }
    // One search of each account, merged.
    let merged = ["messages_account_state_created", BY_ID];
    observed.check_list(&failed, &merged).await;
    for after in [None, Some(cursor())] {
        let filter = OrphanFilter::default();
        let orphans = observed.store.list_orphans(&filter, after, 50);
        let plan = observed.plans("messages", orphans).await.pop().unwrap();
        check("orphans", &plan, &["messages_orphans"]);
    }
    observed.close().await;
}

#[tokio::test]
async fn a_period_is_read_in_order_and_earlier_messages_that_were_attempted_in_it_by_an_index() {
    let observed = ObservedStore::open().await;
    let all = MessageFilter::default();
    let within = |filter: &MessageFilter| MessageFilter {
        counted_after: Some(noon() - TimeDelta::hours(12)),
        counted_before: Some(noon()),
        ..filter.clone()
    };
    let failed = of_states(&all, &[DeliveryState::Failed]);
    let two = of_states(&all, &[DeliveryState::Failed, DeliveryState::Read]);
    let code = MessageFilter {
        code: Some("131026".to_owned()),
        ..failed.clone()
    };
    for (filter, indexes) in [
        (&all, &["messages_created"][..]),
        (&of_account(&all), &["messages_account_created"]),
        (&failed, &["messages_account_state_created"]),
        (&of_account(&two), &["messages_account_state_created"]),
        (&code, &["messages_failure_code"]),
    ] {
        let filter = within(filter);
        let expected = [indexes, &["messages_counted", BY_ID]].concat();
        observed.check_list(&filter, &expected).await;
        let plan = observed.list_plan(&filter, None).await;
        let found = |index: &str, column: &str| {
            let search = format!("SEARCH messages USING INDEX {index} (");
            let mut steps = plan.iter().filter(|step| step.starts_with(&search));
            steps.any(|step| step.contains(column))
        };
        let is_bounded = indexes.iter().any(|index| found(index, "created_at>?"));
        assert!(is_bounded, "{filter:?}: {plan:#?}");
        let deferred = found("messages_counted", "counted_at>?");
        assert!(deferred, "{filter:?}: {plan:#?}");
    }
    // Since an instant, as the links of the overview ask.
    let since = MessageFilter {
        counted_after: Some(noon()),
        ..of_account(&failed)
    };
    let plan = observed.list_plan(&since, None).await;
    let indexes = ["messages_account_state_created", "messages_counted", BY_ID];
    check("since", &plan, &indexes);
    // Until an instant, in list order alone.
    let until = MessageFilter {
        counted_before: Some(noon()),
        ..all
    };
    observed.check_list(&until, &["messages_created"]).await;
    observed.close().await;
}

#[tokio::test]
async fn a_sender_an_origin_and_a_kind_are_found_by_indexes_in_list_order() {
    let observed = ObservedStore::open().await;
    let all = MessageFilter::default();
    let sender = MessageFilter {
        sender: Some("+919000000001".to_owned()),
        ..all.clone()
    };
    let origin = MessageFilter {
        origin: Some(Origin::Observed),
        ..all.clone()
    };
    let kind = MessageFilter {
        kind: Some(MediaKind::Video),
        ..all
    };
    for (filter, index) in [
        (sender, "messages_sender_created"),
        (origin, "messages_origin_created"),
        (kind, "messages_kind_created"),
    ] {
        observed.check_list(&filter, &[index]).await;
        observed.check_list(&of_account(&filter), &[index]).await;
        let failed = of_states(&filter, &[DeliveryState::Failed]);
        observed.check_list(&failed, &[index]).await;
    }
    observed.close().await;
}

#[tokio::test]
async fn lists_by_the_last_change_are_read_in_the_order_of_changes_or_by_a_rare_condition() {
    let observed = ObservedStore::open().await;
    let all = MessageFilter::default();
    let since = MessageFilter {
        created_after: Some(noon() - TimeDelta::hours(12)),
        ..all.clone()
    };
    let failed = of_states(&all, &[DeliveryState::Failed]);
    let [_, (recipient, by_recipient), ..] = rare();
    let failed_of_account = of_account(&failed);
    let (by_change, of_few) = ("messages_state_updated", "messages_account_state_created");
    for (filter, indexes, sorts) in [
        (&all, &[by_change, BY_ID][..], false),
        (&since, &[by_change, BY_ID], false),
        (&failed, &[by_change, BY_ID], false),
        // Few are sorted.
        (&of_account(&all), &[of_few, BY_ID], true),
        (&failed_of_account, &[of_few, BY_ID], true),
        (&of_account(&recipient), &[by_recipient], true),
    ] {
        for after in [None, Some(cursor())] {
            let list = observed
                .store
                .list_messages_by(MessageOrder::Changed, filter, after, 50);
            let plan = observed.plans("messages", list).await.pop().unwrap();
            check(&format!("{filter:?}"), &plan, indexes);
            // What was found is sorted in any case.
            let of_messages = plan.windows(2).any(|steps| {
                steps[0].starts_with("SEARCH messages ") && steps[1].contains("TEMP B-TREE")
            });
            assert_eq!(of_messages, sorts, "{filter:?}: {plan:#?}");
        }
    }
    observed.close().await;
}

#[tokio::test]
async fn of_several_states_each_is_read_in_the_order_of_an_index() {
    let observed = ObservedStore::open().await;
    let any = of_states(
        &MessageFilter::default(),
        &[
            DeliveryState::Read,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Failed,
        ],
    );
    let index = "messages_account_state_created";
    for (filter, after, accounts) in [
        (&any, None, ACCOUNTS.len()),
        (&any, Some(cursor()), ACCOUNTS.len()),
        (&of_account(&any), None, 1),
        (&of_last_week(&any), Some(cursor()), ACCOUNTS.len()),
        (&of_account(&of_last_week(&any)), Some(cursor()), 1),
    ] {
        let plan = observed.list_plan(filter, after).await;
        let search = format!("SEARCH messages USING INDEX {index} ");
        let searches = plan.iter().filter(|step| step.starts_with(&search)).count();
        assert_eq!(
            searches,
            3 * accounts,
            "one per account and state: {plan:#?}"
        );
        let sorted =
            |pair: &[String]| pair[0].starts_with(&search) && pair[1].contains("TEMP B-TREE");
        assert!(!plan.windows(2).any(sorted), "one is sorted: {plan:#?}");
        check("several states", &plan, &[index, BY_ID]);
    }
    observed.close().await;
}

/// Conditions that few messages match, with the index of each.
fn rare() -> [(MessageFilter, &'static str); 11] {
    let all = MessageFilter::default;
    let text = |text: &str| Some(text.to_owned());
    [
        (
            MessageFilter {
                ids: vec![MessageId::new(noon()), MessageId::new(noon())],
                ..all()
            },
            BY_ID,
        ),
        (
            MessageFilter {
                recipient: text("919970123456"),
                ..all()
            },
            "messages_recipient_created",
        ),
        (
            MessageFilter {
                campaign: Some("summer-sale".parse().unwrap()),
                ..all()
            },
            "messages_campaign",
        ),
        (
            searching(vec![Search::PhoneSuffix("123456".to_owned())]),
            "messages_recipient_reversed",
        ),
        (
            searching(vec![Search::PhonePrefix("91997".to_owned())]),
            "messages_recipient_created",
        ),
        (
            MessageFilter {
                provider_id: text("wamid"),
                ..all()
            },
            BY_ID,
        ),
        (
            MessageFilter {
                code: text("131026"),
                ..all()
            },
            "messages_failure_code",
        ),
        (
            MessageFilter {
                class: Some(FailureClass::Policy),
                ..all()
            },
            "messages_failure_class",
        ),
        (
            MessageFilter {
                resent: Some(true),
                ..all()
            },
            "messages_resent",
        ),
        (
            MessageFilter {
                conflict: Some(true),
                ..all()
            },
            "messages_conflict",
        ),
        (
            MessageFilter {
                overdue_at: Some(noon()),
                ..all()
            },
            "messages_overdue",
        ),
    ]
}

#[tokio::test]
async fn a_rare_condition_is_found_by_its_index_whatever_else_is_given() {
    let observed = ObservedStore::open().await;
    for (filter, index) in rare() {
        let of_state = of_states(&filter, &[DeliveryState::Delivered]);
        let of_both = of_account(&of_state);
        let of_two_states = of_states(
            &of_last_week(&of_both),
            &[DeliveryState::Delivered, DeliveryState::Read],
        );
        for filter in [
            &filter,
            &of_state,
            &of_account(&filter),
            &of_both,
            &of_last_week(&of_both),
            &of_two_states,
        ] {
            observed.check_list(filter, &[index]).await;
        }
    }
    observed.close().await;
}

#[tokio::test]
async fn of_several_rare_conditions_the_rarest_chooses_the_index() {
    let observed = ObservedStore::open().await;
    for (filter, index) in rare() {
        if filter.class.is_none() {
            let both = MessageFilter {
                class: Some(FailureClass::Recipient),
                overdue_at: Some(noon()),
                ..filter
            };
            observed.check_list(&both, &[index]).await;
        }
    }
    observed.close().await;
}

#[tokio::test]
async fn any_search_text_is_found_by_an_index() {
    let observed = ObservedStore::open().await;
    let every_index: Vec<&str> = REFERENCES
        .into_iter()
        .chain([
            BY_ID,
            "messages_recipient_created",
            "messages_recipient_reversed",
        ])
        .collect();
    let digits = || "9199701".to_owned();
    let text = || "order-42".to_owned();
    for (search, indexes) in [
        (vec![Search::Id(MessageId::new(noon()))], &[BY_ID][..]),
        (vec![Search::ProviderId(text())], &[BY_ID]),
        (
            vec![Search::Phone(digits())],
            &["messages_recipient_created"],
        ),
        (
            vec![Search::PhonePrefix(digits())],
            &["messages_recipient_created"],
        ),
        (
            vec![Search::PhoneSuffix(digits())],
            &["messages_recipient_reversed"],
        ),
        (vec![Search::ReferencePrefix(text())], &REFERENCES),
        (
            vec![
                Search::Id(MessageId::new(noon())),
                Search::ProviderId(digits()),
                Search::PhonePrefix(digits()),
                Search::PhoneSuffix(digits()),
                Search::ReferencePrefix(digits()),
            ],
            &every_index,
        ),
    ] {
        observed.check_list(&searching(search), indexes).await;
    }
    let reference = MessageFilter {
        reference: Some(text()),
        ..MessageFilter::default()
    };
    observed.check_list(&reference, &REFERENCES).await;
    observed.close().await;
}

#[tokio::test]
async fn the_holder_of_an_id_is_found_in_the_index_alone() {
    let observed = ObservedStore::open().await;
    let id = ProviderMessageId::parse("wamid.HBg").unwrap();
    let holders = async {
        let mut ledger = observed.store.ledger(noon()).await?;
        ledger
            .load_holders(&[("kaleyra-in".parse().unwrap(), id)])
            .await?;
        ledger.roll_back().await;
        Ok(())
    };
    let plans = observed.plans("provider_ids", holders).await;
    assert_eq!(plans.len(), 1);
    for step in reads(&plans[0], "provider_ids") {
        let covered = " USING COVERING INDEX provider_ids_holder ";
        assert!(step.contains(covered), "{:#?}", plans[0]);
    }
    observed.close().await;
}

#[tokio::test]
async fn refusals_because_of_a_closed_window_are_found_in_their_index_alone() {
    let observed = ObservedStore::open().await;
    let customers = ["+5511987654321", "+447700900001"]
        .map(|number| PhoneNumber::parse(number).unwrap())
        .map(|number| ("kaleyra-in".parse().unwrap(), number.digits().to_owned()));
    let events = || observed.store.list_window_events(&customers, noon());
    let plans = observed.plans("messages", events()).await;
    assert_eq!(plans.len(), 1);
    let covered = "USING COVERING INDEX messages_window_refusals \
                   (account=? AND recipient=? AND failed_at>?)";
    for step in reads(&plans[0], "messages") {
        assert!(step.contains(covered), "{:#?}", plans[0]);
    }
    let plans = observed.plans("person_links", events()).await;
    assert_eq!(plans.len(), 1);
    for step in reads(&plans[0], "person_links") {
        assert!(step.contains(" INDEX person_links_by_"), "{step}");
    }
    observed.close().await;
}
