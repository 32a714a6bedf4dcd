//! How SQLite finds what is asked often: every such query goes by an index made for it, and none sorts what it finds.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    Select, Statement,
};

use crate::domain::delivery::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::secret::Secret;
use crate::store::entities::id_holders;
use crate::store::entities::messages::Entity;
use crate::store::messages::{Cursor, MessageFilter, Search, listed};
use crate::store::orphans::{OrphanFilter, orphans};
use crate::store::{Store, ledger, queue, reports};

/// Indexes whose order is the lists' own, so that walking one ends with the page.
const IN_ORDER: [&str; 5] = [
    "messages_created",
    "messages_account_created",
    "messages_state_created",
    "messages_conflict",
    "messages_orphans",
];

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
    let built = query.limit(51).build(DbBackend::Sqlite);
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
        ("due", queue::due(&account, now()), "messages_waiting"),
        ("expired", queue::expired(now()), "messages_expiring"),
        ("abandoned", queue::abandoned(now()), "messages_leased"),
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
        ("orphans", reports::provisional(), &provisional[..]),
        ("conflicts", reports::conflicts(), &["messages_conflict"]),
        ("overdue", reports::overdue(now()), &["messages_due"]),
        (
            "uncertain",
            reports::uncertain(),
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
        ("conflict", &conflict, "messages_conflict"),
        ("overdue", &overdue, "messages_overdue"),
        ("of today", &of_today, "messages_created"),
    ];
    for (what, filter, index) in cases {
        for after in [None, after] {
            check(&store, what, listed(filter, after), &[index]).await;
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
async fn whatever_is_typed_into_the_search_box_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let references = [
        "messages_reference",
        "messages_reference1",
        "messages_reference2",
        "messages_client_reference",
    ];
    let id = "sqlite_autoindex_messages_1";
    let everything: Vec<&str> = references
        .into_iter()
        .chain([
            id,
            "messages_recipient_created",
            "messages_recipient_reversed",
        ])
        .collect();
    let digits = || "9199701".to_owned();
    let text = || "order-42".to_owned();
    let cases = [
        (vec![Search::Id(MessageId::new(now()))], &[id][..]),
        (vec![Search::ProviderId(text())], &[id]),
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
        (vec![Search::ReferencePrefix(text())], &references),
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
        check(&store, &what, listed(&filter, None), indexes).await;
    }
    let reference = MessageFilter {
        reference: Some(text()),
        ..MessageFilter::default()
    };
    check(&store, "reference", listed(&reference, None), &references).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn who_holds_an_id_is_told_by_the_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let holders = id_holders::Entity::find().filter(id_holders::Column::ProviderId.eq("wamid"));
    let steps = plan(&store, holders).await;
    let covered = "USING COVERING INDEX provider_ids_holder ";
    assert!(
        steps.iter().all(|step| step.contains(covered)),
        "{steps:#?}"
    );
    store.close().await.unwrap();
}
