"""Faults planted in the VECTOR engine around its lanes."""

from __future__ import annotations

import test_inverse_square_root
import test_scale_rows
import test_vector_engine
import test_vector_faults
import test_vector_statistics
from component_faults import Case, Change, assigned, bits_of, case, loaded

from arch.isa import Addition, Destination, ElementType, Opcode, Operation, Table

_ROWS = test_vector_engine.test_rows_are_issued_and_written_in_the_cycles_of_the_rules
_FUNCTION = test_inverse_square_root.test_one_number_a_cycle_is_exactly_that_of_the_rule

ROWS: dict[str, Case] = {
    "rows: parameters are read with tensor_scale too": case(
        _ROWS,
        "no parameters",
        module="rows",
        change=Change(r"fields\[204\] \? 3'h1 : 3'h4;", "3'h4;"),
    ),
    "reads: the source is not held for y": case(
        test_vector_engine.test_source_and_multiplier_are_read_one_after_the_other,
        module="reads",
        change=assigned("source", "buffer__data"),
    ),
    "reads: a row does not wait for the buffer": case(
        test_vector_engine.test_a_denied_read_holds_its_row,
        "residual",
        module="reads",
        change=assigned("denied", "1'b0"),
    ),
    "reads: vectors are read where elements are": case(
        _ROWS,
        "buffer",
        module="reads",
        change=assigned("accumulator__enable", "step"),
    ),
    "reads: the end of the buffer is not looked at": case(
        test_vector_faults.test_residual_beyond_the_end,
        *(test_vector_faults.CONFIG, Addition.TABLE),
        module="reads",
        change=Change(r"\S+ +> 14'h2000;", "0;", count=4),
    ),
    "reads: a source beyond the end is no error": case(
        test_vector_faults.test_source_beyond_the_end,
        *(test_vector_faults.CONFIG, Operation.MULTIPLY),
        module="reads",
        change=Change(r"\\value\S+  \+ (\S+ );", r"\1;", count=2),
    ),
    "reads: every entry is in the file": case(
        test_vector_faults.test_entries_beyond_the_statistics_file,
        *(test_vector_faults.CONFIG, "sum"),
        module="reads",
        change=Change(r"= entry < 8'h80;", "= 1'b1;", count=2),
    ),
    "reads: the mask is the same in every row": case(
        test_vector_statistics.test_lanes_behind_the_mask_do_not_count,
        0,
        module="reads.mask_walk",
        change=loaded("stride_0", "20'h0"),
    ),
    "reads: the mask is the same in every n tile": case(
        test_vector_statistics.test_lanes_behind_the_mask_do_not_count,
        3,
        module="reads.mask_walk",
        change=loaded("stride_1", "20'h0"),
    ),
    "writes: the output has no stride": case(
        test_vector_engine.test_only_valid_lanes_are_written,
        *(ElementType.INT8, Destination.ACTIVATION),
        module="writes.output_walk",
        change=loaded("stride_0", "24'h0"),
    ),
    "writes: all lanes of the last n tile are written": case(
        test_vector_engine.test_only_valid_lanes_are_written,
        *(ElementType.INT8, Destination.ACTIVATION),
        module="writes",
        change=Change(r"last\[1\] \? fields\[91:85\] : 7'h04;", "7'h04;", count=5),
    ),
    "writes: what is written nowhere lies beyond its end": case(
        test_vector_faults.test_what_is_not_read_or_written_may_lie_anywhere,
        module="writes",
        change=Change(
            rf"fields{bits_of(Opcode.VECTOR, 'output_buffer')} != 2'h2;", "1'b1;", count=2
        ),
    ),
    "writes: every n tile starts the statistics anew": case(
        test_vector_statistics.test_a_row_may_change_its_entry_in_every_cycle,
        module="writes",
        change=assigned("update__fresh", "1'b1"),
    ),
    "writes: statistics that go on start anew": case(
        test_vector_statistics.test_statistics_start_anew_or_go_on,
        module="writes",
        change=assigned("update__fresh", "first_tile"),
    ),
    "writes: entries beyond the file fall on others": case(
        test_vector_faults.test_statistics_beyond_the_end_do_not_fall_on_other_entries,
        test_vector_faults.CONFIG,
        module="writes",
        change=Change(r"\\value\S+  < 8'h80;", "1'b1;", count=3),
    ),
    "table fill: the last word of the unary table is not read": case(
        test_vector_engine.test_table_reads_a_word_a_cycle,
        Table.UNARY,
        module="table_fill",
        change=Change(r"8'hff : 8'h3f;", "8'hff : 8'h3e;"),
    ),
    "table fill: words are written one entry late": case(
        test_vector_engine.test_each_table_keeps_what_it_holds_when_the_other_is_filled,
        module="table_fill",
        change=loaded("written_index", r"\2 + 1"),
    ),
}

STATISTICS: dict[str, Case] = {
    "statistics: an entry does not change in consecutive cycles": case(
        test_scale_rows.test_an_entry_changes_in_every_cycle_or_stays,
        change=Change(r"(_\d_ <= )\\\$\d+ \[47:0\];", r";", count=2),
    ),
    "statistics: the maximum is the last value": case(
        test_scale_rows.test_an_entry_changes_in_every_cycle_or_stays,
        change=assigned("write__data", "reduced_maximum"),
    ),
    "statistics: a maximum changes with a sum": case(
        test_scale_rows.test_an_entry_changes_in_every_cycle_or_stays,
        change=loaded("maximum_changes", "update__maximum | update__sum"),
    ),
    "scale rows: the mean is always subtracted": case(
        test_scale_rows.test_inverse_square_roots_are_of_the_variance,
        *(0, 384),
        change=Change(r"fields\[90\] \?", "1'b1 ?"),
    ),
    "scale rows: the square is that of the whole sum": case(
        test_scale_rows.test_inverse_square_roots_are_of_the_variance,
        *(1, 384),
        change=Change(
            r"\$signed\(total\[31:0\]\) \* \$signed\(total\[31:0\]\)",
            "$signed(total) * $signed(total)",
        ),
    ),
    "scale rows: a reciprocal is of 32 bits": case(
        test_scale_rows.test_reciprocals_are_of_all_48_bits_of_the_sum,
        change=loaded("later_total", "total[31:0]"),
    ),
    "scale rows: retires a cycle early": case(
        test_scale_rows.test_a_row_is_read_and_written_in_each_cycle,
        2,
        change=assigned("done", "written[12] & ~written[11]"),
    ),
    "inverse square root: there is no line between the entries": case(
        _FUNCTION,
        True,
        change=loaded("product", "33'h0"),
    ),
    "inverse square root: a reciprocal is cut to 24 bits": case(
        _FUNCTION,
        False,
        change=Change(r"\+ 23'h7fffff;", "+ 23'h0;"),
    ),
    "inverse square root: that of 0 is large": case(
        _FUNCTION,
        True,
        change=Change(r"\\later\S+  \? 41'h00000000000 : ", ""),
    ),
}

VECTOR_FAULTS = ROWS | STATISTICS
