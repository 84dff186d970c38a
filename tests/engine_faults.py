"""Faults of the engines and their memories."""

from __future__ import annotations

import test_matrix_engine
import test_matrix_faults
import test_parameter_buffer
import test_scratchpad
from component_faults import Case, Change, assigned, bits_of, case, loaded
from dma_faults import LOAD, STORE
from lane_faults import LANE_FAULTS
from matrix_bench import small_config
from vector_faults import VECTOR_FAULTS

from arch.isa import Opcode

_PROGRAMS = test_matrix_engine.PROGRAMS


def _issued(name: str) -> str:
    """A field of the instruction whose rows are made, as a pattern."""
    return "issued" + bits_of(Opcode.MATRIX, name)


MATRIX = {
    "compute tile: a lane is dropped": case(
        test_matrix_engine.test_gemm_of_one_tile,
        module="engine.compute",
        change=Change(r"operand_3_extended \* used_3_1;", "0;"),
    ),
    "compute tile: the next weights are used with every row": case(
        test_matrix_engine.test_tile_takes_the_longer_of_rows_and_reads,
        *(7, 7),
        module="engine.compute",
        change=Change(r"tile__row__valid & tile__row__swap", "tile__row__valid", count=16),
    ),
    "compute tile: columns of weights are taken for rows": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["weights as rows of n"],
        module="engine.compute",
        change=Change(r"= tile__load__transposed \? ", "= 1'b0 ? ", count=15),
    ),
    "matrix: accumulates where it should overwrite": case(
        test_matrix_engine.test_gemm_of_one_tile,
        module="engine.rows",
        change=Change(rf"= \S+ +\| {_issued('accumulate')};", "= 1'b1;"),
    ),
    "matrix: retires a cycle early": case(
        test_matrix_engine.test_row_is_written_and_instruction_retires_after_the_pipeline,
        module="engine",
        change=assigned("status__retire", "valid[2] & result_2[17]"),
    ),
    "matrix: the third weight tile does not wait for the first": case(
        test_matrix_engine.test_third_tile_waits_for_the_first_ones_last_row,
        module="engine",
        change=assigned("room", "1'b1"),
    ),
    "matrix: maxima are of unsigned numbers": case(
        test_matrix_engine.test_maximum_is_of_signed_numbers,
        module="engine",
        change=Change(
            r"\$signed\((accumulator_read__data\S+)\) > \$signed\((tile__sums\S+)\);",
            r"\1 > \2;",
            count=4,
        ),
    ),
    "matrix: a maximum never overwrites": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["maxima of products"],
        module="engine.rows",
        change=Change(rf"= row\[\d+\] & ({_issued('maximum')});", r"= \1;"),
    ),
    "streamer: the zero point is added": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["unsigned bytes and zero points"],
        module="engine.streamer",
        change=Change(r"- (\$signed\(turned\[17:9\]\))", r"+ \1", count=4),
    ),
    "loader: the zero point is added": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["unsigned bytes and zero points"],
        module="engine.loader",
        change=Change(r"- (\$signed\(\\\$\d+ \));", r"+ \1;", count=4),
    ),
    "loader: the row of zero points is not used": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["a row of zero points for each n tile"],
        module="engine.loader",
        change=Change(r"loading\[10\] \? zero_points", "1'b0 ? zero_points", count=4),
    ),
    "loader: columns from last_n on are not masked": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["k and n in several tiles, partial at the end"],
        module="engine.loader",
        change=Change(r"last\[4\] \? options\[17:15\] : 3'h4", "3'h4", count=3),
    ),
    "loader: row-major tiles lie one behind the other": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["weights as rows of k"],
        module="engine.loader",
        change=Change(r"options\[0\] \| options\[18\];", "options[0];", count=2),
    ),
    "loader: every k tile has a diagonal": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["a diagonal of fewer columns than k"],
        module="engine.loader",
        change=Change(r"if \(run_end\) begin(\s+\S+ += 4'h1;)", r"if (tile_end) begin\1"),
    ),
    "loader: rows of a diagonal lie one behind the other": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["depthwise"],
        module="engine.loader",
        change=Change(r"= ~ options\[19\];", "= 1'b1;"),
    ),
    "loader: all of a diagonal tile is of its bytes": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["depthwise"],
        module="engine.loader",
        change=Change(r"answered\[27\] \? ", "1'b0 ? "),
    ),
    "loader: a diagonal beyond the end is no error": case(
        test_matrix_faults.test_bytes_of_a_diagonal_count_whatever_is_valid,
        *(small_config(), 2, 4),
        module="engine.loader",
        change=Change(r"(assign overrun = \S+ +& \S+ );", r"\1 & ~options[19];"),
    ),
    "loader: row-major rows from last_k on are an overrun": case(
        test_matrix_faults.test_rows_of_row_major_weights_count_where_they_are_valid,
        *(small_config(), 1, 0),
        module="engine.loader",
        change=Change(r"(assign overrun = \S+ ) & .*;", r"\1;"),
    ),
    "rows: lanes from last_k on are not masked": case(
        test_matrix_engine.test_bytes_of_invalid_lanes_do_not_matter,
        *("weight_zero_row", 57),
        module="engine.rows",
        change=Change(rf"last\[2\] \? {_issued('last_k')} : 7'h04", "7'h04", count=3),
    ),
    "rows: the x limit is one too far": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows",
        change=Change(rf"({_issued('x_limit')} \}}\)) -", r"\1 + $signed(2'h1) -", count=3),
    ),
    "rows: the y limit is one too far": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows",
        change=Change(rf"< (\$signed\(\{{ 1'h0, {_issued('y_limit')} \}}\))", r"<= \1"),
    ),
    "row addresses: ky goes on by the step of kx": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.address_walk",
        change=loaded("stride_4", "stride_3"),
    ),
    "row addresses: columns have no stride": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.address_walk",
        change=loaded("stride_0", "0"),
    ),
    "row addresses: n tiles have no stride": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["channels of each n tile"],
        module="engine.rows.address_walk",
        change=loaded("stride_5", "0"),
    ),
    "row addresses: x has no stride from n tile to n tile": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["channels of each n tile"],
        module="engine.rows.x_walk",
        change=loaded("stride_5", "0"),
    ),
    "rows: mac_k counts in every k tile": case(
        test_matrix_engine.test_macs_of_a_row,
        *({"mac_k": 1}, 3, 0),
        module="engine.rows",
        change=Change(rf"last\[2\] \? ({_issued('mac_k')}) : 7'h00;", r"\1;"),
    ),
    "rows: comparisons are MACs": case(
        test_matrix_engine.test_macs_of_a_row,
        *({"maximum": 1}, 0, 0),
        module="engine.rows",
        change=Change(rf"= {_issued('maximum')} \? 7'h00 :", "= 1'b0 ? 7'h00 :"),
    ),
    "loop nest: a loop starts again with one iteration less": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.nest",
        change=loaded("again_1", r"\2 - 1"),
    ),
    "rows: the last byte of the buffer is an overrun": case(
        test_matrix_faults.test_activations_up_to_the_last_byte_are_no_error,
        small_config(),
        module="engine.rows",
        change=Change(r"> 11'h400;", ">= 11'h400;", count=2),
    ),
    "rows: there is a vector behind the last": case(
        test_matrix_faults.test_vectors_beyond_the_accumulator,
        *(small_config(), 0),
        module="engine.rows",
        change=Change(r"address < 7'h40;", "address <= 7'h40;"),
    ),
}

