"""Faults of control, registers, memory port and error unit; and registers that lost their reset."""

from __future__ import annotations

import test_axi
import test_dma_address
import test_dma_gather
import test_dma_load
import test_dma_store
import test_error_unit
import test_field_check
import test_frontend
import test_frontend_errors
import test_ledger
import test_matrix_engine
import test_registers
import test_run_registers
import test_semaphores
import test_trace
import test_vector_engine
import test_vector_statistics
import test_watchdog
from component_faults import Case, Change, always, assigned, bits_of, case, loaded, without_reset
from reference_memory import SLVERR
from test_error_unit import (
    test_an_error_halts_from_the_next_cycle_on_and_the_run_ends_when_the_bus_is_quiet,
)
from test_semaphores import (
    test_an_overflow_is_told_of_the_producer_and_a_take_in_the_same_cycle_prevents_it,
)

from arch.isa import Engine, ErrorCode, Opcode, Table

_GEMM = test_matrix_engine.test_gemm_of_one_tile
_ROWS = test_vector_engine.test_rows_are_issued_and_written_in_the_cycles_of_the_rules
_RUN = test_frontend.test_the_run_ends_two_cycles_after_the_last_retirement

FRONT_END = {
    "fetch: a burst less than the prefetch has room for": case(
        test_frontend.test_a_request_is_made_exactly_while_the_prefetch_has_room,
        17,
        module="control.front_end.fetch",
        change=Change(r"<= 5'h10;", "< 5'h10;"),
    ),
    "fetch: only the last beat of an instruction can fail": case(
        test_frontend_errors.test_a_failing_beat_marks_its_instruction,
        *(0, SLVERR, ErrorCode.READ_SLVERR),
        module="control.front_end.fetch",
        change=Change(r"earlier\[1\] \? earlier : ", ""),
    ),
    "fetch: any address is a multiple of 256": case(
        test_frontend_errors.test_a_program_that_cannot_be_fetched_is_an_error,
        *(64, 4),
        module="control.front_end.fetch",
        change=assigned("aligned", "1'b1"),
    ),
    "front end: what lies behind END is dispatched": case(
        test_frontend.test_instructions_behind_end_are_never_dispatched,
        module="control.front_end",
        change=Change(r"= o__valid & \\\$\d+ ;", "= o__valid;"),
    ),
    "front end: what is illegal is dispatched": case(
        test_frontend_errors.test_an_illegal_instruction_stops_the_program_in_front_of_it,
        *(0, test_frontend_errors.ILLEGAL_FIELD, ErrorCode.ILLEGAL_FIELD),
        module="control.front_end",
        change=assigned("refused", "1'b0"),
    ),
    "field check: the limit of last_k is one too far": case(
        test_field_check.test_each_rule_is_accepted_at_its_limit_and_refused_beyond,
        change=Change(rf"(word{bits_of(Opcode.MATRIX, 'last_k')}) > 5'h10;", r"\1 > 5'h11;"),
    ),
    "field check: clamps that are equal are refused": case(
        test_field_check.test_each_rule_is_accepted_at_its_limit_and_refused_beyond,
        change=Change(rf"(\$signed\(word{bits_of(Opcode.VECTOR, 'clamp_low')}\)) > ", r"\1 >= "),
    ),
    "field check: run_bytes of LOAD may be 0": case(
        test_field_check.test_each_rule_is_accepted_at_its_limit_and_refused_beyond,
        change=Change(rf"! word{bits_of(Opcode.LOAD, 'run_bytes')};", "1'b0;", count=2),
    ),
}

