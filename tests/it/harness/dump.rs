//! Everything that is derived from callbacks, as lines of text that can be compared.

use crate::harness::database::TestDatabase;

/// Tables with their id columns and other columns.
const TABLES: [(&str, &str, &str); 14] = [
    (
        "messages",
        "id resend_of resent_as",
        "account origin sender recipient recipient_reversed kind queue state conflict implied_stages due_at submitted_at sent_at \
         delivered_at read_at played_at failed_at failure_code failure_title failure_detail failure_key failure_class billable \
         pricing_category pricing_model price provider_id matched_by created_at updated_at adopt_at handed_over_at campaign",
    ),
    (
        "receipts",
        "source message",
        "part source_kind fact stage code title detail failure_key word occurred_at zone_assumed received_at recipient billable \
         pricing_category pricing_model price pricing_type pricing_currency pricing_raw",
    ),
    (
        "provider_ids",
        "message",
        "account provider_id learned_from learned_at",
    ),
    (
        "callback_outcomes",
        "callback",
        "seq account received_at outcome detail",
    ),
    (
        "quarantine",
        "callback",
        "part account reason quarantined_at",
    ),
    (
        "message_counts",
        "",
        "bucket account kind origin state code class campaign messages",
    ),
    (
        "charge_counts",
        "",
        "bucket account kind campaign sender country category pricing_type price currency deliveries",
    ),
    (
        "message_sums",
        "",
        "width start account kind origin state code class campaign messages",
    ),
    (
        "charge_sums",
        "",
        "width start account kind campaign sender country category pricing_type price currency deliveries",
    ),
    (
        "latency_sums",
        "",
        "width start account kind stage histogram",
    ),
    ("merged_messages", "id survivor", ""),
    (
        "account_events",
        "callback",
        "part account happened_at kind title previous current template sender detail",
    ),
    (
        "person_links",
        "",
        "account identity other kind first_at last_at",
    ),
    (
        "id_conflicts",
        "message claimant",
        "account provider_id learned_from seen_at",
    ),
];

/// One line per row, sorted.
pub(crate) async fn dump(database: &TestDatabase) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, ids, columns) in TABLES {
        let ids = ids.split_whitespace().map(|id| {
            if database.is_postgres() {
                format!("COALESCE(CAST({id} AS TEXT), '-')")
            } else {
                format!("COALESCE(hex({id}), '-')")
            }
        });
        let columns = columns
            .split_whitespace()
            .map(|column| format!("COALESCE(CAST({column} AS TEXT), '-')"));
        let all: Vec<String> = ids.chain(columns).collect();
        let only = match table {
            "charge_counts" | "charge_sums" => " WHERE deliveries <> 0",
            "latency_sums" => " WHERE histogram <> ''",
            table if table.ends_with("_counts") || table.ends_with("_sums") => {
                " WHERE messages <> 0"
            }
            _ => "",
        };
        let sql = format!(
            "SELECT '{table} ' || {} AS line FROM {table}{only}",
            all.join(" || '|' || ")
        );
        lines.extend(database.query(&sql).await);
    }
    lines.sort();
    lines
}