MEMORIES = {
    "scratchpad: a byte is enabled by its neighbour": case(
        test_scratchpad.test_write_at_every_address_with_every_kind_of_enable,
        change=Change(r"\(write_port__en\[1\]\)", "(write_port__en[0])"),
    ),
    "scratchpad: the words of a window are exchanged": case(
        test_scratchpad.test_window_before_address_zero_goes_on_at_zero,
        change=Change(r"\{ even, odd \} : \{ odd, even \}", "{ odd, even } : { even, odd }"),
    ),
    "scratchpad: the second reader does not wait for the first": case(
        test_scratchpad.test_clients_wait_for_those_before_them,
        "read",
        change=assigned("read__1__ready", "1'b1"),
    ),
    "scratchpad: a reader that waits does not hold those behind it": case(
        test_scratchpad.test_clients_wait_for_those_before_them,
        "read",
        change=assigned("read__2__ready", r"\2 | ~read__1__ready"),
    ),
    "scratchpad: half of a write that waits is made": case(
        test_scratchpad.test_denied_access_waits_whole,
        change=Change(r"(\\wanted\S+ \[\d\]) & write__1__ready;", r"\1;", count=8),
    ),
    "scratchpad: a read in the cycle of a write returns the new word": case(
        test_scratchpad.test_read_in_the_cycle_of_a_write_returns_the_old_word,
        change=Change(
            r"<= (bank_\d_even\[(\\?read_port__addr\S* ?)\]);",
            r"<= write__0__valid ? write__0__data[31:0] : \1;",
            count=4,
        ),
    ),
    "scratchpad window: a bank begins a pair of words late": case(
        test_scratchpad.test_window_at_every_address,
        module="read_window_1",
        change=Change(r"address\[23:3\] < 2'h3;", "address[23:3] < 3'h4;"),
    ),
    "accumulator: a write goes to both halves": case(
        test_scratchpad.test_accumulator_halves_are_apart,
        change=assigned("write__en", "matrix_write__enable"),
    ),
    "accumulator: a read in the cycle of a write returns the old vector": case(
        test_scratchpad.test_accumulator_read_in_the_cycle_of_a_write_returns_the_new_vector,
        change=Change(r"_\d_ <= matrix_write__data;", ";", count=2),
    ),
    "parameter buffer: a byte is enabled by any": case(
        test_parameter_buffer.test_only_enabled_bytes_are_written,
        change=Change(r"\(write__enable\[3\]\)", "(|write__enable)"),
    ),
    "parameter buffer: a read in the cycle of a write returns the new word": case(
        test_parameter_buffer.test_a_read_in_the_cycle_of_a_write_returns_the_old_word,
        change=Change(
            r"<= memory\[read__address\];",
            "<= |write__enable ? write__data : memory[read__address];",
        ),
    ),
}

ENGINE_FAULTS: dict[str, Case] = {
    **MATRIX,
    **MEMORIES,
    **LOAD,
    **STORE,
    **LANE_FAULTS,
    **VECTOR_FAULTS,
}
