//! How SQLite finds what is asked often: every such query goes by an index made for it, and none sorts what it finds.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    Select, Statement,
};

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::MessageId;
use crate::domain::secret::Secret;
use crate::store::entities::id_holder_row;
use crate::store::entities::message_row::Entity;
use crate::store::messages::{
    Common, Cursor, IndexHint, MessageFilter, RARE, Search, beyond_reference, beyond_search, listed,
};
use crate::store::orphan_list::{OrphanFilter, orphans};
use crate::store::{Store, ledger, page_counts, send_queue};

/// Indexes whose order is the lists' own, so that walking one ends with the page.
const IN_ORDER: [&str; 8] = [
    "messages_created",
    "messages_account_created",
    "messages_account_state_created",
    "messages_state_created",
    "messages_conflict",
    "messages_failure_class",
    "messages_resent",
    "messages_orphans",
];
/// The index of the messages' own ids.
const BY_ID: &str = "sqlite_autoindex_messages_1";
/// Those of the texts that callers gave a message.
const REFERENCES: [&str; 4] = [
    "messages_reference",
    "messages_reference1",
    "messages_reference2",
    "messages_client_reference",
];
/// How many rows a page asks for.
const LIMIT: u64 = 51;

/// Texts that very many messages have.
const COMMON: Common = Common {
    search: true,
    reference: true,
};

fn index_hint(filter: &MessageFilter) -> IndexHint {
    IndexHint::of(filter, Common::default())
}

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

async fn store(folder: &std::path::Path) -> Store {
    let url = format!("sqlite://{}", folder.join("bluetick.db").display());
    let store = Store::open(&Secret::new(url)).await.unwrap();
    store.migrate().await.unwrap();
    store
}

async fn plan(store: &Store, query: Select<impl EntityTrait>) -> Vec<String> {
    let built = query.limit(LIMIT).build(DbBackend::Sqlite);
    let statement = Statement {
        sql: format!("EXPLAIN QUERY PLAN {}", built.sql),
        ..built
    };
    let rows = store.pools().reader().query_all_raw(statement).await;
    rows.unwrap()
        .iter()
        .map(|row| row.try_get("", "detail").unwrap())
        .collect()
}

/// Fails unless each step that reads messages goes by one of `indexes`, and the result comes in order where one of them gives it.
async fn check(store: &Store, what: &str, query: Select<Entity>, indexes: &[&str]) {
    let steps = plan(store, query).await;
    let reads: Vec<&String> = steps
        .iter()
        .filter(|step| step.contains(" messages"))
        .collect();
    assert!(!reads.is_empty(), "{what}: {steps:#?}");
    for step in reads {
        let by = step
            .split(" INDEX ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        assert!(
            by.is_some_and(|index| indexes.contains(&index)),
            "{what} goes by {by:?}, not by {indexes:?}: {steps:#?}"
        );
    }
    if let [only] = indexes
        && IN_ORDER.contains(only)
    {
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{what} sorts: {steps:#?}"
        );
    }
}

