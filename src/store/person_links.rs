//! Which ids belong to one customer, as callbacks name them, per account: user ids are issued per
//! business, and the callbacks of one account must not join the customers of another.
//!
//! A link is derived from callbacks: any callback that names it adds it, and only a rebuild or
//! retention removes it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::db::{Error, instant, statements};
use crate::domain::ids::AccountId;
use crate::domain::person::{HeldId, IdLink, find_held_ids};
use crate::domain::phone;
use crate::domain::recipient_spelling::canonical_spelling;
use crate::store::Store;
use crate::store::entities::person_link_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

const DAY_MILLIS: i64 = 86_400_000;
/// The most links that are kept in memory; about 4 MB.
const MAX_REMEMBERED: usize = 20_000;
/// The most ids of one person whose links are read.
const MAX_IDS: usize = 64;
/// The most links per query.
const MAX_LINKS: u64 = 512;

/// When callbacks named a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkTimes {
    first: i64,
    /// The end of the last day: only the purge needs it.
    last_day_end: i64,
}

impl LinkTimes {
    pub fn at(at: DateTime<Utc>) -> Self {
        let millis = instant::to_millis(at);
        Self {
            first: millis,
            last_day_end: (millis.div_euclid(DAY_MILLIS) + 1) * DAY_MILLIS,
        }
    }

    fn includes(self, other: Self) -> bool {
        self.first <= other.first && other.last_day_end <= self.last_day_end
    }

    fn union(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last_day_end: self.last_day_end.max(other.last_day_end),
        }
    }
}

/// Pairs of ids of one customer, as callbacks link them.
pub type CustomerIdLinks = BTreeMap<IdLink, LinkTimes>;

/// Adds a link that a callback names.
pub fn note_link(links: &mut CustomerIdLinks, link: IdLink, at: DateTime<Utc>) {
    let times = LinkTimes::at(at);
    let known = links.entry(link).or_insert(times);
    *known = known.union(times);
}

/// Links that are stored for certain, so that callbacks which name them again need no statement.
#[derive(Clone, Debug, Default)]
pub struct KnownLinks(Arc<Mutex<HashMap<IdLink, LinkTimes>>>);

impl KnownLinks {
    /// Removes links that are stored already.
    pub fn retain_new(&self, links: &mut CustomerIdLinks) {
        if links.is_empty() {
            return;
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link, times| known.get(link).is_none_or(|known| !known.includes(*times)));
    }

    /// Remembers links after they were committed.
    pub fn remember(&self, links: CustomerIdLinks) {
        if links.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + links.len() > MAX_REMEMBERED {
            known.clear();
        }
        for (link, times) in links.into_iter().take(MAX_REMEMBERED) {
            let known = known.entry(link).or_insert(times);
            *known = known.union(times);
        }
    }

    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Ledger {
    /// Stores links, or widens the times of known ones.
    pub async fn record_links(&mut self, links: &CustomerIdLinks) -> Result<(), Error> {
        if links.is_empty() {
            return Ok(());
        }
        let rows: Vec<Model> = links
            .iter()
            .map(|(link, times)| Model {
                account: link.account.clone(),
                identity: link.identity.clone(),
                other: link.other.clone(),
                kind: link.kind,
                first_at: times.first,
                last_at: times.last_day_end,
            })
            .collect();
        let rows: Vec<&Model> = rows.iter().collect();
        let widen = "ON CONFLICT (account, identity, other, kind) DO UPDATE SET \
             first_at = CASE WHEN excluded.first_at < person_links.first_at \
                        THEN excluded.first_at ELSE person_links.first_at END, \
             last_at = CASE WHEN excluded.last_at > person_links.last_at \
                       THEN excluded.last_at ELSE person_links.last_at END \
             WHERE excluded.first_at < person_links.first_at \
                OR excluded.last_at > person_links.last_at";
        statements::insert::<Entity>(self.transaction(), &rows, widen).await?;
        Ok(())
    }

    /// Removes links that callbacks will name again: all links, or those that were first named at
    /// or after the first callback of the journal. Older ones may be from callbacks that were
    /// purged.
    pub(in crate::store) async fn forget_links(
        &self,
        since: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        Entity::delete_many()
            .apply_if(since, |query, since| {
                query.filter(Column::FirstAt.gte(instant::to_millis(since)))
            })
            .exec(self.transaction())
            .await?;
        Ok(())
    }
}

impl Store {
    /// Every id of the person who has one of these ids: phone numbers for as long as the person had
    /// them, user ids without a limit. The ids themselves are among them only if a callback links
    /// them.
    ///
    /// With an account, by what its callbacks name; else by what the callbacks of all accounts name
    /// for the same phone number.
    pub async fn find_person(
        &self,
        account: Option<&AccountId>,
        identities: &[String],
    ) -> Result<BTreeSet<HeldId>, Error> {
        let start: BTreeSet<String> = identities.iter().map(|id| canonical_spelling(id)).collect();
        let links = self.list_links(account, start.clone()).await?;
        if links.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut held = find_in_each(&links, &start);
        // The same number in other accounts, for as long as the person has it.
        let phones: BTreeSet<String> = held
            .iter()
            .filter(|held| held.until.is_none() && phone::are_digits(&held.identity))
            .map(|held| held.identity.clone())
            .collect();
        held.extend(find_in_each(&links, &phones));
        Ok(held)
    }