ISSUE = {
    "semaphores: one signal is taken whatever is wanted": case(
        test_semaphores.test_a_wait_takes_as_many_signals_as_it_wants,
        module="control.semaphores",
        change=Change(r"load_to_vector - engine__2__wants\[7:0\];", "load_to_vector - 1'h1;"),
    ),
    "semaphores: a count goes on from its greatest to 0": case(
        test_semaphores.test_a_semaphore_holds_at_its_greatest_count,
        change=Change(r"load_to_store == 8'hff;", "1'b0;", count=2),
    ),
    "semaphores: a take does not prevent an overflow": case(
        test_an_overflow_is_told_of_the_producer_and_a_take_in_the_same_cycle_prevents_it,
        *(Engine.LOAD, Engine.MATRIX),
        change=Change(r"engine__1__take & ", "1'b0 & ", count=6),
    ),
    "semaphores: a start does not clear a count": case(
        test_semaphores.test_semaphores_start_a_run_at_zero,
        module="control.semaphores",
        change=Change(r"(?s)(= load_to_vector;\n    if \()clear", r"\g<1>1'b0"),
    ),
    "issue: the head does not wait for its semaphores": case(
        test_semaphores.test_a_waiting_instruction_issues_in_the_cycle_after_the_signal,
        *(Engine.LOAD, Engine.STORE),
        module="control.issue_store",
        change=Change(r"! semaphores__lacks;", "1'b1;"),
    ),
    "issue: the start that is told is a cycle late": case(
        test_frontend.test_issue_and_retire_port_tell_the_index_and_the_latter_the_start,
        module="control.issue_load",
        change=Change(r"\[71:32\] = cycle;", "[71:32] = cycle + 1;"),
    ),
    "issue: the queue takes one instruction less": case(
        test_frontend.test_dispatch_waits_for_a_full_queue_and_holds_all_behind,
        module="control.issue_vector.queue",
        change=Change(r"w_rdy = level != (\S+);", r"w_rdy = level < \1 - 1;"),
    ),
    "ledger: a wait for the port does not hide those behind it": case(
        test_ledger.test_the_first_state_that_applies_is_the_only_one,
        Engine.LOAD,
        change=assigned("decided_at_wait_port", "decided_at_working"),
    ),
}

REGISTERS = {
    "counters: one of a snapshot goes on": case(
        test_registers.test_a_snapshot_latches_all_counters_in_one_cycle_of_the_run,
        module="counters",
        change=loaded("pad_bytes_snapshot", "pad_bytes"),
    ),
    "counters: a start does not clear": case(
        test_registers.test_a_snapshot_latches_all_counters_in_one_cycle_of_the_run,
        module="counters",
        change=assigned("clear", "rst"),
    ),
    "counters: one counts outside of the run too": case(
        test_registers.test_a_snapshot_latches_all_counters_in_one_cycle_of_the_run,
        module="counters",
        change=loaded("cycles", "clear ? 0 : cycles + add__cycles"),
    ),
    "registers: strobes are not looked at": case(
        test_registers.test_writable_registers_keep_strobed_bytes_and_others_ignore_writes,
        module="csr",
        change=assigned("written", "bus__wdata"),
    ),
    "registers: a one written does not clear an interrupt": case(
        test_run_registers.test_start_runs_until_finished_and_then_interrupts,
        module="csr",
        change=Change(r"= interrupt_status & \\\$\d+ ;", "= interrupt_status;"),
    ),
    "registers: a start while running starts": case(
        test_run_registers.test_a_start_while_running_is_ignored,
        module="csr",
        change=Change(r"running \| error;", "error;"),
    ),
    "memory port: fetch takes data of LOAD": case(
        test_axi.test_read_data_goes_to_the_one_who_asked,
        change=assigned("fetch_beats__valid", "axi__rvalid"),
    ),
    "memory port: an address of LOAD is not held against fetch": case(
        test_axi.test_an_address_once_presented_is_held_until_accepted,
        change=loaded("held", "1'b0"),
    ),
    "trace memory: of two in a cycle MATRIX comes before LOAD": case(
        test_trace.test_records_are_kept_in_order_and_those_without_room_are_counted,
        *(64, 0.2),
        change=Change(r"if \(left\[0\]\)", "if (left[0] & ~left[1])"),
    ),
    "trace memory: what finds its queue full is not counted": case(
        test_trace.test_records_are_kept_in_order_and_those_without_room_are_counted,
        *(7, 0.9),
        change=Change(r"w_rdy \? 5'h00 : \S+ ;", "5'h00;"),
    ),
}

