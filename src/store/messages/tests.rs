//! Every index hint finds the same messages, and a hint is chosen by how many messages match.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DbBackend, QuerySelect};
use uuid::Uuid;

use crate::db::statements;
use crate::domain::account_limit::AccountLimit;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::index_hint::{ChangeOrderPlan, CreationOrderPlan, IndexHint};
use crate::store::messages::list_query::{listed, listed_by_change};
use crate::store::messages::message_filter::{Cursor, MessageFilter, Search};
use crate::store::messages::new_message::{NewMessage, set_recipient};

/// A store with two hundred messages; many share an instant, a text, an account or a state.
async fn filled_store(folder: &std::path::Path) -> Store {
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
        let origin = if number % 11 == 0 {
            Origin::Observed
        } else {
            Origin::Api
        };
        let mut row = new.bare(&account, ProviderId::Kaleyra, origin);
        row.sender = (number % 13 != 0).then(|| format!("+91900000000{}", number % 3));
        row.kind = Some(MediaKind::ALL[usize::from(number % 2)]);
        let changed_at = created_at + TimeDelta::seconds(i64::from(number * 37 % 100));
        row.updated_at = changed_at.timestamp_millis();
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

fn plan(index_hint: IndexHint) -> CreationOrderPlan {
    CreationOrderPlan::of(index_hint, DbBackend::Sqlite)
}

#[tokio::test]
async fn every_plan_finds_the_same_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled_store(folder.path()).await;
    let all = MessageFilter::default();
    let searching = |search| MessageFilter {
        search,
        ..all.clone()
    };
    let texts = [
        searching(vec![Search::PhonePrefix("9199".to_owned())]),
        searching(vec![Search::PhoneSuffix("00000123".to_owned())]),
        searching(vec![
            Search::Phone("919900000011".to_owned()),
            Search::ReferencePrefix("summer s".to_owned()),
        ]),
        searching(vec![Search::ReferencePrefix("order-".to_owned())]),
        MessageFilter {
            reference: Some("summer".to_owned()),
            ..all.clone()
        },
    ];
    let accounts = store.list_accounts_with_messages().await.unwrap();
    assert!(accounts.len() > 1, "{accounts:?}");
    let by_account = CreationOrderPlan {
        accounts,
        ..plan(IndexHint::Order)
    };
    let plans = [
        plan(IndexHint::Search),
        plan(IndexHint::Reference),
        plan(IndexHint::Code),
        plan(IndexHint::Order),
        by_account,
    ];
    let (mut in_two_states, mut in_two_accounts, mut pages) = (0, 0, 0);
    for text in texts {
        let of_account = MessageFilter {
            account: Some("kaleyra-eu".parse().unwrap()),
            ..text.clone()
        };
        let of_states = MessageFilter {
            states: vec![DeliveryState::Played, DeliveryState::Cancelled],
            ..of_account.clone()
        };
        // `Read` is of one account, `Played` of the other.
        let of_all = MessageFilter {
            account: None,
            states: vec![DeliveryState::Read, DeliveryState::Played],
            ..text.clone()
        };
        for filter in [text, of_account, of_states, of_all] {
            let mut after = None;
            loop {
                let find = async |plan| -> Vec<(Uuid, i64, DeliveryState)> {
                    let query = listed(&filter, plan, after, 7).select_only();
                    let query = query.columns([Column::Id, Column::CreatedAt, Column::State]);
                    let reader = store.pools().reader();
                    query.into_tuple().all(reader).await.unwrap()
                };
                let found = find(&plans[0]).await;
                for plan in &plans {
                    assert_eq!(found, find(plan).await, "{plan:?}: {filter:?}");
                }
                pages += usize::from(found.len() == 7);
                let states: BTreeSet<DeliveryState> = found.iter().map(|row| row.2).collect();
                let both = filter.states.len() == 2 && states.len() == 2;
                in_two_states += usize::from(both);
                in_two_accounts += usize::from(both && filter.account.is_none());
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
    assert!(pages > 20, "too few full pages: {pages}");
    assert!(
        in_two_states > 5,
        "too few pages with two states: {in_two_states}"
    );
    assert!(
        in_two_accounts > 5,
        "too few pages with two accounts: {in_two_accounts}"
    );
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_caller_who_may_see_many_accounts_lists_several_states() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled_store(folder.path()).await;
    let mut accounts: Vec<AccountId> = (0..98)
        .map(|number| format!("shop-{number}").parse().unwrap())
        .collect();
    accounts.extend(store.list_accounts_with_messages().await.unwrap());
    let filter = MessageFilter {
        limit: AccountLimit::to(accounts.clone()),
        states: DeliveryState::ALL[..4].to_vec(),
        ..MessageFilter::default()
    };
    let by_account = CreationOrderPlan {
        accounts,
        ..plan(IndexHint::Order)
    };
    let mut found = Vec::new();
    for plan in [by_account, plan(IndexHint::Order)] {
        let query = listed(&filter, &plan, None, 50);
        let rows = query.all(store.pools().reader()).await.unwrap();
        found.push(rows.into_iter().map(|row| row.id).collect::<Vec<_>>());
    }
    assert_eq!(found[0].len(), 50);
    assert_eq!(found[0], found[1]);
    store.close().await.unwrap();
}

/// No condition, a sender, an origin and a kind: alone, with an account, and with two states.
fn party_filter_cases() -> Vec<MessageFilter> {
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
        ..all.clone()
    };
    let of_two_states = |filter: &MessageFilter| MessageFilter {
        account: Some("kaleyra-eu".parse().unwrap()),
        states: vec![DeliveryState::Sending, DeliveryState::Played],
        ..filter.clone()
    };
    let of_account = |filter: &MessageFilter| MessageFilter {
        states: Vec::new(),
        ..of_two_states(filter)
    };
    let alone = [all, sender, origin, kind];
    let grouped: Vec<_> = alone.iter().map(of_account).collect();
    let in_states: Vec<_> = alone.iter().map(of_two_states).collect();
    [alone.to_vec(), grouped, in_states].concat()
}

#[tokio::test]
async fn every_plan_lists_the_last_changed_messages_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled_store(folder.path()).await;
    let of_each_state = |filter: &MessageFilter, hints: &[IndexHint]| {
        let given = &filter.states;
        let states = DeliveryState::ALL.iter();
        let states = states.filter(|state| given.is_empty() || given.contains(state));
        let hints = hints.iter().cycle();
        ChangeOrderPlan::ByState(states.copied().zip(hints.copied()).collect())
    };
    let mut pages = 0;
    for filter in party_filter_cases() {
        let choices = [
            ChangeOrderPlan::SortAll(IndexHint::Order),
            ChangeOrderPlan::SortAll(IndexHint::Kind),
            of_each_state(&filter, &[IndexHint::Change]),
            of_each_state(&filter, &[IndexHint::Change, IndexHint::Order]),
        ];
        let mut after = None;
        loop {
            let find = async |choice| -> Vec<(Uuid, i64)> {
                let query = listed_by_change(&filter, choice, after, 7).select_only();
                let query = query.columns([Column::Id, Column::UpdatedAt]);
                let reader = store.pools().reader();
                query.into_tuple().all(reader).await.unwrap()
            };
            let found = find(&choices[0]).await;
            for choice in &choices {
                assert_eq!(found, find(choice).await, "{choice:?}: {filter:?}");
            }
            pages += usize::from(found.len() == 7);
            let Some((id, changed_at)) = found.last() else {
                break;
            };
            after = Some(Cursor {
                at: DateTime::from_timestamp_millis(*changed_at).unwrap(),
                id: (*id).into(),
            });
        }
    }
    assert!(pages > 40, "too few full pages: {pages}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_sender_an_origin_and_a_kind_find_the_same_by_their_own_index_and_in_list_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled_store(folder.path()).await;
    let find = async |filter: &MessageFilter, index_hint| -> Vec<Uuid> {
        let query = listed(filter, &plan(index_hint), None, 200).select_only();
        let query = query.column(Column::Id);
        query
            .into_tuple()
            .all(store.pools().reader())
            .await
            .unwrap()
    };
    for filter in party_filter_cases() {
        let in_order = find(&filter, IndexHint::Order).await;
        assert!(!in_order.is_empty() && in_order.len() < 201, "{filter:?}");
        let chosen = store.index_hint(&filter, 100).await.unwrap();
        assert_eq!(find(&filter, chosen).await, in_order, "{chosen:?}");
        let given = filter.sender.is_some() || filter.origin.is_some() || filter.kind.is_some();
        assert_eq!(chosen != IndexHint::Order, given, "{chosen:?}: {filter:?}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_text_chooses_the_index_unless_too_many_messages_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled_store(folder.path()).await;
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
    let cases = searches.map(|(search, matching)| {
        let filter = MessageFilter {
            search: vec![Search::Id(MessageId::new(DateTime::UNIX_EPOCH)), search],
            ..MessageFilter::default()
        };
        (filter, IndexHint::Search, matching)
    });
    let reference = (of_reference.clone(), IndexHint::Reference, 160);
    for (filter, index_hint, matching) in cases.into_iter().chain([reference]) {
        let hint = async |rare| store.index_hint(&filter, rare).await.unwrap();
        assert_eq!(hint(matching).await, index_hint, "{filter:?}");
        if let Some(fewer) = matching.checked_sub(1) {
            assert_eq!(hint(fewer).await, IndexHint::Order, "{filter:?}");
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
