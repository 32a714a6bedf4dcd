//! Which ids belong to one person, as far as callbacks name them: phone numbers, user ids, parent
//! ids.
//!
//! The result is a function of the *set* of links: their order of arrival does not affect it.
//!
//! A user id belongs to one person permanently, so links between user ids join persons. A phone
//! number does not: it can be given to another customer. Its history is therefore divided into
//! tenures, which end where its holder changes to another number, or where another person is first
//! seen with it; persons hold tenures, not numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::AccountId;
use crate::domain::phone;
use crate::domain::recipient_spelling::canonical_spelling;

/// An id that is seen together with more others than this does not identify a customer: a callback
/// template sends the same one for all of them.
const LINKED_IDS_LIMIT: usize = 8;

#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum LinkKind {
    /// A callback named both for one customer.
    Same,
    /// A customer changed from the first id to the second.
    Changed,
}
enum_words!(LinkKind, "a kind of link");

/// Two ids of a customer. Those of [`LinkKind::Same`] are in the order of their texts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdLink {
    pub account: AccountId,
    /// Digits of a phone number, or a user id.
    pub identity: String,
    pub other: String,
    pub kind: LinkKind,
}

/// An id that belongs to one person, for a while.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HeldId {
    /// Digits of a phone number, or a user id.
    pub identity: String,
    /// Inclusive; absent for any time before.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive; absent for any time after.
    pub until: Option<DateTime<Utc>>,
}

impl HeldId {
    pub fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// The ids of the person who holds this id now, or held it last. Empty if nothing is known of it.
///
/// The links must be of one account: user ids are issued per business.
pub fn find_held_ids(identity: &str, links: &[(IdLink, DateTime<Utc>)]) -> BTreeSet<HeldId> {
    let persons = Persons::new(links);
    let identity = canonical_spelling(identity);
    let Some(start) = persons.find_node(&identity) else {
        return BTreeSet::new();
    };
    persons.held_by(start)
}

/// A user id, or a tenure of a phone number.
type Node = usize;

struct Tenure {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    node: Node,
    /// A user id of its holder.
    holder: Option<Node>,
    /// Whether any link is about its holder.
    has_evidence: bool,
}

/// A change of a phone number's holder. Changes of one instant apply in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NumberChange {
    /// Its holder changes to another number; with the index of the link that says so.
    Leaves(usize),
    /// The holder of another number takes it; with the index of the link that says so.
    Arrives(usize),
    /// It is first seen with a user id.
    IsSeenWith(Node),
}

#[derive(Default)]
struct Persons {
    /// A forest: nodes of one person have one root.
    parents: Vec<Node>,
    user_ids: BTreeMap<String, Node>,
    tenures: BTreeMap<String, Vec<Tenure>>,
}

impl Persons {
    fn new(links: &[(IdLink, DateTime<Utc>)]) -> Self {
        // Links of the same instant are ordered by their content, not by their arrival.
        let mut links = links.to_vec();
        links.sort_unstable();
        let shared = list_shared_ids(&links);
        let mut persons = Self::default();
        let mut changes: BTreeMap<String, Vec<(DateTime<Utc>, NumberChange)>> = BTreeMap::new();
        let usable = links.iter().enumerate().filter(|(_, (link, _))| {
            !shared.contains(&link.identity) && !shared.contains(&link.other)
        });
        let mut seen = Vec::new();
        for (number, (link, first_at)) in usable {
            let (one, other) = (&link.identity, &link.other);
            match (is_phone(one), is_phone(other), link.kind) {
                (false, false, _) => {
                    let (one, other) = (persons.user_id(one), persons.user_id(other));
                    persons.join(one, other);
                }
                (true, true, LinkKind::Changed) => {
                    let mut note = |phone: &String, what| {
                        let of_phone = changes.entry(phone.clone()).or_default();
                        of_phone.push((*first_at, what));
                    };
                    note(one, NumberChange::Leaves(number));
                    note(other, NumberChange::Arrives(number));
                }
                // Two numbers in one contact: no provider sends that.
                (true, true, LinkKind::Same) => {}
                (true, false, _) => seen.push((one, other, *first_at)),
                (false, true, _) => seen.push((other, one, *first_at)),
            }
        }
        // Only now are all user ids joined, so that their roots are final.
        for (phone, user_id, at) in seen {
            let node = persons.user_id(user_id);
            let of_phone = changes.entry(phone.clone()).or_default();
            of_phone.push((at, NumberChange::IsSeenWith(persons.root(node))));
        }
        persons.divide_into_tenures(changes);
        persons
    }