ERRORS = {
    "error unit: the second source counts before the first": case(
        test_error_unit.test_of_several_errors_in_one_cycle_the_first_source_counts,
        change=Change(
            r"if \(faults__0__valid\)", "if (faults__0__valid & ~faults__1__valid)", count=2
        ),
    ),
    "error unit: the last error is kept": case(
        test_error_unit.test_the_first_error_of_a_run_is_kept,
        change=Change(r"= running & \\\$\d+ ;", "= running;", count=2),
    ),
    "error unit: the address of the instruction is that of the next": case(
        test_error_unit.test_of_several_errors_in_one_cycle_the_first_source_counts,
        change=Change(r"\* 7'h40;", "* 7'h40 + 7'h40;"),
    ),
    "error unit: the run ends though the bus is not quiet": case(
        test_an_error_halts_from_the_next_cycle_on_and_the_run_ends_when_the_bus_is_quiet,
        change=assigned("halted", "running & halt"),
    ),
    "watchdog: expires a cycle late": case(
        test_watchdog.test_it_expires_in_the_last_of_the_cycles_and_counts_anew,
        2,
        change=Change(r">= limit;", "> limit;"),
    ),
    "watchdog: a restart does not end the row": case(
        test_watchdog.test_a_restart_ends_the_row_without_hiding_that_it_expired,
        change=Change(r"~ restart;", "1'b1;"),
    ),
}

CONTROL_FAULTS: dict[str, Case] = {**FRONT_END, **ISSUE, **REGISTERS, **ERRORS}

RESETS_REMOVED: dict[str, Case] = {
    "beat walker: walked": case(
        test_dma_address.test_a_burst_is_cut_into_beats_without_a_gap,
        *(always, 0),
        change=without_reset("walked"),
    ),
    "burst generator: o.valid": case(
        test_dma_address.test_a_burst_waits_unchanged_until_it_is_taken,
        change=without_reset("o__valid"),
    ),
    "LOAD: outstanding": case(
        test_dma_load.test_parameter_words_are_filled_by_aligned_beats,
        module="engine",
        change=without_reset("outstanding"),
    ),
    "gather: left": case(
        test_dma_gather.test_a_gather_is_issued_when_no_load_is_in_flight,
        module="engine.gather",
        change=without_reset("left"),
    ),
    "load writer: stage": case(
        test_dma_load.test_parameter_words_are_filled_by_aligned_beats,
        module="engine.writer",
        change=without_reset("stage"),
    ),
    "STORE: unsent": case(
        test_dma_store.test_runs_and_planes_are_copied,
        module="engine",
        change=without_reset("unsent"),
    ),
    "matrix: held": case(_GEMM, module="engine", change=without_reset("held")),
    "loader: busy": case(_GEMM, module="engine.loader", change=without_reset("busy")),
    "vector: in_flight": case(_ROWS, "accumulators", change=without_reset("status__in_flight")),
    "table fill: reading": case(
        test_vector_engine.test_table_reads_a_word_a_cycle,
        Table.UNARY,
        module="table_fill",
        change=without_reset("reading"),
    ),
    "scale rows: reading": case(
        test_vector_statistics.test_scale_reads_a_row_a_cycle,
        module="scale_rows",
        change=without_reset("reading"),
    ),
    "reads: source_passed": case(
        _ROWS, "product", module="reads", change=without_reset("source_passed")
    ),
    "queue: level": case(_RUN, module="control.issue_load.queue", change=without_reset("level")),
    "semaphores: a count": case(
        test_semaphores.test_a_semaphore_holds_at_its_greatest_count,
        change=without_reset("load_to_store"),
    ),
    "registers: running": case(
        test_run_registers.test_start_runs_until_finished_and_then_interrupts,
        module="csr",
        change=without_reset("running"),
    ),
    "registers: interrupt_status": case(
        test_run_registers.test_start_runs_until_finished_and_then_interrupts,
        module="csr",
        change=without_reset("interrupt_status"),
    ),
    "trace memory: records": case(
        test_trace.test_a_record_that_is_not_kept_reads_as_zero, change=without_reset("records")
    ),
    "error unit: halt": case(
        test_an_error_halts_from_the_next_cycle_on_and_the_run_ends_when_the_bus_is_quiet,
        change=without_reset("halt"),
    ),
}