    /// Those of these ids, in their canonical spellings, that a callback of any account links with another.
    pub(super) async fn list_linked(
        &self,
        ids: BTreeSet<String>,
    ) -> Result<HashSet<String>, Error> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let ids = statements::padded(&ids);
        let numbered: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
        let numbered = numbered.join(",");
        let linked = format!(
            "SELECT identity AS id FROM person_links WHERE identity IN ({numbered}) \
             UNION SELECT other FROM person_links WHERE other IN ({numbered})"
        );
        let values = ids.into_iter().map(Into::into).collect();
        let rows = self.pools().query(&linked, values).await?;
        rows.into_iter()
            .map(|row| Ok(row.try_get("", "id")?))
            .collect()
    }

    /// The links around these ids, by account.
    async fn list_links(
        &self,
        account: Option<&AccountId>,
        start: BTreeSet<String>,
    ) -> Result<HashMap<AccountId, Vec<(IdLink, DateTime<Utc>)>>, Error> {
        let mut found: BTreeMap<IdLink, DateTime<Utc>> = BTreeMap::new();
        let mut followed: BTreeSet<String> = BTreeSet::new();
        let mut next = start;
        while !next.is_empty() && followed.len() < MAX_IDS {
            let ids = || next.iter().map(String::as_str);
            let rows = Entity::find()
                .filter(
                    Condition::any()
                        .add(Column::Identity.is_in(ids()))
                        .add(Column::Other.is_in(ids())),
                )
                .limit(MAX_LINKS)
                .all(self.pools().reader())
                .await?;
            followed.append(&mut next);
            // Not by a condition: SQLite would read all links of the account.
            let of_account = |row: &Model| account.is_none_or(|account| row.account == *account);
            for row in rows.into_iter().filter(of_account) {
                for id in [&row.identity, &row.other] {
                    if !followed.contains(id) {
                        next.insert(id.clone());
                    }
                }
                let first_at = instant::from_millis("person_links", "first_at", row.first_at)?;
                let link = IdLink {
                    account: row.account,
                    identity: row.identity,
                    other: row.other,
                    kind: row.kind,
                };
                found.insert(link, first_at);
            }
        }
        let mut by_account: HashMap<AccountId, Vec<(IdLink, DateTime<Utc>)>> = HashMap::new();
        for (link, first_at) in found {
            let account = link.account.clone();
            by_account
                .entry(account)
                .or_default()
                .push((link, first_at));
        }
        Ok(by_account)
    }
}

fn find_in_each(
    links: &HashMap<AccountId, Vec<(IdLink, DateTime<Utc>)>>,
    identities: &BTreeSet<String>,
) -> BTreeSet<HeldId> {
    let each = links.values();
    each.flat_map(|links| identities.iter().flat_map(|id| find_held_ids(id, links)))
        .collect()
}
