//! Every index hint finds the same messages, and a hint is chosen by how many messages match.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::QuerySelect;
use uuid::Uuid;

use crate::db::statements;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::index_hint::IndexHint;
use crate::store::messages::list_query::listed;
use crate::store::messages::message_filter::{Cursor, MessageFilter, Search};
use crate::store::messages::new_message::{NewMessage, set_recipient};

/// Two hundred messages; many share an instant, a text, an account or a state.
async fn filled(folder: &std::path::Path) -> Store {
    let url = format!("sqlite://{}", folder.join("bluetick.db").display());
    let store = Store::open(&Secret::new(url), 12).await.unwrap();
    store.migrate().await.unwrap();
    let start: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut rows = Vec::new();
    for number in 0_u16..200 {
        let created_at = start + TimeDelta::seconds(i64::from(number / 3));
        let new = NewMessage {
            id: MessageId::new(created_at),
            created_at,
            queue: QueueState::Done,
            send_before: None,
            silence_limit: TimeDelta::hours(24),
        };
        let account = ["kaleyra-in", "kaleyra-eu"][usize::from(number % 2)];
        let account = account.parse().unwrap();
        let mut row = new.bare(&account, ProviderId::Kaleyra, Origin::Api);
        set_recipient(&mut row, Some(&format!("9199{number:08}")));
        row.reference = Some(["summer", "summer sale"][usize::from(number % 5 / 4)].to_owned());
        row.client_reference = (number % 7 == 0).then(|| format!("order-{number}"));
        row.state = DeliveryState::ALL[usize::from(number % 10)];
        rows.push(row);
    }
    let rows: Vec<_> = rows.iter().collect();
    statements::insert::<Entity>(store.pools().writer(), &rows, "")
        .await
        .unwrap();
    store
}

#[tokio::test]
async fn every_index_hint_finds_the_same_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let all = MessageFilter::default();
    let typed = |search| MessageFilter {
        search,
        ..all.clone()
    };
    let texts = [
        typed(vec![Search::PhonePrefix("9199".to_owned())]),
        typed(vec![Search::PhoneSuffix("00000123".to_owned())]),
        typed(vec![
            Search::Phone("919900000011".to_owned()),
            Search::ReferencePrefix("summer s".to_owned()),
        ]),
        typed(vec![Search::ReferencePrefix("order-".to_owned())]),
        MessageFilter {
            reference: Some("summer".to_owned()),
            ..all.clone()
        },
    ];
    let index_hints = [
        IndexHint::Search,
        IndexHint::Reference,
        IndexHint::Code,
        IndexHint::Order,
    ];
    let (mut in_two_states, mut pages) = (0, 0);
    for text in texts {
        let of_account = MessageFilter {
            account: Some("kaleyra-eu".parse().unwrap()),
            ..text.clone()
        };
        let of_states = MessageFilter {
            states: vec![DeliveryState::Played, DeliveryState::Cancelled],
            ..of_account.clone()
        };
        for filter in [text, of_account, of_states] {
            let mut after = None;
            loop {
                let find = async |index_hint| -> Vec<(Uuid, i64, DeliveryState)> {
                    let query = listed(&filter, index_hint, after, 7).select_only();
                    let query = query.columns([Column::Id, Column::CreatedAt, Column::State]);
                    let reader = store.pools().reader();
                    query.into_tuple().all(reader).await.unwrap()
                };
                let found = find(index_hints[0]).await;
                for index_hint in index_hints {
                    assert_eq!(found, find(index_hint).await, "{index_hint:?}: {filter:?}");
                }
                pages += usize::from(found.len() == 7);
                let states: BTreeSet<DeliveryState> = found.iter().map(|row| row.2).collect();
                let both = filter.states.len() == 2 && states.len() == 2;
                in_two_states += usize::from(both);
                let Some((id, created_at, _)) = found.last() else {
                    break;
                };
                after = Some(Cursor {
                    at: DateTime::from_timestamp_millis(*created_at).unwrap(),
                    id: (*id).into(),
                });
            }
        }
    }
    assert!(pages > 20, "much was found: {pages}");
    assert!(in_two_states > 5, "states were merged: {in_two_states}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_text_chooses_the_index_unless_too_many_messages_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let of_reference = MessageFilter {
        reference: Some("summer".to_owned()),
        ..MessageFilter::default()
    };
    let searches = [
        (Search::PhonePrefix("9199".to_owned()), 200),
        (Search::PhonePrefix("9198".to_owned()), 0),
        (Search::PhoneSuffix("99".to_owned()), 2),
        (Search::ReferencePrefix("summer".to_owned()), 200),
        (Search::ReferencePrefix("order-".to_owned()), 29),
    ];
    let cases = searches.map(|(search, have)| {
        let filter = MessageFilter {
            search: vec![Search::Id(MessageId::new(DateTime::UNIX_EPOCH)), search],
            ..MessageFilter::default()
        };
        (filter, IndexHint::Search, have)
    });
    let reference = (of_reference.clone(), IndexHint::Reference, 160);
    for (filter, index_hint, have) in cases.into_iter().chain([reference]) {
        let found = async |rare| store.index_hint(&filter, rare).await.unwrap();
        assert_eq!(found(have).await, index_hint, "{filter:?}");
        if let Some(fewer) = have.checked_sub(1) {
            assert_eq!(found(fewer).await, IndexHint::Order, "{filter:?}");
        }
    }
    let both = MessageFilter {
        search: vec![Search::PhonePrefix("9199".to_owned())],
        ..of_reference
    };
    let index_hint = store.index_hint(&both, 170).await.unwrap();
    assert_eq!(
        index_hint,
        IndexHint::Reference,
        "each text is counted separately"
    );
    store.close().await.unwrap();
}