#[tokio::test]
async fn the_queue_is_read_by_its_own_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let account = "kaleyra-in".parse().unwrap();
    let cases = [
        ("due", send_queue::due(&account, now()), "messages_waiting"),
        ("expired", send_queue::expired(now()), "messages_expiring"),
        ("abandoned", send_queue::abandoned(now()), "messages_leased"),
        (
            "adoptable",
            ledger::adoptable(now()),
            "messages_provisional",
        ),
    ];
    for (what, query, index) in cases {
        let steps = plan(&store, query.clone()).await;
        assert!(
            steps.iter().all(|step| step.starts_with("SEARCH messages")),
            "{what}: {steps:#?}"
        );
        check(&store, what, query, &[index]).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn problems_are_counted_by_narrow_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let provisional = ["messages_orphans", "messages_provisional"];
    let cases = [
        ("orphans", page_counts::provisional(), &provisional[..]),
        (
            "conflicts",
            page_counts::conflicts(),
            &["messages_conflict"],
        ),
        ("overdue", page_counts::overdue(now()), &["messages_due"]),
        (
            "uncertain",
            page_counts::uncertain(),
            &["messages_state_created"],
        ),
    ];
    for (what, query, indexes) in cases {
        check(&store, what, query, indexes).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn lists_walk_an_index_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let after = Some(Cursor {
        created_at: now(),
        id: MessageId::new(now()),
    });
    let all = MessageFilter::default();
    let of_account = MessageFilter {
        account: Some("kaleyra-in".parse().unwrap()),
        ..all.clone()
    };
    let failed = MessageFilter {
        states: vec![DeliveryState::Failed],
        ..all.clone()
    };
    let failed_of_account = MessageFilter {
        states: vec![DeliveryState::Failed],
        ..of_account.clone()
    };
    let conflict = MessageFilter {
        conflict: Some(true),
        ..all.clone()
    };
    let overdue = MessageFilter {
        overdue_at: Some(now()),
        ..all.clone()
    };
    let of_today = MessageFilter {
        created_after: Some(now() - TimeDelta::hours(12)),
        ..all.clone()
    };
    let cases = [
        ("all", &all, "messages_created"),
        ("of an account", &of_account, "messages_account_created"),
        ("failed", &failed, "messages_state_created"),
        (
            "failed of an account",
            &failed_of_account,
            "messages_account_state_created",
        ),
        ("conflict", &conflict, "messages_conflict"),
        ("overdue", &overdue, "messages_overdue"),
        ("of today", &of_today, "messages_created"),
    ];
    for (what, filter, index) in cases {
        for after in [None, after] {
            check(
                &store,
                what,
                listed(filter, index_hint(filter), after, LIMIT),
                &[index],
            )
            .await;
        }
    }
    let unmatched = OrphanFilter::default();
    for after in [None, after] {
        let query = orphans(&unmatched, after);
        check(&store, "orphans", query, &["messages_orphans"]).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn of_several_states_each_is_walked_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let any = MessageFilter {
        states: vec![
            DeliveryState::Read,
            DeliveryState::Delivered,
            DeliveryState::Read,
            DeliveryState::Failed,
        ],
        ..MessageFilter::default()
    };
    let of_account = MessageFilter {
        account: Some("kaleyra-in".parse().unwrap()),
        ..any.clone()
    };
    let of_a_week = MessageFilter {
        created_after: Some(now() - TimeDelta::days(7)),
        created_before: Some(now()),
        ..any.clone()
    };
    let after = Some(Cursor {
        created_at: now(),
        id: MessageId::new(now()),
    });
    let cases = [
        (&any, None, "messages_state_created"),
        (&any, after, "messages_state_created"),
        (&of_account, None, "messages_account_state_created"),
        (&of_a_week, after, "messages_state_created"),
    ];
    for (filter, after, index) in cases {
        let query = listed(filter, index_hint(filter), after, LIMIT);
        let steps = plan(&store, query.clone()).await;
        let walk = format!("SEARCH messages USING INDEX {index} ");
        let after_walks: Vec<&String> = steps
            .windows(2)
            .filter(|pair| pair[0].starts_with(&walk))
            .map(|pair| &pair[1])
            .collect();
        assert_eq!(after_walks.len(), 3, "one for each state: {steps:#?}");
        let in_order = |step: &&String| step.starts_with("SCAN");
        assert!(after_walks.iter().all(in_order), "none sorts: {steps:#?}");
        check(&store, "several states", query, &[index, BY_ID]).await;
    }
    store.close().await.unwrap();
}

/// What few messages have, and the index that tells which.
fn rare() -> [(MessageFilter, &'static str); 9] {
    let all = MessageFilter::default;
    let typed = |search| MessageFilter {
        search: vec![search],
        ..all()
    };
    let text = |text: &str| Some(text.to_owned());
    [
        (
            MessageFilter {
                recipient: text("919970123456"),
                ..all()
            },
            "messages_recipient_created",
        ),
        (
            typed(Search::PhoneSuffix("123456".to_owned())),
            "messages_recipient_reversed",
        ),
        (
            typed(Search::PhonePrefix("91997".to_owned())),
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
                overdue_at: Some(now()),
                ..all()
            },
            "messages_overdue",
        ),
    ]
}

#[tokio::test]
async fn what_few_messages_have_is_found_by_its_index_whatever_else_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let after = Some(Cursor {
        created_at: now(),
        id: MessageId::new(now()),
    });
    for (filter, index) in rare() {
        let of_state = MessageFilter {
            states: vec![DeliveryState::Delivered],
            ..filter.clone()
        };
        let of_account = MessageFilter {
            account: Some("kaleyra-in".parse().unwrap()),
            ..filter.clone()
        };
        let of_both = MessageFilter {
            account: of_account.account.clone(),
            ..of_state.clone()
        };
        let of_a_week = MessageFilter {
            created_after: Some(now() - TimeDelta::days(7)),
            created_before: Some(now()),
            ..of_both.clone()
        };
        let of_two_states = MessageFilter {
            states: vec![DeliveryState::Delivered, DeliveryState::Read],
            ..of_a_week.clone()
        };
        for filter in [
            filter,
            of_state,
            of_account,
            of_both,
            of_a_week,
            of_two_states,
        ] {
            for after in [None, after] {
                let query = listed(&filter, index_hint(&filter), after, LIMIT);
                check(&store, &format!("{filter:?}"), query, &[index]).await;
            }
        }
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn of_several_rare_things_the_rarest_leads() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let class = |filter| MessageFilter {
        class: Some(FailureClass::Recipient),
        overdue_at: Some(now()),
        ..filter
    };
    for (filter, index) in rare() {
        if filter.class.is_none() {
            let both = class(filter);
            let query = listed(&both, index_hint(&both), None, LIMIT);
            check(&store, &format!("{both:?}"), query, &[index]).await;
        }
    }
    let both = MessageFilter {
        reference: Some("order-42".to_owned()),
        search: vec![Search::PhonePrefix("919".to_owned())],
        ..MessageFilter::default()
    };
    let common = Common {
        search: true,
        reference: false,
    };
    let query = listed(&both, IndexHint::of(&both, common), None, LIMIT);
    check(&store, "a common search", query, &REFERENCES).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_very_many_messages_have_is_met_on_the_way_through_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let search = MessageFilter {
        search: vec![
            Search::ProviderId("919".to_owned()),
            Search::PhonePrefix("919".to_owned()),
            Search::ReferencePrefix("919".to_owned()),
        ],
        ..MessageFilter::default()
    };
    let reference = MessageFilter {
        reference: Some("summer".to_owned()),
        ..MessageFilter::default()
    };
    let after = Some(Cursor {
        created_at: now(),
        id: MessageId::new(now()),
    });
    for filter in [search, reference] {
        let of_account = MessageFilter {
            account: Some("kaleyra-in".parse().unwrap()),
            ..filter.clone()
        };
        let of_state = MessageFilter {
            states: vec![DeliveryState::Failed],
            ..of_account.clone()
        };
        for (filter, index) in [
            (&filter, "messages_created"),
            (&of_account, "messages_account_created"),
            (&of_state, "messages_account_state_created"),
        ] {
            for after in [None, after] {
                let query = listed(filter, IndexHint::of(filter, COMMON), after, LIMIT);
                check(&store, "common", query, &[index]).await;
            }
        }
        for query in beyond_search(&filter, RARE).chain(beyond_reference(&filter, RARE)) {
            let steps = plan(&store, query).await;
            let covered = |step: &String| step.contains(" USING COVERING INDEX ");
            assert!(steps.iter().all(covered), "how many: {steps:#?}");
        }
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn whatever_is_typed_into_the_search_box_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let everything: Vec<&str> = REFERENCES
        .into_iter()
        .chain([
            BY_ID,
            "messages_recipient_created",
            "messages_recipient_reversed",
        ])
        .collect();
    let digits = || "9199701".to_owned();
    let text = || "order-42".to_owned();
    let cases = [
        (vec![Search::Id(MessageId::new(now()))], &[BY_ID][..]),
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
                Search::Id(MessageId::new(now())),
                Search::ProviderId(digits()),
                Search::PhonePrefix(digits()),
                Search::PhoneSuffix(digits()),
                Search::ReferencePrefix(digits()),
            ],
            &everything,
        ),
    ];
    for (search, indexes) in cases {
        let what = format!("{search:?}");
        let filter = MessageFilter {
            search,
            ..MessageFilter::default()
        };
        check(
            &store,
            &what,
            listed(&filter, index_hint(&filter), None, LIMIT),
            indexes,
        )
        .await;
    }
    let reference = MessageFilter {
        reference: Some(text()),
        ..MessageFilter::default()
    };
    check(
        &store,
        "reference",
        listed(&reference, index_hint(&reference), None, LIMIT),
        &REFERENCES,
    )
    .await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn who_holds_an_id_is_told_by_the_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let holders =
        id_holder_row::Entity::find().filter(id_holder_row::Column::ProviderId.eq("wamid"));
    let steps = plan(&store, holders).await;
    let covered = "USING COVERING INDEX provider_ids_holder ";
    assert!(
        steps.iter().all(|step| step.contains(covered)),
        "{steps:#?}"
    );
    store.close().await.unwrap();
}
