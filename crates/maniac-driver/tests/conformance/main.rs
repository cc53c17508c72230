//! One suite for every driver: each test is a function of a rig, and runs once for each flavour.
#![cfg(all(target_os = "linux", feature = "iouring", feature = "mio", not(any(loom, miri))))]
#![allow(missing_docs, unreachable_pub, reason = "a test program")]

#[path = "../support/mod.rs"]
mod support;

mod file;
mod lifecycle;
mod path;
mod readiness;
mod remote;
mod setup;
mod socket;
mod splice;

use support::{Flavour, Rig};

/// Runs `test` on a fresh rig, then checks that the driver under test did the work.
fn run(flavour: Flavour, test: fn(&mut Rig)) {
    let mut rig = Rig::new(flavour);
    test(&mut rig);
    // Something that always reaches the kernel, for tests that end inline.
    rig.glance();
    let (fd, _other) = support::pair();
    let mut probe =
        rig.driver.submit(maniac_driver::op::PollOnce::new(fd, maniac_driver::Interest::READABLE));
    rig.glance();
    assert!(support::peek(&mut probe).is_pending());
    rig.assert_used();
}

/// A test for each flavour and each function.
macro_rules! suite {
    ($($module:ident: $($test:ident)+;)+) => {
        suite!(@flavour uring Uring $($module: $($test)+;)+);
        suite!(@flavour uring_host UringHost $($module: $($test)+;)+);
        suite!(@flavour uring_old UringOld $($module: $($test)+;)+);
        suite!(@flavour uring_bare UringBare $($module: $($test)+;)+);
        suite!(@flavour uring_tiny UringTiny $($module: $($test)+;)+);
        suite!(@flavour poll Poll $($module: $($test)+;)+);
    };
    (@flavour $name:ident $flavour:ident $($module:ident: $($test:ident)+;)+) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $test() {
                    crate::run(crate::Flavour::$flavour, crate::$module::$test);
                })+
            })+
        }
    };
}

suite! {
    file: reads_at_an_offset reads_short_at_the_end writes_at_an_offset vectored by_the_ring_once_known fsync
        syncs_ranges allocates truncates stats bad_descriptor wrong_mode every_buffer_type direct many_at_once inline_when_cached inline_write streams offsets_beyond_all;
    path: opens_and_creates open_errors resolves unlinks makes_directories renames links symlinks stats_paths
        zero_byte_in_path opens_below_a_directory;
    socket: accepts_and_connects refused_connection receives_and_sends counts_thrown_away copies_what_it_sends waits_for_data end_of_stream broken_pipe
        datagrams unix_datagrams shuts_down closes_sockets large_transfer accepts_many unix_streams
        both_directions_at_once;
    splice: file_to_pipe pipe_to_file waits_for_a_pipe full_pipe tees socket_through_pipe offsets copies_ranges;
    readiness: registration_reads registration_writes several_waiters tick_keeps_reports closed_peer
        dropped_waiters_leave reregisters_after_close poll_once two_registrations_share many_reports
        dropped_elsewhere regular_file waits_both_ways unconnected_socket priority_of_half_closed two_drivers_share
        ends_as_another_reports waits_end;
    lifecycle: cancels_what_waits cancel_after_completion drop_is_cancel drop_closes_accepted forget_is_harmless
        close_waits_for_users tokens_come_once moves_between_threads submitting_thread_ends shutdown_ends_all
        drop_with_operations_in_flight a_waker_panics_at_the_end abandons cancel_all_ends offload_refused zero_timeout_never_waits
        timeouts_end_the_wait pool_of_records_is_reused;
    remote: submits cancels_remotely unparks many_threads after_shutdown drops_elsewhere tokens_from_elsewhere
        unpark_before_wait unparks_in_a_storm host_loop_wait host_hears_of_readiness;
}
