//! Schema changes of the main database, oldest first.

mod m20261120_000001_create_settings;
mod m20261120_000002_create_accounts;
mod m20261120_000003_create_messages;
mod m20261120_000004_create_provider_ids;
mod m20261120_000005_create_attempts;
mod m20261120_000006_create_receipts;
mod m20261120_000007_create_rollups;
mod m20261120_000008_create_access;
mod m20261121_000001_create_windows;
mod m20261121_000002_create_callback_hours;
mod m20261121_000020_index_retention;
mod m20261121_000030_create_put_aside;
mod m20261121_000101_share_among_replicas;
mod m20261121_000201_remember_teachers;
mod m20261121_000301_cover_holders;
mod m20261121_000401_index_overdue;
mod m20261121_000501_index_rare_lists;
mod m20261128_000201_order_attempts;
mod m20261128_000301_note_mistyped_urls;
mod m20261128_000601_keep_pricing_details;
mod m20261128_000621_note_unusable_ids;
mod m20261128_000641_create_crashed_callbacks;
mod m20261128_000642_count_receipts;
mod m20261128_000701_create_account_events;
mod m20261128_000702_create_person_links;
mod m20261128_000801_create_send_flows;
mod m20261128_000901_create_campaigns;
mod m20261128_000902_index_waiting;
mod m20261128_000903_count_charges;
mod m20261128_001001_keep_templates;
mod m20261128_001002_host_uploads;
mod m20261128_001101_index_window_refusals;
mod m20261128_001102_keep_first_warnings;
mod m20261128_001103_create_users;
mod m20261128_001111_count_by_attempt;
mod m20261128_001112_create_alerts;
mod m20261128_002001_index_changes;
mod m20261128_002201_cover_counted;
mod m20261129_000001_index_shares;
mod m20261129_000002_sum_latencies;
mod m20261129_000101_keep_warnings;
mod m20261129_000102_count_outcomes;
mod m20261129_000301_keep_country_of_erased;
mod m20261129_000301_order_notifications;
mod m20261129_000302_count_delivery_times;
mod m20261129_000401_sum_counts;
mod m20261129_000402_drop_latency_counts;
mod m20261129_000501_note_who_paused;
mod m20261130_000001_index_states_by_account;
mod m20261130_000101_note_assumed_zones;

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct MainMigrator;

#[async_trait::async_trait]
impl MigratorTrait for MainMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_settings::Migration),
            Box::new(m20261120_000002_create_accounts::Migration),
            Box::new(m20261120_000003_create_messages::Migration),
            Box::new(m20261120_000004_create_provider_ids::Migration),
            Box::new(m20261120_000005_create_attempts::Migration),
            Box::new(m20261120_000006_create_receipts::Migration),
            Box::new(m20261120_000007_create_rollups::Migration),
            Box::new(m20261120_000008_create_access::Migration),
            Box::new(m20261121_000001_create_windows::Migration),
            Box::new(m20261121_000002_create_callback_hours::Migration),
            Box::new(m20261121_000020_index_retention::Migration),
            Box::new(m20261121_000030_create_put_aside::Migration),
            Box::new(m20261121_000101_share_among_replicas::Migration),
            Box::new(m20261121_000201_remember_teachers::Migration),
            Box::new(m20261121_000301_cover_holders::Migration),
            Box::new(m20261121_000401_index_overdue::Migration),
            Box::new(m20261121_000501_index_rare_lists::Migration),
            Box::new(m20261128_000201_order_attempts::Migration),
            Box::new(m20261128_000301_note_mistyped_urls::Migration),
            Box::new(m20261128_000601_keep_pricing_details::Migration),
            Box::new(m20261128_000621_note_unusable_ids::Migration),
            Box::new(m20261128_000641_create_crashed_callbacks::Migration),
            Box::new(m20261128_000642_count_receipts::Migration),
            Box::new(m20261128_000701_create_account_events::Migration),
            Box::new(m20261128_000702_create_person_links::Migration),
            Box::new(m20261128_000801_create_send_flows::Migration),
            Box::new(m20261128_000901_create_campaigns::Migration),
            Box::new(m20261128_000902_index_waiting::Migration),
            Box::new(m20261128_000903_count_charges::Migration),
            Box::new(m20261128_001001_keep_templates::Migration),
            Box::new(m20261128_001002_host_uploads::Migration),
            Box::new(m20261128_001101_index_window_refusals::Migration),
            Box::new(m20261128_001102_keep_first_warnings::Migration),
            Box::new(m20261128_001103_create_users::Migration),
            Box::new(m20261128_001111_count_by_attempt::Migration),
            Box::new(m20261128_001112_create_alerts::Migration),
            Box::new(m20261128_002001_index_changes::Migration),
            Box::new(m20261128_002201_cover_counted::Migration),
            Box::new(m20261129_000001_index_shares::Migration),
            Box::new(m20261129_000002_sum_latencies::Migration),
            Box::new(m20261129_000101_keep_warnings::Migration),
            Box::new(m20261129_000102_count_outcomes::Migration),
            Box::new(m20261129_000301_keep_country_of_erased::Migration),
            Box::new(m20261129_000301_order_notifications::Migration),
            Box::new(m20261129_000302_count_delivery_times::Migration),
            Box::new(m20261129_000401_sum_counts::Migration),
            Box::new(m20261129_000402_drop_latency_counts::Migration),
            Box::new(m20261129_000501_note_who_paused::Migration),
            Box::new(m20261130_000001_index_states_by_account::Migration),
            Box::new(m20261130_000101_note_assumed_zones::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("main_migrations").into_iden()
    }
}