    /// Divides each number's history into tenures, and joins them with their holders.
    fn divide_into_tenures(
        &mut self,
        changes: BTreeMap<String, Vec<(DateTime<Utc>, NumberChange)>>,
    ) {
        let mut left_tenures: HashMap<usize, Node> = HashMap::new();
        let mut new_tenures: HashMap<usize, Node> = HashMap::new();
        for (phone, mut of_phone) in changes {
            of_phone.sort_unstable();
            let mut tenures = vec![self.tenure(None)];
            for (at, what) in of_phone {
                let last = tenures.len() - 1;
                match what {
                    NumberChange::Leaves(link) => {
                        tenures[last].has_evidence = true;
                        left_tenures.insert(link, tenures[last].node);
                        self.end(&mut tenures, at);
                    }
                    NumberChange::Arrives(link) => {
                        if tenures[last].from != Some(at) || tenures[last].has_evidence {
                            self.end(&mut tenures, at);
                        }
                        let last = tenures.len() - 1;
                        tenures[last].has_evidence = true;
                        new_tenures.insert(link, tenures[last].node);
                    }
                    NumberChange::IsSeenWith(holder) => {
                        // A late report that names a number its customer has already left.
                        let has_left = last > 0
                            && !tenures[last].has_evidence
                            && tenures[last - 1].holder == Some(holder);
                        if has_left || tenures[last].holder == Some(holder) {
                            continue;
                        }
                        if tenures[last].holder.is_some() {
                            self.end(&mut tenures, at);
                        }
                        let last = tenures.len() - 1;
                        tenures[last].has_evidence = true;
                        tenures[last].holder = Some(holder);
                    }
                }
            }
            self.tenures.insert(phone, tenures);
        }
        let held: Vec<(Node, Node)> = self
            .tenures
            .values()
            .flatten()
            .filter_map(|tenure| Some((tenure.node, tenure.holder?)))
            .chain(
                left_tenures
                    .iter()
                    .filter_map(|(link, node)| Some((*node, *new_tenures.get(link)?))),
            )
            .collect();
        for (one, other) in held {
            self.join(one, other);
        }
    }

    /// Ends the last tenure and begins the next one.
    fn end(&mut self, tenures: &mut Vec<Tenure>, at: DateTime<Utc>) {
        if let Some(last) = tenures.last_mut() {
            last.until = Some(at);
        }
        tenures.push(self.tenure(Some(at)));
    }

    fn tenure(&mut self, from: Option<DateTime<Utc>>) -> Tenure {
        Tenure {
            from,
            until: None,
            node: self.new_node(),
            holder: None,
            has_evidence: false,
        }
    }

    fn new_node(&mut self) -> Node {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    fn user_id(&mut self, user_id: &str) -> Node {
        if let Some(known) = self.user_ids.get(user_id) {
            return *known;
        }
        let node = self.new_node();
        self.user_ids.insert(user_id.to_owned(), node);
        node
    }

    fn root(&self, mut node: Node) -> Node {
        while self.parents[node] != node {
            node = self.parents[node];
        }
        node
    }

    fn join(&mut self, one: Node, other: Node) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other)] = one.min(other);
    }

    /// The node of a user id, or of the last tenure of a phone number that has evidence.
    fn find_node(&self, identity: &str) -> Option<Node> {
        if let Some(tenures) = self.tenures.get(identity) {
            let last = tenures.iter().rev().find(|tenure| tenure.has_evidence);
            return last.map(|tenure| tenure.node);
        }
        self.user_ids.get(identity).copied()
    }

    fn held_by(&self, node: Node) -> BTreeSet<HeldId> {
        let person = self.root(node);
        let user_ids = self
            .user_ids
            .iter()
            .filter(|(_, node)| self.root(**node) == person)
            .map(|(identity, _)| HeldId {
                identity: identity.clone(),
                from: None,
                until: None,
            });
        let tenures = self.tenures.iter().flat_map(|(identity, tenures)| {
            let held = tenures.iter();
            held.filter(|tenure| self.root(tenure.node) == person)
                .map(|tenure| HeldId {
                    identity: identity.clone(),
                    from: tenure.from,
                    until: tenure.until,
                })
        });
        user_ids.chain(tenures).collect()
    }
}

fn is_phone(identity: &str) -> bool {
    phone::are_digits(identity)
}

/// User ids that are seen together with more others than one person has.
fn list_shared_ids(links: &[(IdLink, DateTime<Utc>)]) -> BTreeSet<String> {
    let mut others: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (link, _) in links {
        if link.kind == LinkKind::Same {
            let (one, other) = (link.identity.as_str(), link.other.as_str());
            others.entry(one).or_default().insert(other);
            others.entry(other).or_default().insert(one);
        }
    }
    others
        .into_iter()
        .filter(|(identity, others)| !is_phone(identity) && others.len() > LINKED_IDS_LIMIT)
        .map(|(identity, _)| identity.to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
