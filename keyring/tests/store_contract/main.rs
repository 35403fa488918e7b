//! What every key store must do, run against each of them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
#![expect(
    clippy::cognitive_complexity,
    reason = "every assertion counts as a branch"
)]

mod audit;
mod creations;
mod credentials;
mod entries;
mod families;
mod feed;
mod fixtures;
mod header;
mod identity_on_postgres;
mod mounts;
mod on_postgres;
mod on_sqlite;
mod rings;
mod samples;
mod usage;

/// One test for each contract, in a module named for the store.
macro_rules! contracts_of {
    ($store:ident: $($module:ident::$contract:ident,)+) => {
        mod $store {
            $(#[tokio::test]
            async fn $contract() {
                if let Some(fixture) = crate::fixtures::$store().await {
                    crate::$module::$contract(fixture.store).await;
                }
            })+
        }
    };
}

macro_rules! contracts {
    ($($list:tt)+) => {
        contracts_of! { memory: $($list)+ }
        contracts_of! { sqlite: $($list)+ }
        contracts_of! { postgres: $($list)+ }
    };
}

contracts! {
    rings::a_created_ring_is_loaded_as_it_was_written,
    rings::a_ring_or_version_that_is_not_there_is_absent,
    rings::a_second_ring_of_a_name_is_refused,
    rings::a_name_on_another_mount_is_another_ring,
    rings::a_ring_on_a_missing_or_disabled_mount_is_refused,
    rings::a_change_is_written_whole,
    rings::a_stale_change_writes_nothing,
    rings::a_change_to_a_ring_that_is_gone_conflicts,
    rings::a_version_number_that_exists_conflicts_and_writes_nothing,
    rings::of_concurrent_changes_from_one_generation_one_succeeds,
    rings::a_trim_destroys_old_versions_and_their_usage,
    rings::a_deleted_ring_leaves_only_its_history,
    rings::a_stale_deletion_deletes_nothing,
    rings::a_deleted_name_can_be_created_again,
    rings::names_are_listed_in_byte_order_page_by_page,
    rings::a_page_begins_after_any_text,
    rings::versions_are_listed_from_any_number,
    rings::history_is_paged_in_order,
    rings::due_rings_come_in_the_order_they_are_overdue,
    rings::rings_on_disabled_mounts_are_not_due,
    rings::rings_whose_keys_take_a_search_are_due_apart_from_others,
    rings::a_caller_that_goes_away_leaves_nothing_half_done,
    mounts::enabled_mounts_are_listed_by_path,
    mounts::a_path_that_is_taken_or_overlaps_is_refused,
    mounts::of_concurrent_overlapping_mounts_one_is_enabled,
    mounts::tuning_replaces_the_settings_of_an_enabled_mount,
    mounts::settings_that_were_changed_meanwhile_are_not_replaced,
    mounts::a_disabled_mount_frees_its_path_and_keeps_its_rings,
    mounts::restoring_brings_back_the_mount_disabled_last,
    mounts::restoring_to_a_taken_path_is_refused,
    mounts::purging_destroys_what_was_disabled_before,
    mounts::every_change_to_a_mount_grows_the_epoch,
    usage::bookings_add_up_for_each_version,
    usage::concurrent_bookings_are_all_counted,
    usage::returning_never_goes_below_zero,
    usage::a_version_that_is_gone_cannot_be_booked,
    usage::a_total_that_no_longer_fits_stays_large,
    feed::every_kind_of_change_is_seen,
    feed::a_poll_from_the_end_sees_only_later_changes,
    feed::polling_during_concurrent_changes_misses_none,
    header::a_new_store_has_no_header,
    header::a_store_is_initialised_once,
    header::a_sealed_header_has_no_live_secret,
    header::of_concurrent_initialisations_one_succeeds,
    header::a_root_token_replaces_all_others,
    header::sealing_deletes_the_live_secret_and_is_told,
    header::a_root_token_that_goes_is_told,
    rings::what_a_request_changed_is_found_by_its_id,
    entries::an_entry_is_read_as_it_was_written,
    entries::an_entry_stands_in_one_place_alone,
    entries::an_entry_changes_from_the_generation_that_was_read,
    entries::of_concurrent_changes_to_an_entry_one_succeeds,
    entries::entries_are_listed_in_byte_order_page_by_page,
    entries::every_change_to_an_entry_grows_the_epoch,
    entries::a_scope_retires_with_its_entries_and_credentials,
    credentials::a_credential_is_found_as_it_was_added,
    credentials::a_group_counts_what_is_there_and_has_not_expired,
    credentials::one_kind_is_never_taken_for_another,
    credentials::a_hash_or_accessor_that_is_taken_is_refused,
    credentials::of_concurrent_credentials_of_one_hash_one_is_added,
    credentials::accessors_are_listed_page_by_page,
    credentials::a_chosen_token_is_listed_and_grows_the_epoch,
    credentials::a_renewal_replaces_what_it_has_read,
    credentials::of_concurrent_renewals_one_succeeds,
    credentials::uses_are_taken_one_by_one_until_none_is_left,
    credentials::of_n_callers_for_the_last_use_one_gets_it,
    credentials::of_n_callers_one_takes_a_credential,
    credentials::a_credential_is_over_from_its_expiry_on,
    credentials::purging_deletes_what_was_over_before,
    credentials::revoked_and_used_up_tokens_are_told,
    credentials::polling_during_concurrent_revocations_misses_none,
    families::a_tree_is_revoked_with_all_its_descendants,
    families::a_branch_is_revoked_without_the_rest,
    families::revoking_a_token_alone_makes_orphans_of_its_children,
    families::a_child_needs_a_parent_that_is_there,
    families::a_family_that_grows_while_it_is_revoked_leaves_nobody,
    families::descendants_of_an_expired_token_end_with_it,
    families::purging_revokes_the_descendants_of_what_expired,
    audit::heads_are_kept_by_start,
    audit::a_head_never_goes_back,
    creations::a_ring_is_created_with_all_its_versions,
    creations::version_rows_are_read_from_any_number,
    creations::a_creation_takes_the_place_of_the_ring_it_names,
    creations::a_creation_in_the_place_of_what_is_not_there_writes_nothing,
    creations::of_concurrent_creations_in_one_place_one_succeeds,
    creations::a_replaced_version_leaves_all_others_and_its_usage,
    creations::a_version_that_is_not_there_is_not_replaced,
    creations::the_reserved_name_is_loaded_and_never_listed,
}
